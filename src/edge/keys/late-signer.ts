/**
 * A log key that its TPM does not give yet: the log begins without it, its entries are durable, and its notes are signed
 * when the TPM has answered. Nothing is signed by a key that the TPM has not sealed, or not given out.
 */
import { sleep } from '../../base/abort.ts';
import { Backoff } from '../../base/backoff.ts';
import type { Scheduler } from '../../base/clock.ts';
import { LatchkeyError, messageOf } from '../../base/errors.ts';
import type { LogPayloadType, Signer } from '../contracts/signer.ts';

const RETRY = { firstMs: 500, maxMs: 15_000 } as const;

export interface LateSignerParts {
  readonly origin: string;
  readonly publicKey: Uint8Array;
  readonly scheduler: Scheduler;
  /** The key: tried again until it is there, or lost (KEY_LOST). */
  readonly get: () => Promise<Signer>;
  /** What was tried already. */
  readonly begun: Promise<Signer>;
  /** Called when it is not tried any more. */
  readonly done: () => void;
}

export class LateSigner implements Signer {
  readonly origin: string;
  readonly publicKey: Uint8Array;
  readonly #stop = new AbortController();
  #signer: Signer | undefined;
  #failure: LatchkeyError | undefined;

  constructor(parts: LateSignerParts) {
    this.origin = parts.origin;
    this.publicKey = parts.publicKey;
    void this.#wait(parts).finally(parts.done);
  }

  get isReady(): boolean {
    return this.#signer !== undefined;
  }

  signCheckpoint(text: string): Promise<Uint8Array> {
    return this.#with((signer) => signer.signCheckpoint(text));
  }

  signEnvelope(type: LogPayloadType, payload: Uint8Array): Promise<Uint8Array> {
    return this.#with((signer) => signer.signEnvelope(type, payload));
  }

  /** It is not waited for any more. */
  giveUp(): void {
    this.#stop.abort(new LatchkeyError('KEY_LOST', `the key of ${this.origin} was destroyed before the TPM had it`));
  }

  async #with(sign: (signer: Signer) => Promise<Uint8Array>): Promise<Uint8Array> {
    if (this.#signer !== undefined) return await sign(this.#signer);
    if (this.#stop.signal.aborted) throw this.#stop.signal.reason;
    if (this.#failure?.code === 'KEY_LOST') throw this.#failure;
    const found = this.#failure === undefined ? 'it has not answered yet' : messageOf(this.#failure);
    throw new LatchkeyError('KEY_LOCKED', `the TPM does not give the key of ${this.origin}: ${found}`);
  }

  async #wait({ get, begun, scheduler }: LateSignerParts): Promise<void> {
    const backoff = new Backoff(RETRY);
    for (let trial = begun; !this.#stop.signal.aborted; trial = get()) {
      try {
        this.#signer = await trial;
        return;
      } catch (error) {
        // A broken invariant ends the process: as an unhandled rejection, like everywhere.
        if (!(error instanceof LatchkeyError)) throw error;
        this.#failure = error;
        if (error.code === 'KEY_LOST') return;
      }
      await sleep(scheduler, backoff.nextMs(), this.#stop.signal).catch(() => undefined);
    }
  }
}
