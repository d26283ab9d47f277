/** A transport over lines that break: it opens, waits no longer than it may, and starts anew after each failure. */
import { assert } from '../../base/assert.ts';
import type { Scheduler } from '../../base/clock.ts';
import { LatchkeyError, messageOf } from '../../base/errors.ts';
import { HEADER_BYTES, PACKET_BYTES_MAX, type SendOptions, type TpmTransport } from './transport.ts';
import { Turnstile } from './turnstile.ts';

/** One connection. */
export interface TpmLine {
  /** Never called while another exchange is under way. Rejects when the line broke or what came is no response. */
  exchange(command: Uint8Array): Promise<Uint8Array>;
  /** Ends it at once; an exchange under way may stay unsettled. */
  close(): void;
}

export interface TpmLineOpener {
  readonly target: string;
  readonly resourceManaged: boolean;
  /** When the signal aborts, whatever was begun is closed. */
  open(signal: AbortSignal): Promise<TpmLine>;
}

const WAITING_MAX = 64;

export class LineTransport implements TpmTransport {
  readonly target: string;
  readonly resourceManaged: boolean;
  readonly #opener: TpmLineOpener;
  readonly #scheduler: Scheduler;
  readonly #turnstile: Turnstile;
  #line: TpmLine | undefined;
  #closed = false;

  constructor(opener: TpmLineOpener, scheduler: Scheduler) {
    this.target = opener.target;
    this.resourceManaged = opener.resourceManaged;
    this.#opener = opener;
    this.#scheduler = scheduler;
    this.#turnstile = new Turnstile(`commands for the TPM at ${opener.target}`, WAITING_MAX);
  }

  send(command: Uint8Array, options: SendOptions): Promise<Uint8Array> {
    assert(command.length >= HEADER_BYTES && command.length <= PACKET_BYTES_MAX, 'a command has 10 to 4,096 bytes');
    return this.#turnstile.pass(() => this.#send(command, options), options.signal);
  }

  reset(): void {
    this.#line?.close();
    this.#line = undefined;
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#turnstile.pass(async () => this.reset());
  }

  async #send(command: Uint8Array, options: SendOptions): Promise<Uint8Array> {
    options.signal?.throwIfAborted();
    if (this.#closed) throw new LatchkeyError('TPM_UNAVAILABLE', `the TPM at ${this.target}: the transport is closed`);
    const stop = new AbortController();
    try {
      return await this.#bounded(this.#exchange(command, stop.signal), options);
    } catch (error) {
      stop.abort(error);
      this.reset();
      if (error instanceof LatchkeyError || options.signal?.aborted === true) throw error;
      const cause = { cause: error };
      throw new LatchkeyError('TPM_UNAVAILABLE', `the TPM at ${this.target}: ${messageOf(error)}`, cause);
    }
  }

  async #exchange(command: Uint8Array, signal: AbortSignal): Promise<Uint8Array> {
    const line = this.#line ?? (await this.#opener.open(signal));
    // The wait was over while the line was being opened: nobody would close it later.
    if (signal.aborted) {
      line.close();
      signal.throwIfAborted();
    }
    this.#line = line;
    return line.exchange(command);
  }

  #bounded(work: Promise<Uint8Array>, options: SendOptions): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      const settle = (act: () => void): void => {
        timer.cancel();
        options.signal?.removeEventListener('abort', abort);
        act();
      };
      const abort = (): void => settle(() => reject(options.signal?.reason));
      const timer = this.#scheduler.after(options.timeoutMs, () =>
        settle(() =>
          reject(
            new LatchkeyError('TPM_UNAVAILABLE', `the TPM at ${this.target}: no answer in ${options.timeoutMs} ms`),
          ),
        ),
      );
      options.signal?.addEventListener('abort', abort, { once: true });
      work.then(
        (response) => settle(() => resolve(response)),
        (error: unknown) => settle(() => reject(error)),
      );
    });
  }
}
