/**
 * A log key in this process: an Ed25519 seed that a file or a TPM gave, and signs until it is destroyed.
 */
import { createPrivateKey, createPublicKey, type KeyObject, sign } from 'node:crypto';
import { assert } from '../../base/assert.ts';
import { utf8 } from '../../base/bytes.ts';
import { LatchkeyError } from '../../base/errors.ts';
import { pae } from '../../evidence/batch/pae.ts';
import type { LogPayloadType, Signer } from '../contracts/signer.ts';

export const SEED_BYTES = 32;
const LOG_PAYLOAD_TYPES: ReadonlySet<string> = new Set<LogPayloadType>([
  'application/vnd.latchkey.batch.v1+ndjson',
  'application/vnd.latchkey.successor.v1+json',
  'application/vnd.latchkey.reply.v1+json',
  'application/vnd.latchkey.enrol.v1+json',
]);
/** Payloads from this size on are signed on another thread. */
const ELSEWHERE_BYTES = 16_384;
/** PKCS#8 of an Ed25519 seed (RFC 8410 section 7): these bytes, then the 32 of the seed. */
const PKCS8_PREFIX = Buffer.from('302e020100300506032b657004220420', 'hex');

export interface SeedKey {
  readonly privateKey: KeyObject;
  readonly publicKey: Uint8Array;
}

/** The caller wipes the seed. */
export function keyPair(seed: Uint8Array): SeedKey {
  const der = Buffer.concat([PKCS8_PREFIX, seed]);
  const privateKey = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
  der.fill(0);
  // The last 32 bytes of an Ed25519 SubjectPublicKeyInfo are the key (RFC 8410 section 4).
  const info = createPublicKey(privateKey).export({ format: 'der', type: 'spki' });
  return { privateKey, publicKey: Uint8Array.from(info.subarray(info.length - 32)) };
}

export class SeedSigner implements Signer {
  readonly origin: string;
  readonly publicKey: Uint8Array;
  #key: KeyObject | undefined;

  constructor(origin: string, { privateKey, publicKey }: SeedKey) {
    this.origin = origin;
    this.publicKey = publicKey;
    this.#key = privateKey;
  }

  async signCheckpoint(text: string): Promise<Uint8Array> {
    assert(text.startsWith(`${this.origin}\n`), 'a log key signs checkpoints of its own log only');
    return this.#sign(utf8(text));
  }

  async signEnvelope(type: LogPayloadType, payload: Uint8Array): Promise<Uint8Array> {
    assert(LOG_PAYLOAD_TYPES.has(type), 'a log key signs envelopes of the closed list only');
    const bytes = pae(type, payload);
    return bytes.length < ELSEWHERE_BYTES ? this.#sign(bytes) : this.#signElsewhere(bytes);
  }

  forget(): void {
    this.#key = undefined;
  }

  /** Synchronous inside: one signature of a note takes less than handing it to another thread and back. */
  #sign(bytes: Uint8Array): Uint8Array {
    return sign(null, bytes, this.#present());
  }

  #present(): KeyObject {
    if (this.#key === undefined) throw new LatchkeyError('KEY_LOST', `the key of ${this.origin} was destroyed`);
    return this.#key;
  }

  /** Ed25519 hashes what it signs twice: of a whole batch that is worth another thread, and the journal goes on. */
  #signElsewhere(bytes: Uint8Array): Promise<Uint8Array> {
    const key = this.#present();
    return new Promise((resolve, reject) => {
      sign(null, bytes, key, (error, signature) => (error === null ? resolve(signature) : reject(error)));
    });
  }
}
