/**
 * Export and check of a journal: of the running gateway's, or offline under the journal's lock. Nothing is changed.
 */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { LatchkeyError, messageOf } from '../../base/errors.ts';
import { parseOrigin } from '../../evidence/log/origin.ts';
import { lockFile } from '../../platform/file-lock.ts';
import { nodeCrypto } from '../../platform/node-crypto.ts';
import type { Signer } from '../contracts/signer.ts';
import { type CheckReport, checkFile, checkLog } from '../journal/check-log.ts';
import { type ExportSummary, exportLog } from '../journal/export-log.ts';
import type { Journal } from '../journal/journal.ts';
import { LogDatabase } from '../journal/log-database.ts';
import { SoftwareKeyStore } from '../keys/software-key-store.ts';

export interface ExportRequest {
  /** The open log, or offline the newest, unless given. */
  readonly origin: string | undefined;
  readonly from: number;
  readonly signal: AbortSignal;
}

type Write = (bytes: Uint8Array) => Promise<void>;
type Progress = (value: { readonly log: string; readonly size: number; readonly of: number }) => Promise<void> | void;

export interface JournalReport {
  readonly sound: boolean;
  /** Oldest first; files that were set aside are not among them. */
  readonly logs: readonly CheckReport[];
}

/** Progress is told this often, in entries. */
const PROGRESS_EVERY = 20_000;

export async function exportJournal(journal: Journal, request: ExportRequest, write: Write): Promise<ExportSummary> {
  const log = journal.log(request.origin);
  return exportOf(log.database, log.signer, log.isOpen, request, write);
}

/** Rejects with JOURNAL_BUSY while a gateway runs, JOURNAL_MISSING when there is no such log. */
export function exportOffline(dataDir: string, request: ExportRequest, write: Write): Promise<ExportSummary> {
  return underLock(dataDir, async (paths) => {
    const path = pick(paths, request.origin);
    const database = LogDatabase.open(path, nodeCrypto, 'read');
    try {
      return await exportOf(database, await signerOf(dataDir, database.origin), true, request, write);
    } finally {
      database.close();
    }
  });
}

export async function checkJournal(journal: Journal, signal: AbortSignal, progress: Progress): Promise<JournalReport> {
  const logs: CheckReport[] = [];
  for (const { origin } of journal.status().logs) {
    const { database } = journal.log(origin);
    logs.push(await checkLog(database, { ...options(signal, origin, database.size(), progress), pages: false }));
  }
  return { sound: logs.every((log) => log.sound), logs };
}

export function checkOffline(dataDir: string, signal: AbortSignal, progress: Progress): Promise<JournalReport> {
  return underLock(dataDir, async (paths) => {
    const logs: CheckReport[] = [];
    for (const path of paths) logs.push(await checkFile(path, { ...options(signal, path, 0, progress), pages: true }));
    return { sound: logs.every((log) => log.sound), logs };
  });
}

function options(signal: AbortSignal, log: string, of: number, progress: Progress) {
  let told = 0;
  return {
    crypto: nodeCrypto,
    signal,
    progress: (size: number): void => {
      if (size - told < PROGRESS_EVERY) return;
      told = size;
      void progress({ log, size, of });
    },
  };
}

async function exportOf(
  database: LogDatabase,
  signer: Signer | undefined,
  isOpen: boolean,
  { from, signal }: ExportRequest,
  write: Write,
): Promise<ExportSummary> {
  const done = await exportLog({ database, signer, isOpen, from, write, signal });
  if (done.ok) return done.value;
  const code = done.reason === 'damaged' ? 'JOURNAL_DAMAGED' : 'USAGE';
  throw new LatchkeyError(code, `${database.origin} cannot be exported: ${done.detail}`);
}

async function underLock<T>(dataDir: string, work: (paths: readonly string[]) => Promise<T>): Promise<T> {
  const paths = databases(dataDir);
  const lock = lockFile(join(dataDir, 'lock'), 'JOURNAL_BUSY', `the journal in ${dataDir}`);
  try {
    return await work(paths);
  } finally {
    lock.release();
  }
}

/** Paths of the logs, oldest first. Throws JOURNAL_MISSING. */
function databases(dataDir: string): readonly string[] {
  const directory = join(dataDir, 'journal');
  try {
    const found = readdirSync(directory).filter((name) => /^\d+-[0-9a-f]{8}\.db$/.test(name));
    if (found.length > 0) {
      return found.sort((a, b) => Number.parseInt(a, 10) - Number.parseInt(b, 10)).map((name) => join(directory, name));
    }
  } catch (error) {
    throw new LatchkeyError('JOURNAL_MISSING', `no journal in ${dataDir}: ${messageOf(error)}`);
  }
  throw new LatchkeyError('JOURNAL_MISSING', `no log in ${directory}`);
}

function pick(paths: readonly string[], origin: string | undefined): string {
  const newest = paths.at(-1);
  if (origin === undefined && newest !== undefined) return newest;
  const parsed = parseOrigin(origin ?? '');
  const path = parsed.ok
    ? paths.find((one) => one.endsWith(`/${parsed.value.number}-${parsed.value.tag}.db`))
    : undefined;
  if (path === undefined) throw new LatchkeyError('JOURNAL_MISSING', `no log ${origin} is here`);
  return path;
}

async function signerOf(dataDir: string, origin: string): Promise<Signer | undefined> {
  const keys = await SoftwareKeyStore.open(join(dataDir, 'keys'), nodeCrypto);
  try {
    return await keys.open(origin);
  } catch (error) {
    if (error instanceof LatchkeyError && error.code === 'KEY_LOST') return undefined;
    throw error;
  }
}
