/**
 * Log keys as files of this machine: level A0. Whoever can read the file can sign; the TPM's store stands behind the
 * same contract.
 */
import { randomBytes } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { assert } from '../../base/assert.ts';
import { LatchkeyError } from '../../base/errors.ts';
import type { EvidenceCrypto } from '../../evidence/crypto.ts';
import { originFor, parseOrigin } from '../../evidence/log/origin.ts';
import { makeDirectory } from '../../platform/durable-file.ts';
import type { KeyStore, Signer } from '../contracts/signer.ts';
import { destroyKeyFile, readKeyFile, writeKeyFile } from './key-file.ts';
import { keyPair, SEED_BYTES, SeedSigner } from './seed-signer.ts';

const SUFFIX = '.key';

export class SoftwareKeyStore implements KeyStore {
  readonly kind = 'software';
  readonly #directory: string;
  readonly #crypto: EvidenceCrypto;
  readonly #signers = new Map<string, SeedSigner>();

  private constructor(directory: string, crypto: EvidenceCrypto) {
    this.#directory = directory;
    this.#crypto = crypto;
  }

  /** `directory` is `<data_dir>/keys`; it is made, for this user alone, when it is not there. */
  static async open(directory: string, crypto: EvidenceCrypto): Promise<SoftwareKeyStore> {
    await makeDirectory(directory);
    return new SoftwareKeyStore(directory, crypto);
  }

  async create(operatorDomain: string, gatewayId: string, number: number): Promise<Signer> {
    await this.#sweep();
    const seed = randomBytes(SEED_BYTES);
    const key = keyPair(seed);
    const origin = originFor(this.#crypto, operatorDomain, gatewayId, number, key.publicKey);
    await writeKeyFile(this.#path(origin), { origin, seed });
    seed.fill(0);
    return this.#keep(new SeedSigner(origin, key));
  }

  async open(origin: string): Promise<Signer> {
    const path = this.#path(origin);
    const file = readKeyFile(path);
    const key = keyPair(file.seed);
    file.seed.fill(0);
    const parsed = parseOrigin(origin);
    assert(parsed.ok, 'an origin that this store gave');
    const { domain, gateway, number } = parsed.value;
    if (file.origin !== origin || originFor(this.#crypto, domain, gateway, number, key.publicKey) !== origin) {
      throw new LatchkeyError('KEY_LOST', `${path} should hold the key of ${origin} and holds another`);
    }
    return this.#keep(new SeedSigner(origin, key));
  }

  async list(): Promise<readonly string[]> {
    const origins: string[] = [];
    for (const name of readdirSync(this.#directory)) {
      if (!name.endsWith(SUFFIX)) continue;
      try {
        const { origin, seed } = readKeyFile(join(this.#directory, name));
        seed.fill(0);
        const parsed = parseOrigin(origin);
        if (parsed.ok && fileName(origin) === name) origins.push(origin);
      } catch (error) {
        // A damaged key is no key. One that others can read, or that cannot be read now, must not pass for a lost one.
        if (!(error instanceof LatchkeyError && error.code === 'KEY_LOST')) throw error;
      }
    }
    return origins;
  }

  async destroy(origin: string): Promise<void> {
    await destroyKeyFile(this.#path(origin));
    this.#signers.get(origin)?.forget();
    this.#signers.delete(origin);
  }

  /** One signer per log, so that destroying its key reaches whoever holds it. */
  #keep(signer: SeedSigner): Signer {
    const known = this.#signers.get(signer.origin);
    if (known !== undefined) return known;
    this.#signers.set(signer.origin, signer);
    return signer;
  }

  /** What a crash left of a key that was never used. */
  async #sweep(): Promise<void> {
    for (const name of readdirSync(this.#directory)) {
      if (name.endsWith(`${SUFFIX}.tmp`)) await destroyKeyFile(join(this.#directory, name));
    }
  }

  #path(origin: string): string {
    return join(this.#directory, fileName(origin));
  }
}

function fileName(origin: string): string {
  const parsed = parseOrigin(origin);
  assert(parsed.ok, `a log's origin, not ${JSON.stringify(origin)}`);
  return `${parsed.value.number}-${parsed.value.tag}${SUFFIX}`;
}
