/**
 * Runs the tree along the rows of earlier runs, ahead of sending: nothing of them leaves before. A journal of a million
 * entries starts at once, and what is sent first is verified first.
 */

import type { HeldLog } from './held-log.ts';
import { paced } from './paced.ts';
import type { RowsVerdict } from './stored-tree.ts';

/** A log that began in this run: nothing of it comes from an earlier one. */
export function trustAll(log: HeldLog): void {
  log.verifiedFrom = 0;
  log.verifiedSize = Number.MAX_SAFE_INTEGER;
}

/**
 * From our newest receipt to what was noted when this was called; what the log gets afterwards is of this run. Rejects
 * with the abort reason, and with JOURNAL_IO.
 */
export async function verifyAhead(log: HeldLog, signal: AbortSignal, progress: () => void): Promise<RowsVerdict> {
  const { state } = log;
  const from = Math.min(log.receiptedSize, log.size);
  const to = state.kind === 'closed' ? state.sendEnd : log.noteSize;
  log.verifiedFrom = from;
  const verdict = await paced(log.database.verifySteps(from, to), {
    signal,
    progress: (size) => {
      log.verifiedSize = Math.max(log.verifiedSize, size);
      progress();
    },
  });
  if (verdict.ok) log.verifiedSize = Number.MAX_SAFE_INTEGER;
  progress();
  return verdict;
}

/**
 * What every store has receipted, afterwards: it is not sent again, but a disk that changes what is written shows here
 * first, and the log says so before it is asked. Rejects like `verifyAhead`.
 */
export async function verifyReceipted(log: HeldLog, signal: AbortSignal): Promise<RowsVerdict> {
  return paced(log.database.verifySteps(0, Math.min(log.receiptedSize, log.noteSize)), { signal });
}
