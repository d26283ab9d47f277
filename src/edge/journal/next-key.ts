/**
 * The key of the log after this one. Made when it is needed; with a TPM ahead of that, so that a log can open while the
 * TPM is away.
 *
 * A key without a database looks like a lost database. So the file `keys/opening` says which number's key was made for a
 * log that has not begun; it lies with the keys, and a lost journal directory leaves it.
 */
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { utf8 } from '../../base/bytes.ts';
import { LatchkeyError } from '../../base/errors.ts';
import { parseOrigin } from '../../evidence/log/origin.ts';
import { syncDirectory, writeFileDurably } from '../../platform/durable-file.ts';
import type { KeyStore, Signer } from '../contracts/signer.ts';

const OPENING = 'opening';

export interface NextKeyOptions {
  readonly dataDir: string;
  readonly operatorDomain: string;
  readonly gatewayId: string;
  readonly keyStore: KeyStore;
}

export interface NextKeyRequest {
  /** Numbers of logs that were seen anywhere: passed over, so that people are not confused. */
  readonly above: readonly number[];
  /**
   * The disk contradicts what has left the box: it may be an old copy, and the key that waits on it another log's by now.
   * That one goes, and a new one is made.
   */
  readonly fresh?: boolean;
  /** A log must begin now, also without an answer of the key store. */
  readonly late?: boolean;
}

export class NextKey {
  readonly #options: NextKeyOptions;
  readonly #directory: string;
  /** Made, and no log has begun with it; `signer` is absent while the key store cannot open it. */
  #spare: { readonly origin: string; readonly signer?: Signer; readonly isFresh?: boolean } | undefined;
  #making: Promise<Signer> | undefined;

  constructor(options: NextKeyOptions) {
    this.#options = options;
    this.#directory = join(options.dataDir, 'keys');
  }

  /** Of a log that has not begun. */
  isSpare(origin: string): boolean {
    return this.#spare?.origin === origin;
  }

  /** At a start: the key that the mark is about. `signer` is absent while the key store cannot open it. */
  async adopt(origin: string, signer: Signer | undefined): Promise<void> {
    const before = this.#spare;
    this.#spare = { origin, ...(signer && { signer }) };
    // A run that ended while it made one, and the next, made one each: neither has signed anything.
    if (before !== undefined && before.origin !== origin) await this.#options.keyStore.destroy(before.origin);
  }

  /** The number whose key was made ahead, or is being made; undefined when there is none. */
  async marked(): Promise<number | undefined> {
    try {
      const text = await readFile(join(this.#directory, OPENING), 'utf8');
      return /^[1-9][0-9]{0,15}\n$/.test(text) ? Number(text) : undefined;
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
      throw new LatchkeyError('JOURNAL_IO', `${OPENING} cannot be read`, { cause: error });
    }
  }

  /**
   * The key for the next log, made now unless it waits already. A crash afterwards leaves a key that the next start
   * finds by its number. Rejects like `KeyStore.create`; several calls at once are one.
   */
  take(request: NextKeyRequest): Promise<Signer> {
    this.#making ??= this.#take(request).finally(() => {
      this.#making = undefined;
    });
    return this.#making;
  }

  /** Resolves when no key is being made, however that ended. */
  async idle(): Promise<void> {
    await this.#making?.catch(() => undefined);
  }

  /** A log has begun with it, or it is gone. */
  async used(): Promise<void> {
    this.#spare = undefined;
    await rm(join(this.#directory, OPENING), { force: true });
    await syncDirectory(this.#directory);
  }

  /** Destroys what waits: its key never signed anything. */
  async drop(): Promise<void> {
    if (this.#spare === undefined) return;
    await this.#options.keyStore.destroy(this.#spare.origin);
    await this.used();
  }

  async #take({ above, fresh, late = false }: NextKeyRequest): Promise<Signer> {
    const { operatorDomain, gatewayId, keyStore } = this.#options;
    const spareNumber = this.#spare === undefined ? 0 : numberOf(this.#spare.origin);
    const highest = Math.max(0, ...above);
    const isGood = fresh !== true || this.#spare?.isFresh === true;
    if (this.#spare !== undefined && isGood && spareNumber > highest) {
      const { origin, isFresh = false } = this.#spare;
      const signer = await this.#opened(origin, late);
      if (signer !== undefined) {
        this.#spare = { origin, signer, isFresh };
        return signer;
      }
    }
    await this.drop();
    const number = 1 + Math.max(highest, spareNumber);
    await writeFileDurably(join(this.#directory, OPENING), utf8(`${number}\n`));
    const signer = await keyStore.create(operatorDomain, gatewayId, number, { late });
    this.#spare = { origin: signer.origin, signer, isFresh: fresh === true };
    return signer;
  }

  /** Asked again also when it was opened before: a clear of the TPM takes this one too. Undefined when it is lost. */
  async #opened(origin: string, late: boolean): Promise<Signer | undefined> {
    try {
      return await this.#options.keyStore.open(origin, { late });
    } catch (error) {
      if (!(error instanceof LatchkeyError)) throw error;
      if (error.code === 'KEY_LOST') return undefined;
      if (this.#spare?.origin === origin && this.#spare.signer !== undefined) return this.#spare.signer;
      throw error;
    }
  }
}

export function numberOf(origin: string): number {
  const parsed = parseOrigin(origin);
  return parsed.ok ? parsed.value.number : 0;
}
