/**
 * The work beside the decisions, round after round: late facts, what falls due, and commands on their way out.
 *
 * None of these waits for another: what happens at a large site may concern many thousands of decisions, and the law's
 * deadlines pass meanwhile.
 *
 * Several services may do it on one database: whatever one of them did, the others find done.
 */
import { sleep } from '../../base/abort.ts';
import { Backoff } from '../../base/backoff.ts';
import type { Scheduler } from '../../base/clock.ts';
import { messageOf } from '../../base/errors.ts';
import type { Result } from '../../base/result.ts';
import { GivenUp } from './given-up.ts';
import { LateFacts, type LateReport } from './late-facts.ts';
import { Outbox, type OutboxStatus, type ReviveRefusal } from './outbox.ts';
import { type ActionSink, type Delivered, OutboxWorker } from './outbox-worker.ts';
import { followUpOf, type RefundDeskParts } from './refund-desk.ts';
import { Sweep, type SweepReport } from './sweep.ts';

export interface CaseworkerParts extends Omit<RefundDeskParts, 'clock'> {
  readonly scheduler: Scheduler;
  /** Without it commands wait in the outbox. */
  readonly sink?: ActionSink;
  /** Between two rounds. */
  readonly everyMs?: number;
  /** How long a command belongs to whoever took it. */
  readonly leaseMs?: number;
}

export interface Round {
  readonly late: LateReport;
  readonly swept: SweepReport;
  readonly sent: Delivered;
}

export interface CaseworkStatus {
  readonly outbox: OutboxStatus;
  /** Holds that are open, and those of them whose deadline has passed. */
  readonly holds: { readonly open: number; readonly overdue: number };
  /** Decisions that could not be looked at again for late facts since this service began, each time that one could not. */
  readonly late: { readonly unread: number };
}

const EVERY_MS = 1_000;
const NOTHING: Delivered = { taken: 0, failed: 0, fenced: 0 };

export class Caseworker {
  readonly #parts: CaseworkerParts;
  readonly #late: LateFacts;
  readonly #sweep: Sweep;
  readonly #outbox: Outbox;
  readonly #worker: OutboxWorker | undefined;
  #latest: CaseworkStatus | undefined;

  constructor(parts: CaseworkerParts) {
    const { scheduler, sink, logger, database, leaseMs } = parts;
    this.#parts = parts;
    this.#late = new LateFacts({ ...parts, clock: scheduler });
    this.#sweep = new Sweep({ ...parts, clock: scheduler });
    const followUp = followUpOf({ ...parts, clock: scheduler });
    const { crypto, tenant, region, ruleset } = parts;
    const givenUp = new GivenUp({ crypto, tenant, region, parameters: ruleset.parameters }, followUp);
    this.#outbox = new Outbox(database, givenUp);
    this.#worker =
      sink &&
      new OutboxWorker({ outbox: this.#outbox, sink, scheduler, logger, ...(leaseMs !== undefined && { leaseMs }) });
  }

  /** One round. Rejects where the database does, or when the signal fires. */
  async once(signal: AbortSignal): Promise<Round> {
    const late = await this.#late.look(signal);
    const swept = await this.#sweep.due(signal);
    const sent = (await this.#worker?.deliverDue(signal)) ?? NOTHING;
    return { late, swept, sent };
  }

  /** A person has a command that was given up tried again, in the next round. */
  revive(key: string): Promise<Result<'waiting', ReviveRefusal>> {
    return this.#outbox.revive(key, this.#parts.scheduler.wallMs());
  }

  /** Until the signal fires. Commands leave while a round is at work; a database that is away is asked again. */
  async run(signal: AbortSignal): Promise<void> {
    await Promise.all([
      this.#rounds(signal, 'a look for late facts failed', () => this.#lookLate(signal)),
      this.#rounds(signal, 'a round of casework failed', () => this.#sweepDue(signal)),
      this.#worker?.run(signal),
    ]);
  }

  /** As of the last round; undefined before the first. */
  get latest(): CaseworkStatus | undefined {
    return this.#latest;
  }

  async status(nowMs = this.#parts.scheduler.wallMs()): Promise<CaseworkStatus> {
    const outbox = await this.#outbox.status();
    const holds = await this.#parts.database.as('payments', (trx) =>
      trx
        .selectFrom('payments.hold')
        .select(({ fn }) => [
          fn.countAll<number>().as('open'),
          fn.countAll<number>().filterWhere('deadline_at', '<=', new Date(nowMs)).as('overdue'),
        ])
        .where('state', '=', 'open')
        .executeTakeFirstOrThrow(),
    );
    const late = { unread: this.#late.unread };
    return { outbox, holds: { open: Number(holds.open), overdue: Number(holds.overdue) }, late };
  }

  async #lookLate(signal: AbortSignal): Promise<void> {
    const { more } = await this.#late.look(signal);
    if (more) this.#parts.logger.warn({}, 'late facts are more than one round takes: the next goes on');
  }

  async #sweepDue(signal: AbortSignal): Promise<void> {
    await this.#sweep.due(signal);
    this.#latest = await this.status();
  }

  async #rounds(signal: AbortSignal, failed: string, round: () => Promise<void>): Promise<void> {
    const { scheduler, logger, everyMs = EVERY_MS } = this.#parts;
    const pause = new Backoff({ firstMs: everyMs, maxMs: 30_000 });
    while (!signal.aborted) {
      let waitMs = everyMs;
      try {
        await round();
        pause.reset();
      } catch (error) {
        if (signal.aborted) return;
        waitMs = pause.nextMs();
        logger.error({ error: messageOf(error) }, failed);
      }
      await sleep(scheduler, waitMs, signal).catch(() => undefined);
    }
  }
}
