/**
 * Several implementations as one: a signature verifies only when all say so. That two of them differ is remembered,
 * because then nobody may rely on either.
 */
import { present } from '../../base/assert.ts';
import type { EvidenceCrypto } from '../crypto.ts';

export class AgreeingCrypto implements EvidenceCrypto {
  readonly #first: EvidenceCrypto;
  readonly #others: readonly EvidenceCrypto[];
  #disagreed = false;

  /** At least one. Hashes come from the first. */
  constructor(cryptos: readonly EvidenceCrypto[]) {
    const [first, ...others] = cryptos;
    this.#first = present(first, 'an implementation');
    this.#others = others;
  }

  get disagreed(): boolean {
    return this.#disagreed;
  }

  sha256(bytes: Uint8Array): Uint8Array {
    return this.#first.sha256(bytes);
  }

  hmacSha256(key: Uint8Array, message: Uint8Array): Uint8Array {
    return this.#first.hmacSha256(key, message);
  }

  verifyEd25519(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
    const answer = this.#first.verifyEd25519(publicKey, message, signature);
    for (const other of this.#others) {
      if (other.verifyEd25519(publicKey, message, signature) !== answer) this.#disagreed = true;
    }
    return answer && !this.#disagreed;
  }

  verifyEcdsaP256(spki: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
    const answer = this.#first.verifyEcdsaP256(spki, message, signature);
    for (const other of this.#others) {
      if (other.verifyEcdsaP256(spki, message, signature) !== answer) this.#disagreed = true;
    }
    return answer && !this.#disagreed;
  }
}
