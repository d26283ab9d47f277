/**
 * Keeps the ledger behind the store by no more than a moment, and brings it up to what is stored when a decision asks.
 *
 * A round that began before the question may have missed what was stored meanwhile, so whoever asks waits for one that
 * begins after it; all who ask meanwhile share that one.
 */
import type { Scheduler, Timer } from '../../base/clock.ts';
import { explain, messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import type { ParcelLedger } from '../ledger/fold.ts';
import type { LedgerStore } from '../ledger/ledger-store.ts';

export interface LedgerPumpParts {
  readonly ledger: Pick<LedgerStore, 'catchUp' | 'ledger' | 'ledgers'>;
  readonly scheduler: Scheduler;
  readonly logger: Logger;
  readonly everyMs: number;
}

export class LedgerPump {
  readonly #parts: LedgerPumpParts;
  readonly #stop = new AbortController();
  #running: Promise<void> | undefined;
  #next: Promise<void> | undefined;
  #timer: Timer | undefined;
  #read = 0;
  #failure: string | undefined;

  constructor(parts: LedgerPumpParts) {
    this.#parts = parts;
  }

  start(): void {
    this.#timer = this.#parts.scheduler.after(this.#parts.everyMs, () => {
      void this.upToDate()
        .catch(() => undefined)
        .then(() => (this.#stop.signal.aborted ? undefined : this.start()));
    });
  }

  /** Resolves when everything that was stored before the call is in the ledger. Rejects when it cannot be read. */
  upToDate(): Promise<void> {
    if (this.#running === undefined) {
      this.#running = this.#round().finally(() => {
        this.#running = undefined;
      });
      return this.#running;
    }
    const before = this.#running;
    this.#next ??= before
      .catch(() => undefined)
      .then(() => {
        this.#next = undefined;
        return this.upToDate();
      });
    return this.#next;
  }

  /** A parcel's ledger as of what is stored now. */
  async ledger(...question: Parameters<LedgerStore['ledger']>): Promise<ParcelLedger> {
    await this.upToDate();
    return this.#parts.ledger.ledger(...question);
  }

  /** Of several parcels, likewise. */
  async ledgers(...question: Parameters<LedgerStore['ledgers']>): Promise<readonly ParcelLedger[]> {
    await this.upToDate();
    return this.#parts.ledger.ledgers(...question);
  }

  status(): { readonly read: number; readonly failure?: string } {
    return { read: this.#read, ...(this.#failure !== undefined && { failure: this.#failure }) };
  }

  async stop(): Promise<void> {
    this.#timer?.cancel();
    this.#stop.abort();
    await this.#running?.catch(() => undefined);
  }

  async #round(): Promise<void> {
    const { ledger, logger } = this.#parts;
    try {
      this.#read += await ledger.catchUp(this.#stop.signal);
      if (this.#failure !== undefined) logger.info({}, 'the ledger reads again');
      this.#failure = undefined;
    } catch (error) {
      if (this.#stop.signal.aborted) throw error;
      if (this.#failure === undefined) logger.error({ error: explain(error) }, 'the ledger cannot read on');
      this.#failure = messageOf(error);
      throw error;
    }
  }
}
