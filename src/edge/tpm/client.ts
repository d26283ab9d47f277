/**
 * Units of work on a TPM: one at a time, each with its own sessions and objects, which are flushed when it ends, however
 * it ends.
 *
 * A bare TPM holds three objects and three sessions (and a persistent key needs a place while it works), and what is not
 * flushed stays. So commands run inside `TpmClient.run` only.
 */
import type { Scheduler } from '../../base/clock.ts';
import { type Logger, silentLogger } from '../../base/logger.ts';
import type { TpmCrypto } from '../../tpm2/crypto.ts';
import { TpmRefusedError } from './errors.ts';
import { reclaim } from './reclaim.ts';
import type { TpmTransport } from './transport.ts';
import { Turnstile } from './turnstile.ts';
import { Tpm, type TpmTimes } from './unit.ts';

export interface TpmClientSettings {
  readonly transport: TpmTransport;
  readonly crypto: TpmCrypto;
  readonly scheduler: Scheduler;
  readonly logger?: Logger;
  readonly times?: Partial<TpmTimes>;
}

/** Generous: a chip on a slow bus takes half a second for a signature, and half a minute for a primary RSA key. */
const TIMES: TpmTimes = {
  ordinaryMs: 15_000,
  slowMs: 120_000,
  retryFirstMs: 20,
  retryMaxMs: 2_000,
  retriesMax: 12,
};

const WAITING_MAX = 64;

export class TpmClient {
  readonly #settings: TpmClientSettings;
  readonly #logger: Logger;
  readonly #turnstile: Turnstile;
  /** Somebody before us, or a unit that broke, may have left objects in a TPM that nobody else clears up. */
  #reclaimNeeded: boolean;

  constructor(settings: TpmClientSettings) {
    this.#settings = settings;
    this.#logger = settings.logger ?? silentLogger;
    this.#turnstile = new Turnstile(`units of work for the TPM at ${settings.transport.target}`, WAITING_MAX);
    this.#reclaimNeeded = !settings.transport.resourceManaged;
  }

  get target(): string {
    return this.#settings.transport.target;
  }

  /**
   * Runs one unit of work when all earlier ones have ended. `tpm` is of no use after `work` has settled.
   *
   * Rejects with what `work` rejects with; with TPM_BUSY when too many units wait; with the signal's reason, also in the
   * middle of a command: the TPM may or may not have carried it out.
   */
  run<T>(work: (tpm: Tpm) => Promise<T>, options: { readonly signal?: AbortSignal } = {}): Promise<T> {
    return this.#turnstile.pass(async () => {
      const { transport, crypto, scheduler } = this.#settings;
      const times = { ...TIMES, ...this.#settings.times };
      const tpm = new Tpm({ transport, crypto, scheduler, times, logger: this.#logger, signal: options.signal });
      try {
        if (this.#reclaimNeeded) await this.#reclaim(tpm);
        return await work(tpm);
      } finally {
        await tpm.end();
        if (tpm.untidy && !transport.resourceManaged) this.#reclaimNeeded = true;
      }
    }, options.signal);
  }

  async #reclaim(tpm: Tpm): Promise<void> {
    try {
      const flushed = await reclaim(tpm);
      if (flushed > 0) this.#logger.warn({ flushed }, 'flushed what an earlier user left in the TPM');
    } catch (error) {
      // After a reset nothing is loaded, and the unit may be the one that sends TPM2_Startup.
      if (!(error instanceof TpmRefusedError && error.rc.remedy === 'startup')) throw error;
    }
    this.#reclaimNeeded = false;
  }

  /** Waits for the units that were begun, then closes the transport. */
  async close(): Promise<void> {
    await this.#turnstile.pass(() => this.#settings.transport.close());
  }
}
