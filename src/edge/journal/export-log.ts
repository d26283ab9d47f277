/**
 * A log, or a range of it, as a file: consecutive batches, the last note ending exactly at its end.
 *
 * Bytes go out batch by batch as the writer takes them, so memory stays flat whatever the length. Nothing is signed
 * before the tree was run along its rows.
 */
import { setImmediate as turn } from 'node:timers/promises';
import { accept, type Result, refuse } from '../../base/result.ts';
import type { Signer } from '../contracts/signer.ts';
import { type BatchLog, gatherBatch, sealBatch } from './batch-source.ts';
import type { LogDatabase } from './log-database.ts';

export interface ExportOptions {
  readonly database: LogDatabase;
  /** Undefined when the key is gone: the batches then have the empty signature, which only a closed log may use. */
  readonly signer: Signer | undefined;
  /** Entries may still come: the headers then say how many there are now. */
  readonly isOpen: boolean;
  /** The export begins at the commit that holds this entry; 0 by default. */
  readonly from?: number;
  /** The export ends with the commit that holds the entry before this one; at the newest note by default. */
  readonly to?: number;
  /** Resolves when the next bytes may come. */
  readonly write: (bytes: Uint8Array) => Promise<void>;
  readonly signal: AbortSignal;
  readonly progress?: (size: number) => void;
}

export interface ExportSummary {
  readonly origin: string;
  readonly first: number;
  /** Tree size of the last note. */
  readonly size: number;
  readonly entries: number;
  readonly batches: number;
  readonly bytes: number;
}

export type ExportRefusal =
  /** No signed entry in the range, or it lies outside of the log. */
  | 'range'
  /** A body in the range was removed by retention or erasure: it can be proved, but not exported. */
  | 'reduced'
  /** The rows do not fit the tree. What was written by then is no export. */
  | 'damaged';

/** Rejects with the abort reason, with JOURNAL_IO, and like `Signer.signEnvelope`; what was written is no export then. */
export async function exportLog(options: ExportOptions): Promise<Result<ExportSummary, ExportRefusal>> {
  const { database, signal, signer } = options;
  const noted = database.newestNote()?.size ?? 0;
  const from = options.from ?? 0;
  const to = options.to ?? noted;
  if (from < 0 || from >= to || to > noted) {
    return refuse('range', `entries ${from} to ${to} were asked for; ${noted} have a signed note`);
  }
  const first = database.commits(from, 1)[0]?.first ?? from;
  const end = database.commits(to - 1, 1)[0]?.size ?? to;
  const reduced = database.firstReduced(first, end);
  if (reduced !== undefined) {
    return refuse('reduced', `the body of entry ${reduced} was removed; an export must begin above it`);
  }
  const log: BatchLog = {
    database,
    origin: database.origin,
    vkey: database.vkey,
    isOpen: options.isOpen,
    size: database.size(),
    sendableSize: noted,
  };
  let at = first;
  let batches = 0;
  let bytes = 0;
  while (at < end) {
    signal.throwIfAborted();
    const range = gatherBatch(log, at, end);
    const verdict = database.verifyRange(at, range?.end ?? end);
    if (!verdict.ok) return refuse('damaged', `${verdict.detail} (${verdict.reason} at entry ${verdict.index})`);
    if (range === undefined) return refuse('damaged', `entry ${at} is in no signed commit`);
    const batch = await sealBatch(log, range, signer, at === first);
    await options.write(batch.bytes);
    bytes += batch.bytes.length;
    batches += 1;
    at = range.end;
    options.progress?.(at);
    if (batches % 8 === 0) await turn();
  }
  return accept({ origin: database.origin, first, size: end, entries: end - first, batches, bytes });
}
