/**
 * Gets a log's notes signed by a key that may be away: refused for now, too slow, or gone for good.
 */
import { withTimeout } from '../../base/abort.ts';
import { assert } from '../../base/assert.ts';
import { Backoff } from '../../base/backoff.ts';
import { equalBytes } from '../../base/bytes.ts';
import type { Scheduler, Timer } from '../../base/clock.ts';
import { LatchkeyError } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import { formatCheckpoint } from '../../evidence/log/checkpoint.ts';
import { formatNote, signedNote, type Vkey } from '../../evidence/log/note.ts';
import type { Signer } from '../contracts/signer.ts';
import type { JournalSettings } from './journal-settings.ts';

export interface NoteMakerOptions {
  readonly vkey: Vkey;
  readonly signer: () => Signer | undefined;
  readonly scheduler: Scheduler;
  readonly settings: JournalSettings;
  readonly logger: Logger;
  /** The pause is over: the key may be asked again. */
  readonly onRetry: () => void;
  /** Once: the key is gone for good. */
  readonly onLost: () => void;
}

export type KeyState = 'here' | 'away' | 'lost';

export class NoteMaker {
  readonly #options: NoteMakerOptions;
  readonly #backoff: Backoff;
  #state: KeyState = 'here';
  #timer: Timer | undefined;

  constructor(options: NoteMakerOptions) {
    this.#options = options;
    this.#backoff = new Backoff({ firstMs: options.settings.retryFirstMs, maxMs: options.settings.retryMaxMs });
  }

  /** `here` until the key says otherwise; `away` while its pause lasts. */
  get state(): KeyState {
    return this.#state;
  }

  /** The signed note of a tree, or undefined: the key is away now. */
  async make(size: number, root: Uint8Array): Promise<Uint8Array | undefined> {
    if (this.#state !== 'here') return undefined;
    const { vkey, scheduler, settings } = this.#options;
    const signer = this.#options.signer();
    if (signer === undefined) return this.#away('the key cannot be opened');
    assert(equalBytes(signer.publicKey, vkey.publicKey), `the signer is not that of ${vkey.name}`);
    const checkpoint = { origin: vkey.name, size, root };
    try {
      const work = signer.signCheckpoint(formatCheckpoint(checkpoint));
      const signature = await withTimeout(scheduler, settings.signTimeoutMs, 'the signature of a checkpoint', work);
      this.#backoff.reset();
      return formatNote(signedNote(checkpoint, vkey, signature));
    } catch (error) {
      if (!(error instanceof LatchkeyError)) throw error;
      if (error.code !== 'KEY_LOST') return this.#away(error.message);
      this.#state = 'lost';
      this.#options.logger.error({ reason: error.message }, 'the log key is gone for good');
      this.#options.onLost();
      return undefined;
    }
  }

  /** Ends the pause now. */
  retry(): void {
    if (this.#state !== 'away') return;
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#state = 'here';
    this.#options.onRetry();
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #away(reason: string): undefined {
    const delayMs = this.#backoff.nextMs();
    this.#state = 'away';
    this.#options.logger.warn({ reason, delayMs }, 'the log key is away; entries are stored without a note');
    this.#timer = this.#options.scheduler.after(delayMs, () => this.retry());
    return undefined;
  }
}
