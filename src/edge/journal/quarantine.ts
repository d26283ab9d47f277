/**
 * A damaged database is set aside under `quarantine/`, with its WAL, and kept: nothing is deleted to get going. What
 * still verifies in it goes on being sent in its old log, read from where it lies; the record of that (state, receipts)
 * stands in a file beside it, since the damaged file itself is no longer written.
 */
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  writeSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { z } from 'zod';
import { base64, unbase64, utf8, utf8Text } from '../../base/bytes.ts';
import { LatchkeyError, messageOf } from '../../base/errors.ts';
import type { EvidenceCrypto } from '../../evidence/crypto.ts';
import type { LogState, ReceiptKeyRole } from './continuity.ts';
import { HeldLog } from './held-log.ts';
import { LogDatabase } from './log-database.ts';
import type { LogIdentity } from './log-handle.ts';
import type { RecordStore } from './log-record.ts';
import { filesOf, guarded } from './sqlite-file.ts';

export const QUARANTINE = 'quarantine';
const SET_ASIDE = /^([1-9][0-9]{0,15}-[0-9a-f]{8})\.([1-9][0-9]*)\.db$/;

export interface SetAside {
  /** `<number>-<tag>` of the log. */
  readonly name: string;
  readonly path: string;
  /** From 1: how often a file of that name was set aside. */
  readonly nth: number;
}

/** Everything that was ever set aside here, oldest first for each name. */
export function listSetAside(journalDirectory: string): readonly SetAside[] {
  const directory = join(journalDirectory, QUARANTINE);
  if (!existsSync(directory)) return [];
  return readdirSync(directory)
    .flatMap((file) => {
      const [, name, nth] = SET_ASIDE.exec(file) ?? [];
      return name === undefined ? [] : [{ name, path: join(directory, file), nth: Number(nth) }];
    })
    .sort((a, b) => a.nth - b.nth);
}

/** Renames a database and its WAL aside, durably. Throws JOURNAL_IO or JOURNAL_FULL. */
export function setAside(path: string): SetAside {
  const journalDirectory = dirname(path);
  const name = basename(path, '.db');
  return guarded(path, () => {
    const directory = join(journalDirectory, QUARANTINE);
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    const nth = 1 + Math.max(0, ...listSetAside(journalDirectory).map((each) => (each.name === name ? each.nth : 0)));
    const target = join(directory, `${name}.${nth}.db`);
    // The database first: a WAL without one is seen at the next start, a database without its WAL is not.
    moveFiles(path, target);
    return { name, path: target, nth };
  });
}

/** Takes a WAL after its database that a crash left behind. Returns how many files were moved. */
export function followOrphans(journalDirectory: string): number {
  let moved = 0;
  for (const file of readdirSync(journalDirectory)) {
    const [, name, suffix] = /^([1-9][0-9]{0,15}-[0-9a-f]{8})\.db-(wal|shm)$/.exec(file) ?? [];
    if (name === undefined || existsSync(join(journalDirectory, `${name}.db`))) continue;
    const owner = listSetAside(journalDirectory).findLast((each) => each.name === name);
    const free = owner === undefined || existsSync(`${owner.path}-${suffix}`) ? undefined : owner.path;
    const target = free ?? join(journalDirectory, QUARANTINE, `${name}.${Date.now()}-without-database`);
    guarded(file, () => {
      mkdirSync(join(journalDirectory, QUARANTINE), { recursive: true, mode: 0o700 });
      renameSync(join(journalDirectory, file), `${target}-${suffix}`);
      syncPath(dirname(target));
      syncPath(journalDirectory);
    });
    moved += 1;
  }
  return moved;
}

/**
 * The log of a set-aside file, as far as it verifies, or undefined when not even its rows can be read. Its state is
 * decided once and stored: *closed* when all that was published still verifies; *breached* when something that left is no
 * longer here, since what is left can then not be told from a branch.
 */
export function salvage(
  crypto: EvidenceCrypto,
  file: SetAside,
  keys: readonly ReceiptKeyRole[],
  identity: LogIdentity | undefined,
): HeldLog | undefined {
  let database: LogDatabase;
  try {
    database = LogDatabase.open(file.path, crypto, 'salvage', identity);
  } catch (error) {
    if (error instanceof LatchkeyError && error.code === 'JOURNAL_DAMAGED') return undefined;
    throw error;
  }
  const sidePath = `${file.path}.state`;
  const known = SideRecord.load(sidePath);
  const side = known ?? SideRecord.copy(sidePath, database);
  const log = new HeldLog(database, keys, side, true);
  if (known === undefined) decideState(log);
  return log;
}

function decideState(log: HeldLog): void {
  const sound = log.database.soundNote(log.receiptedSize);
  const soundEnd = Math.max(log.receiptedSize, sound?.size ?? 0);
  const carryEnd = log.record.carryEnd;
  // What was carried into the part that is gone must be carried again.
  if (carryEnd !== undefined && carryEnd > soundEnd) log.record.store.setMeta({ carry_end: undefined });
  const note = sound === undefined ? undefined : utf8Text(sound.note);
  if (note !== undefined) log.record.setEndNote(note);
  log.setState(stateOf(log, soundEnd));
}

function stateOf(log: HeldLog, soundEnd: number): LogState {
  const { state, receiptedSize } = log;
  if (state.kind === 'breached') return state;
  const end = state.kind === 'closed' ? Math.min(state.sendEnd, soundEnd) : soundEnd;
  const publishedKnown = log.record.store.meta('published') !== undefined;
  if (!publishedKnown || log.publishedSize > end) {
    return { kind: 'breached', cause: 'quarantined', sendEnd: receiptedSize };
  }
  return { kind: 'closed', cause: 'quarantined', sendEnd: end };
}

const sideSchema = z.strictObject({
  meta: z.record(z.string(), z.string()),
  receipts: z.record(z.string(), z.strictObject({ size: z.int().min(0), note: z.base64() })),
});

/** A `RecordStore` as one small file, replaced whole and durably at each change. */
export class SideRecord implements RecordStore {
  readonly #path: string;
  #content: z.output<typeof sideSchema>;

  private constructor(path: string, content: z.output<typeof sideSchema>) {
    this.#path = path;
    this.#content = content;
  }

  /** Undefined when it is not there or was damaged as well: then it is made anew from the database. */
  static load(path: string): SideRecord | undefined {
    if (!existsSync(path)) return undefined;
    try {
      return new SideRecord(path, sideSchema.parse(JSON.parse(readFileSync(path, 'utf8'))));
    } catch {
      return undefined;
    }
  }

  /** With what can still be read of a database's own record. Not stored before the first change. */
  static copy(path: string, from: RecordStore): SideRecord {
    const meta: Record<string, string> = {};
    for (const key of from.metaKeys()) {
      const value = from.meta(key);
      if (value !== undefined) meta[key] = value;
    }
    const receipts = from.receipts().map(({ keyId, size, note }) => [keyId, { size, note: base64(note) }]);
    return new SideRecord(path, { meta, receipts: Object.fromEntries(receipts) });
  }

  meta(key: string): string | undefined {
    return this.#content.meta[key];
  }

  metaKeys(): readonly string[] {
    return Object.keys(this.#content.meta).sort();
  }

  setMeta(values: Readonly<Record<string, string | undefined>>): void {
    const meta: Record<string, string> = {};
    for (const [key, value] of Object.entries({ ...this.#content.meta, ...values })) {
      if (value !== undefined) meta[key] = value;
    }
    this.#replace({ ...this.#content, meta });
  }

  receipts(): readonly { readonly keyId: string; readonly size: number; readonly note: Uint8Array }[] {
    return Object.entries(this.#content.receipts).map(([keyId, { size, note }]) => {
      return { keyId, size, note: unbase64(note) ?? new Uint8Array(0) };
    });
  }

  saveReceipt(keyId: string, size: number, note: Uint8Array): void {
    if ((this.#content.receipts[keyId]?.size ?? -1) >= size) return;
    const receipts = { ...this.#content.receipts, [keyId]: { size, note: base64(note) } };
    this.#replace({ ...this.#content, receipts });
  }

  #replace(content: z.output<typeof sideSchema>): void {
    const bytes = utf8(JSON.stringify(content));
    const aside = `${this.#path}.tmp`;
    try {
      const descriptor = openSync(aside, 'w', 0o600);
      try {
        for (let at = 0; at < bytes.length; ) at += writeSync(descriptor, bytes, at);
        fsyncSync(descriptor);
      } finally {
        closeSync(descriptor);
      }
      renameSync(aside, this.#path);
      syncPath(dirname(this.#path));
    } catch (error) {
      throw new LatchkeyError('JOURNAL_IO', `${this.#path} could not be stored: ${messageOf(error)}`, { cause: error });
    }
    this.#content = content;
  }
}

function moveFiles(from: string, to: string): void {
  const targets = filesOf(to);
  for (const [i, file] of filesOf(from).entries()) {
    const target = targets[i];
    if (target !== undefined && existsSync(file)) renameSync(file, target);
  }
  syncPath(dirname(to));
  syncPath(dirname(from));
}

function syncPath(path: string): void {
  const descriptor = openSync(path, 'r');
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}
