/**
 * One of several receivers on a database: holds leases of partitions, and keeps intake and subscriptions in step with them.
 *
 * What is taken over is loaded from the store before anything of it is subscribed to. What is lost is forgotten at once:
 * the store refuses its writes already. A receiver that stood still finds out with its next write, its next round or its
 * next connection, whichever comes first, and each of them comes before a receipt.
 */
import type { Scheduler, Timer } from '../../base/clock.ts';
import { explain, LatchkeyError } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import type { Metrics } from '../../base/metrics.ts';
import type { Intake } from '../intake/intake.ts';
import type { PartitionLeases } from '../intake/sql-store/leases.ts';

export interface ReplicaParts {
  readonly leases: PartitionLeases;
  readonly intake: Intake;
  readonly scheduler: Scheduler;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** On the present connection, if there is one; must not reject. */
  readonly subscribe: (partitions: readonly string[]) => Promise<void>;
  readonly unsubscribe: (partitions: readonly string[]) => Promise<void>;
}

/** A lease is renewed this often before it would run out. */
const ROUNDS_PER_LEASE = 3;

export class Replica {
  readonly #parts: ReplicaParts;
  readonly #intervalMs: number;
  #working = new Set<string>();
  #timer: Timer | undefined;
  #running: Promise<void> = Promise.resolve();
  #stopped = false;

  constructor(parts: ReplicaParts) {
    this.#parts = parts;
    this.#intervalMs = Math.max(1, Math.floor(parts.leases.ttlMs / ROUNDS_PER_LEASE));
  }

  /** Held, loaded, and to be subscribed to on each connection. */
  get partitions(): readonly string[] {
    return [...this.#working].sort();
  }

  /** The first round. Rejects with the store's codes. */
  async start(): Promise<void> {
    await this.#round();
    this.#later();
  }

  /** A connection stands: what is still ours is found out before anything is said on it. */
  connected(): Promise<void> {
    return this.#inTurn(() => this.#round());
  }

  /** A write was refused since another receiver took the gateway's partition over. */
  fenced(gateway: string): void {
    this.#forget([this.#parts.leases.partitionOf(gateway)]);
  }

  /** Gives everything back; call it when intake has stored what it took. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#timer?.cancel();
    await this.#running;
    await this.#parts.leases.leave().catch((error: unknown) => this.#failed(error));
  }

  #later(): void {
    if (this.#stopped) return;
    this.#timer = this.#parts.scheduler.after(this.#intervalMs, () => {
      void this.#inTurn(() => this.#round()).then(() => this.#later());
    });
  }

  /** One after the other; a database that does not answer is asked again in the next round. */
  #inTurn(work: () => Promise<void>): Promise<void> {
    const done = this.#running.then(async () => {
      if (!this.#stopped) await work().catch((error: unknown) => this.#failed(error));
    });
    this.#running = done;
    return done;
  }

  async #round(): Promise<void> {
    const { leases, intake, logger, metrics } = this.#parts;
    const { lost, excess } = await leases.round();
    this.#forget(lost);
    if (excess.length > 0) {
      leases.forget(excess);
      this.#forget(excess);
      await leases.release(excess);
    }
    const fresh = leases.held.filter((partition) => !this.#working.has(partition));
    if (fresh.length > 0) {
      await intake.takeOver();
      // What was lost again while it was loaded is not taken up.
      const taken = fresh.filter((partition) => leases.held.includes(partition));
      for (const partition of taken) this.#working.add(partition);
      logger.info({ taken: taken.length, held: this.#working.size }, 'took partitions over');
      await this.#parts.subscribe(taken);
    }
    metrics.gauge('intake_partitions', this.#working.size);
  }

  #forget(partitions: readonly string[]): void {
    const { leases, intake, logger } = this.#parts;
    leases.forget(partitions);
    const gone = partitions.filter((partition) => this.#working.delete(partition));
    if (gone.length === 0) return;
    intake.dropForeign();
    logger.info({ left: gone.length, held: this.#working.size }, 'left partitions to others');
    void this.#parts.unsubscribe(gone);
  }

  #failed(error: unknown): void {
    if (!(error instanceof LatchkeyError)) throw error;
    this.#parts.logger.warn({ error: explain(error) }, 'leases could not be renewed');
  }
}
