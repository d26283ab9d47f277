/**
 * Export and check of a journal: of the running gateway's, or offline under the journal's lock. Nothing is changed.
 */
import { utf8Text } from '../../base/bytes.ts';
import { LatchkeyError } from '../../base/errors.ts';
import { silentLogger } from '../../base/logger.ts';
import type { Result } from '../../base/result.ts';
import { systemScheduler } from '../../base/system-scheduler.ts';
import { nodeCrypto } from '../../platform/node-crypto.ts';
import type { KeyStore, Signer } from '../contracts/signer.ts';
import { type CheckReport, checkFile, checkLog } from '../journal/check-log.ts';
import { type ExportRefusal, type ExportSummary, exportLog } from '../journal/export-log.ts';
import { inspectJournal } from '../journal/inspect.ts';
import type { Journal } from '../journal/journal.ts';
import { openKeys } from './gateway-keys.ts';
import type { GatewaySettings } from './settings.ts';

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
  const { origin, from, signal } = request;
  const done = await journal.export({ from, write, signal, ...(origin !== undefined && { origin }) });
  return summaryOf(done, journal.log(origin).origin);
}

/** Rejects with JOURNAL_BUSY while a gateway runs, JOURNAL_MISSING when there is no such log, KEY_LOCKED without its key. */
export async function exportOffline(
  settings: GatewaySettings,
  request: ExportRequest,
  write: Write,
): Promise<ExportSummary> {
  const { data_dir: dataDir } = settings.gateway;
  const inspection = inspectJournal(dataDir, nodeCrypto);
  try {
    const { database, state, name } = inspection.find(request.origin);
    if (state === 'breached') {
      throw new LatchkeyError('JOURNAL_DAMAGED', `nothing of ${name} leaves any more; its file stays as it is`);
    }
    const isOpen = state === 'open';
    const { from, signal } = request;
    const logger = silentLogger;
    const keys = await openKeys({ settings, scheduler: systemScheduler(), logger, signal });
    try {
      const signer = await signerOf(keys.store, database.origin);
      const done = await exportLog({ database, signer, isOpen, from, write, signal });
      return summaryOf(done, database.origin);
    } finally {
      await keys.close();
    }
  } finally {
    inspection.close();
  }
}

/** The newest entries of the newest log, oldest first. Rejects like `exportOffline`. */
export async function tailOffline(dataDir: string, lines: number, item: (line: string) => void): Promise<void> {
  const inspection = inspectJournal(dataDir, nodeCrypto);
  try {
    const { database } = inspection.find();
    const size = database.size();
    for (const entry of database.leaves(Math.max(0, size - lines), size)) item(lineOf(entry));
  } finally {
    inspection.close();
  }
}

/** The exact leaf line, or what is left of an entry whose body was removed. */
export function lineOf(entry: { readonly index: number; readonly leaf?: Uint8Array }): string {
  const text = entry.leaf === undefined ? undefined : utf8Text(entry.leaf);
  return text ?? `{"n":${entry.index},"reduced":true}`;
}

export async function checkJournal(journal: Journal, signal: AbortSignal, progress: Progress): Promise<JournalReport> {
  const logs: CheckReport[] = [];
  for (const { origin } of journal.status().logs) {
    const { size } = journal.log(origin);
    logs.push(await journal.check(origin, signal, options(signal, origin, size, progress).progress));
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
      // A reader that is gone ends the work by its signal.
      Promise.resolve(progress({ log, size, of })).catch(() => undefined);
    },
  };
}

function summaryOf(done: Result<ExportSummary, ExportRefusal>, origin: string): ExportSummary {
  if (done.ok) return done.value;
  const code = done.reason === 'damaged' ? 'JOURNAL_DAMAGED' : 'USAGE';
  throw new LatchkeyError(code, `${origin} cannot be exported: ${done.detail}`);
}

async function signerOf(keys: KeyStore, origin: string): Promise<Signer | undefined> {
  try {
    return await keys.open(origin);
  } catch (error) {
    if (error instanceof LatchkeyError && error.code === 'KEY_LOST') return undefined;
    throw error;
  }
}
