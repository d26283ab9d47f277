/**
 * Export and check of a journal: of the running gateway's, or offline under the journal's lock. Nothing is changed.
 */
import { join } from 'node:path';
import { LatchkeyError } from '../../base/errors.ts';
import { nodeCrypto } from '../../platform/node-crypto.ts';
import type { Signer } from '../contracts/signer.ts';
import { type CheckReport, checkFile, checkLog } from '../journal/check-log.ts';
import { type ExportSummary, exportLog } from '../journal/export-log.ts';
import { inspectJournal } from '../journal/inspect.ts';
import type { Journal } from '../journal/journal.ts';
import type { LogDatabase } from '../journal/log-database.ts';
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
export async function exportOffline(dataDir: string, request: ExportRequest, write: Write): Promise<ExportSummary> {
  const inspection = inspectJournal(dataDir, nodeCrypto);
  try {
    const { database, state } = inspection.find(request.origin);
    return await exportOf(database, await signerOf(dataDir, database.origin), state === 'open', request, write);
  } finally {
    inspection.close();
  }
}

export async function checkJournal(journal: Journal, signal: AbortSignal, progress: Progress): Promise<JournalReport> {
  const logs: CheckReport[] = [];
  for (const { origin } of journal.status().logs) {
    const { database } = journal.log(origin);
    logs.push(await checkLog(database, { ...options(signal, origin, database.size(), progress), pages: false }));
  }
  return { sound: logs.every((log) => log.sound), logs };
}

/** Rejects like `exportOffline`. */
export async function checkOffline(dataDir: string, signal: AbortSignal, progress: Progress): Promise<JournalReport> {
  const inspection = inspectJournal(dataDir, nodeCrypto);
  try {
    const logs: CheckReport[] = [];
    for (const { path, database } of inspection.logs) {
      const chosen = { ...options(signal, path, database?.size() ?? 0, progress), pages: true };
      logs.push(await (database === undefined ? checkFile(path, chosen) : checkLog(database, chosen)));
    }
    return { sound: logs.every((log) => log.sound), logs };
  } finally {
    inspection.close();
  }
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

async function signerOf(dataDir: string, origin: string): Promise<Signer | undefined> {
  const keys = await SoftwareKeyStore.open(join(dataDir, 'keys'), nodeCrypto);
  try {
    return await keys.open(origin);
  } catch (error) {
    if (error instanceof LatchkeyError && error.code === 'KEY_LOST') return undefined;
    throw error;
  }
}
