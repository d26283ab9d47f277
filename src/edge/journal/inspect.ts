/**
 * The journal of a data directory while no daemon runs: for `status`, `export` and `check` offline. Takes the lock, opens
 * every log for reading, and changes nothing.
 */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { hex } from '../../base/bytes.ts';
import { LatchkeyError } from '../../base/errors.ts';
import type { EvidenceCrypto } from '../../evidence/crypto.ts';
import { parseVkey } from '../../evidence/log/note.ts';
import { parseOrigin } from '../../evidence/log/origin.ts';
import { lockFile } from '../../platform/file-lock.ts';
import { standing } from './continuity.ts';
import { LogDatabase } from './log-database.ts';
import { LogRecord } from './log-record.ts';
import { listSetAside, type SetAside } from './quarantine.ts';

export interface InspectedLog {
  /** `<number>-<tag>`. */
  readonly name: string;
  readonly path: string;
  /** Absent when the file is damaged, of another version or cannot be read: `damage` says how, and `check` says more. */
  readonly database?: LogDatabase;
  readonly damage?: string;
  readonly state?: 'open' | 'closed' | 'breached';
  /** Why it ended. */
  readonly cause?: string;
  /** Every entry is receipted, there or as carried. */
  readonly isSettled?: boolean;
}

export interface Receiver {
  readonly vkey: string;
  readonly role: 'store' | 'advisory';
}

export interface Inspection {
  /** Oldest first; the last one was open. */
  readonly logs: readonly InspectedLog[];
  readonly setAside: readonly SetAside[];
  /** The log of that origin or name, or the newest. Throws JOURNAL_MISSING and JOURNAL_DAMAGED. */
  find(originOrName?: string): InspectedLog & { readonly database: LogDatabase };
  /** Size below which every store among these keys has receipted that log. */
  receiptedSize(database: LogDatabase, receivers: readonly Receiver[]): number;
  /** Closes the files and gives the lock back. */
  close(): void;
}

const DATABASE = /^([1-9][0-9]{0,15})-[0-9a-f]{8}\.db$/;

/** Throws JOURNAL_MISSING, and JOURNAL_BUSY while a daemon holds it. One file that does not open does not hide the others. */
export function inspectJournal(dataDir: string, crypto: EvidenceCrypto): Inspection {
  const directory = join(dataDir, 'journal');
  if (!existsSync(directory)) throw new LatchkeyError('JOURNAL_MISSING', `no journal is in ${dataDir}`);
  const lock = lockFile(join(dataDir, 'lock'), 'JOURNAL_BUSY', `the journal in ${dataDir}`);
  const logs: InspectedLog[] = [];
  const close = (): void => {
    for (const { database } of logs) database?.close();
    lock.release();
  };
  try {
    const numberOf = (file: string): number => Number(DATABASE.exec(file)?.[1]);
    const files = readdirSync(directory).filter((file) => DATABASE.test(file));
    for (const file of files.sort((a, b) => numberOf(a) - numberOf(b))) {
      logs.push(openForReading(join(directory, file), file.slice(0, -'.db'.length), crypto));
    }
  } catch (error) {
    close();
    throw error;
  }
  const find: Inspection['find'] = (wanted) => findLog(logs, dataDir, wanted);
  return { logs, setAside: listSetAside(directory), find, receiptedSize, close };
}

function receiptedSize(database: LogDatabase, receivers: readonly Receiver[]): number {
  const keys = receivers.flatMap(({ vkey, role }) => {
    const parsed = parseVkey(vkey);
    return parsed.ok ? [{ keyId: hex(parsed.value.keyId), role }] : [];
  });
  return standing(new Map(database.receipts().map(({ keyId, size }) => [keyId, size])), keys).receiptedSize;
}

function openForReading(path: string, name: string, crypto: EvidenceCrypto): InspectedLog {
  let database: LogDatabase | undefined;
  try {
    database = LogDatabase.open(path, crypto, 'read');
    const { state, settled } = new LogRecord(database);
    return {
      name,
      path,
      database,
      isSettled: settled,
      state: state.kind,
      ...(state.kind !== 'open' && { cause: state.cause }),
    };
  } catch (error) {
    database?.close();
    const isOfFile = ['JOURNAL_DAMAGED', 'JOURNAL_VERSION', 'JOURNAL_IO'];
    if (!(error instanceof LatchkeyError) || !isOfFile.includes(error.code)) throw error;
    return { name, path, damage: error.message };
  }
}

function findLog(
  logs: readonly InspectedLog[],
  dataDir: string,
  wanted: string | undefined,
): InspectedLog & { readonly database: LogDatabase } {
  const parsed = wanted === undefined ? undefined : parseOrigin(wanted);
  const name = parsed?.ok ? `${parsed.value.number}-${parsed.value.tag}` : wanted;
  const log = name === undefined ? logs.at(-1) : logs.find((each) => each.name === name);
  if (log === undefined) throw new LatchkeyError('JOURNAL_MISSING', `no log ${name ?? ''} is in ${dataDir}`);
  if (log.database === undefined) throw new LatchkeyError('JOURNAL_DAMAGED', log.damage ?? `${log.path} is damaged`);
  return { ...log, database: log.database };
}
