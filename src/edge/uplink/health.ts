/**
 * Whether entries reach a consumer, in numbers. A connection proves a socket, a PUBACK proves a broker's memory: healthy
 * means that receipts move while entries wait for them.
 */
import type { OutboxLog } from '../contracts/outbox.ts';
import type { UplinkState } from './machine-types.ts';

export interface UplinkHealth {
  /** No entry has waited for longer than the stall time while no receipt moved, and nothing below is alarming. */
  readonly healthy: boolean;
  readonly connected: boolean;
  /** `live` when entries may leave; before that what it waits for. */
  readonly phase: UplinkState['phase']['name'];
  /** Signed entries that not every store receipted. */
  readonly waiting: number;
  /** Entries of closed logs that no receipt covers and that cannot leave: they are passed over, and wait for nobody. */
  readonly unsendable: number;
  /** Entries wait, and no receipt moved for longer than the stall time. */
  readonly stalled: boolean;
  /** Since the newest receipt that moved, in this start; undefined before the first. */
  readonly receiptAgeMs: number | undefined;
  /** Batches on their way to the broker. */
  readonly windowBatches: number;
  readonly windowBytes: number;
  /** Bytes that the broker took and no consumer receipted. */
  readonly aheadBytes: number;
  /** What is wrong now: a word, and the log or reason code that it is about. Empty when nothing is. */
  readonly alarms: readonly string[];
}

/** What is wrong, as far as the machine knows: sorted, stable words. */
export function alarmsOf(state: UplinkState): readonly string[] {
  const alarms: string[] = [];
  if (state.subscriptionRefused) alarms.push('subscription_refused');
  if (state.memoryWasLost) alarms.push('memory_lost');
  for (const origin of state.breached) alarms.push(`log_breached ${origin}`);
  if (state.enrolment.name === 'refused') alarms.push(`enrolment_refused ${state.enrolment.code}`);
  for (const { origin, checkpoint, trouble, code } of state.lanes) {
    if (checkpoint.refusals > 0) alarms.push(`checkpoint_refused ${checkpoint.code} ${origin}`);
    if (trouble === 'refused') alarms.push(`batch_refused ${code} ${origin}`);
    if (trouble === 'undelivered') alarms.push(`nobody_listens ${origin}`);
    if (trouble === 'stalled') alarms.push(`receipts_stalled ${origin}`);
    if (trouble === 'unreadable') alarms.push(`journal_unreadable ${origin}`);
  }
  return alarms.sort();
}

export interface Unsendable {
  readonly origin: string;
  readonly entries: number;
}

/**
 * Closed logs of which nothing can be sent: the outbox gives no note that may be published, because it is gone or because
 * nobody can vouch for the log any more. No receipt will ever move there, so to wait for one would hide a true stall.
 */
export function unsendableLogs(
  logs: readonly OutboxLog[],
  hasNote: (origin: string) => boolean,
): readonly Unsendable[] {
  return logs
    .filter((log) => log.state === 'closed' && log.noteSize > log.receiptedSize && !hasNote(log.origin))
    .map(({ origin, noteSize, receiptedSize }) => ({ origin, entries: noteSize - receiptedSize }));
}

/** Watches the receipts move. Time is an input. */
export class ReceiptWatch {
  #receipted = new Map<string, number>();
  #movedAtMs: number | undefined;
  #waitingSinceMs: number | undefined;
  #waiting = 0;

  get waiting(): number {
    return this.#waiting;
  }

  update(logs: readonly OutboxLog[], nowMs: number): void {
    const before = this.#receipted;
    this.#receipted = new Map(logs.map((log) => [log.origin, log.receiptedSize]));
    if (logs.some((log) => log.receiptedSize > (before.get(log.origin) ?? log.receiptedSize))) this.#movedAtMs = nowMs;
    this.#waiting = logs.reduce((sum, log) => sum + Math.max(0, log.noteSize - log.receiptedSize), 0);
    if (this.#waiting === 0) this.#waitingSinceMs = undefined;
    else this.#waitingSinceMs ??= nowMs;
  }

  receiptAgeMs(nowMs: number): number | undefined {
    return this.#movedAtMs === undefined ? undefined : nowMs - this.#movedAtMs;
  }

  stalled(nowMs: number, stallMs: number): boolean {
    if (this.#waitingSinceMs === undefined) return false;
    return nowMs - Math.max(this.#waitingSinceMs, this.#movedAtMs ?? this.#waitingSinceMs) > stallMs;
  }
}
