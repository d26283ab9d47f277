/**
 * Whether this gateway does its work: entries become durable, leave, and are receipted. "Connected" is not enough, and
 * quiet is not a fault: what counts is whether anything moves while something is owed.
 */
import type { Scheduler, Timer } from '../../base/clock.ts';
import type { Metrics } from '../../base/metrics.ts';
import { Movement } from '../../platform/metrics/movement.ts';
import { type NotReady, type Readiness, readinessOf } from '../../platform/metrics/readiness.ts';
import type { JournalStatus } from '../journal/journal-status.ts';
import type { UplinkHealth } from '../uplink/health.ts';

const LOOK_EVERY_MS = 1_000;
/** An event becomes durable within a group commit, some milliseconds; a disk that needs so long does not work. */
const COMMIT_LIMIT_MS = 10_000;
/** The daemon's own sign of life is an entry: so many of them missing is silence, and no quiet site. */
const ALIVE_MISSED_MAX = 3;

export interface GatewayWatchParts {
  readonly journal: { status(): JournalStatus };
  readonly uplink: { health(): UplinkHealth };
  readonly metrics: Metrics & { value(name: string): number };
  readonly scheduler: Scheduler;
  readonly aliveIntervalMs: number;
  /** uplink.stall_ms: entries that wait for so long without a receipt that moved are stalled. */
  readonly stallMs: number;
}

/** Looks once a second, so that it knows since when something stands still. */
export class GatewayWatch {
  readonly #parts: GatewayWatchParts;
  readonly #commits = new Movement();
  readonly #signOfLife = new Movement();
  readonly #notes = new Movement();
  #timer: Timer | undefined;

  constructor(parts: GatewayWatchParts) {
    this.#parts = parts;
  }

  start(): void {
    this.look();
    this.#timer = this.#parts.scheduler.after(LOOK_EVERY_MS, () => this.start());
  }

  stop(): void {
    this.#timer?.cancel();
  }

  look(): void {
    const { journal, metrics, scheduler } = this.#parts;
    const status = journal.status();
    const nowMs = scheduler.monotonicMs();
    const commits = metrics.value('journal_commits');
    this.#commits.update(status.waiting > 0, commits, nowMs);
    this.#signOfLife.update(true, commits, nowMs);
    this.#notes.update(
      unsignedOf(status) > 0,
      status.logs.reduce((sum, { noteSize }) => sum + noteSize, 0),
      nowMs,
    );
  }

  readiness(): Readiness {
    this.look();
    const { journal, uplink } = this.#parts;
    return readinessOf([...this.#journalReasons(journal.status()), ...uplinkReasons(uplink.health())]);
  }

  #journalReasons(status: JournalStatus): readonly NotReady[] {
    const { scheduler, aliveIntervalMs, stallMs } = this.#parts;
    const found: NotReady[] = [...stateReasons(status)];
    const stuckMs = this.#commits.stuckMs(scheduler.monotonicMs());
    if (stuckMs > COMMIT_LIMIT_MS) {
      found.push({
        reason: 'journal_not_committing',
        detail: `${status.waiting} events wait to become durable, and none did for ${seconds(stuckMs)} s`,
        remedy: 'look at the disk: its room, its errors in the kernel log, and other load on it',
      });
    }
    const silentMs = this.#signOfLife.stuckMs(scheduler.monotonicMs());
    if (found.length === 0 && silentMs > ALIVE_MISSED_MAX * aliveIntervalMs + COMMIT_LIMIT_MS) {
      found.push({
        reason: 'journal_silent',
        detail: `no entry was written for ${seconds(silentMs)} s, not even a sign of life`,
        remedy: 'read the log of the daemon, then restart it',
      });
    }
    const unsignedMs = this.#notes.stuckMs(scheduler.monotonicMs());
    if (unsignedMs > stallMs) {
      found.push({
        reason: 'entries_unsigned',
        detail: `${unsignedOf(status)} entries wait for a signature, and none came for ${seconds(unsignedMs)} s`,
        remedy: '"latchkey status" says where the key of the log is; with a TPM see "latchkey tpm show"',
      });
    }
    return found;
  }
}

/** `low` refuses only what repeats: custody is still recorded. */
function stateReasons({ open, writer, room }: JournalStatus): readonly NotReady[] {
  const found: NotReady[] = [];
  if (open === undefined || writer !== 'open') {
    found.push({
      reason: 'journal_not_writing',
      detail: open === undefined ? 'no log is open' : `the writer of the journal is ${writer}`,
      remedy: 'look at the disk; the journal opens again by itself',
    });
  }
  if (room === 'custody' || room === 'full') {
    found.push({
      reason: 'journal_full',
      detail: 'there is no room on the disk for new custody',
      remedy: 'make room, or raise journal.size_max_mib; what is receipted is pruned by itself',
    });
  }
  return found;
}

export function uplinkReasons({ connected, stalled, waiting }: UplinkHealth): readonly NotReady[] {
  const found: NotReady[] = [];
  if (!connected) {
    found.push({
      reason: 'broker_away',
      detail: 'the broker is not connected; entries wait in the journal',
      remedy: 'look at the network, the broker and its login; it is tried again by itself',
    });
  }
  if (stalled) {
    found.push({
      reason: 'receipts_stalled',
      detail: `${waiting} entries wait for a receipt, and none moved`,
      remedy: 'look at the consumer: does it run, does it believe this log, has its store room',
    });
  }
  return found;
}

/** Entries of open logs that no note covers. */
export function unsignedOf({ logs }: JournalStatus): number {
  return logs.reduce((sum, { state, size, noteSize }) => (state === 'open' ? sum + size - noteSize : sum), 0);
}

function seconds(ms: number): number {
  return Math.round(ms / 1_000);
}
