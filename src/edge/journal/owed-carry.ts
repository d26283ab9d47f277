/** Which entries of ended logs the next log takes over. */
import type { HeldLog } from './held-log.ts';
import type { Opening } from './log-record.ts';

/** What ended logs neither send nor handed on completely. `named` is the log that the next entry 0 will name. */
export function owedCarry(logs: readonly HeldLog[], named: string | undefined): Opening['carry'] {
  const carriedOn = new Set(
    logs
      .flatMap(({ record }) => (record.carryEnd === undefined ? [] : (record.opening?.carry ?? [])))
      .map(({ log }) => log),
  );
  return logs.flatMap((log) => {
    const { state, origin } = log;
    if (state.kind === 'open' || log.settled || carriedOn.has(origin)) return [];
    const from = isStranded(logs, log, named) ? log.receiptedSize : state.sendEnd;
    return log.size <= from ? [] : [{ log: origin, from }];
  });
}

/**
 * Without its key a closed log is sent unsigned, and taken only under the word of a successor. When that word will never be
 * heard, because the successor is gone or nothing of it is sent, its entries are carried instead.
 */
function isStranded(logs: readonly HeldLog[], log: HeldLog, named: string | undefined): boolean {
  if (!log.keyLost || log.state.kind !== 'closed' || !log.isOwing || log.origin === named) return false;
  const successor = logs.find(({ record }) => record.opening?.after?.log === log.origin);
  if (successor === undefined) return true;
  const { state, receiptedSize } = successor;
  const isHeard = state.kind === 'open' || (state.kind === 'closed' && state.sendEnd > 0);
  return receiptedSize === 0 && !isHeard;
}
