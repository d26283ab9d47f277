/** A log on a real disk with a fixed key, and a key store that can be switched off. */
import { copyFileSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach } from 'vitest';
import { utf8 } from '../../../src/base/bytes.ts';
import type { Scheduler } from '../../../src/base/clock.ts';
import { LatchkeyError } from '../../../src/base/errors.ts';
import { silentLogger } from '../../../src/base/logger.ts';
import { ManualScheduler } from '../../../src/base/manual-scheduler.ts';
import { MemoryMetrics } from '../../../src/base/metrics.ts';
import type { Signer } from '../../../src/edge/contracts/signer.ts';
import { journalSettingsSchema } from '../../../src/edge/journal/journal-settings.ts';
import { LogDatabase } from '../../../src/edge/journal/log-database.ts';
import { type CommitNews, LogWriter, type LogWriterOptions } from '../../../src/edge/journal/log-writer.ts';
import { pae } from '../../../src/evidence/batch/pae.ts';
import { formatNote } from '../../../src/evidence/log/note.ts';
import { leafHash, TreeBuilder } from '../../../src/evidence/log/tree.ts';
import { nodeCrypto } from '../../../src/platform/node-crypto.ts';
import { TestLog } from '../../support/test-log.ts';
import { until } from '../../support/until.ts';

export const testLog = new TestLog();
export const identity = { origin: testLog.origin, publicKey: testLog.key.publicKey };

const directories: string[] = [];
const open: LogDatabase[] = [];
const benches: Bench[] = [];

afterEach(async () => {
  for (const { writer, signer, scheduler } of benches.splice(0)) {
    signer.mood = 'here';
    const released = writer.release();
    scheduler.advance(60_000);
    await released;
  }
  for (const database of open.splice(0)) database.close();
  for (const directory of directories.splice(0)) rmSync(directory, { recursive: true, force: true });
});

export function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'latchkey-journal-'));
  directories.push(directory);
  return directory;
}

export function newDatabase(path = join(temporaryDirectory(), '1-test.db')): LogDatabase {
  return closedLater(LogDatabase.create(path, identity, nodeCrypto));
}

export function openDatabase(path: string, mode: 'write' | 'read' | 'salvage' = 'write'): LogDatabase {
  return closedLater(LogDatabase.open(path, nodeCrypto, mode));
}

export function closedLater(database: LogDatabase): LogDatabase {
  open.push(database);
  return database;
}

/** The files as a power cut or a copy would find them now. */
export function copyFiles(path: string): string {
  const copy = join(temporaryDirectory(), '1-test.db');
  copyFileSync(path, copy);
  if (existsSync(`${path}-wal`)) copyFileSync(`${path}-wal`, `${copy}-wal`);
  return copy;
}

export function leafOf(index: number, text = ''): Uint8Array {
  return utf8(`{"n":${index},"x":"${text}"}`);
}

/** Commits of these sizes, each with a note unless said otherwise. */
export function fill(database: LogDatabase, sizes: readonly number[], noted = true): void {
  const tree = new TreeBuilder(nodeCrypto, database.frontier());
  for (const size of sizes) {
    const first = tree.size;
    const leaves = Array.from({ length: size }, (_, i) => leafOf(first + i));
    const hashes = leaves.map((leaf) => leafHash(nodeCrypto, leaf));
    for (const hash of hashes) tree.push(hash);
    database.commit({ first, leaves, hashes, after: tree.frontier(), ...(noted && { note: noteOf(tree) }) });
  }
}

export function noteOf(tree: { readonly size: number; root(): Uint8Array }): Uint8Array {
  return formatNote(testLog.sign({ origin: testLog.origin, size: tree.size, root: tree.root() }));
}

export type KeyMood = 'here' | 'locked' | 'lost' | 'silent' | 'absent';

/** A signer that is away when it is told to be. */
export class MoodySigner implements Signer {
  readonly origin = testLog.origin;
  readonly publicKey = testLog.key.publicKey;
  readonly signed: string[] = [];
  mood: KeyMood = 'here';

  readonly get = (): Signer | undefined => (this.mood === 'absent' ? undefined : this);

  async signCheckpoint(text: string): Promise<Uint8Array> {
    await this.#ask();
    this.signed.push(text);
    return testLog.key.sign(utf8(text));
  }

  async signEnvelope(type: string, payload: Uint8Array): Promise<Uint8Array> {
    await this.#ask();
    return testLog.key.sign(pae(type, payload));
  }

  async #ask(): Promise<void> {
    if (this.mood === 'locked') throw new LatchkeyError('KEY_LOCKED', 'the key store refuses');
    if (this.mood === 'lost') throw new LatchkeyError('KEY_LOST', 'the key is gone');
    if (this.mood === 'silent') await new Promise(() => undefined);
  }
}

export interface Bench {
  readonly database: LogDatabase;
  readonly writer: LogWriter;
  readonly signer: MoodySigner;
  readonly scheduler: ManualScheduler;
  readonly metrics: MemoryMetrics;
  readonly news: CommitNews[];
  readonly states: string[];
}

export function settingsWith(changes: Readonly<Record<string, number>> = {}): LogWriterOptions['settings'] {
  return journalSettingsSchema.parse(changes);
}

export function writerOn(
  database: LogDatabase,
  changes: Partial<LogWriterOptions> & { readonly mood?: KeyMood } = {},
): Bench {
  const signer = new MoodySigner();
  signer.mood = changes.mood ?? 'here';
  const scheduler = new ManualScheduler();
  const metrics = new MemoryMetrics();
  const news: CommitNews[] = [];
  const states: string[] = [];
  const writer = new LogWriter({
    database,
    signer: signer.get,
    crypto: nodeCrypto,
    scheduler: scheduler as Scheduler,
    logger: silentLogger,
    metrics,
    settings: settingsWith(),
    boot: 1,
    onState: (state) => states.push(state),
    ...changes,
  });
  writer.onCommit((each) => news.push(each));
  const bench = { database, writer, signer, scheduler, metrics, news, states };
  benches.push(bench);
  return bench;
}

let upMs = 0;

/** A door opens: a `custody` event. */
export function draft(changes: Readonly<Record<string, unknown>> = {}): Parameters<LogWriter['append']>[0] {
  upMs += 1;
  return {
    observed: { wallMs: Date.UTC(2026, 10, 22, 9), upMs, clock: { src: 'ntp', err_ms: 4 } },
    body: { type: 'door.opened', device: 'bank-1', compartment: 'A17', data: { channel: 17 } },
    ...changes,
  };
}

export function soon(condition: () => boolean): Promise<void> {
  return until(String(condition), condition);
}

export const forever = new AbortController().signal;

/** The code of the operational failure that this work ends with. */
export function codeOf(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    if (error instanceof LatchkeyError) return error.code;
    throw error;
  }
  return 'no error';
}
