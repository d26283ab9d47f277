/**
 * Log keys as files of this machine: level A0. Whoever can read the file can sign; the TPM's store stands behind the
 * same contract.
 */
import { createPrivateKey, createPublicKey, type KeyObject, randomBytes, sign } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { assert } from '../../base/assert.ts';
import { utf8 } from '../../base/bytes.ts';
import { LatchkeyError } from '../../base/errors.ts';
import { pae } from '../../evidence/batch/pae.ts';
import type { EvidenceCrypto } from '../../evidence/crypto.ts';
import { originFor, parseOrigin } from '../../evidence/log/origin.ts';
import { makeDirectory } from '../../platform/durable-file.ts';
import type { KeyStore, LogPayloadType, Signer } from '../contracts/signer.ts';
import { destroyKeyFile, readKeyFile, writeKeyFile } from './key-file.ts';

const SUFFIX = '.key';
const LOG_PAYLOAD_TYPES: ReadonlySet<string> = new Set<LogPayloadType>([
  'application/vnd.latchkey.batch.v1+ndjson',
  'application/vnd.latchkey.successor.v1+json',
  'application/vnd.latchkey.reply.v1+json',
]);
/** Payloads from this size on are signed on another thread. */
const ELSEWHERE_BYTES = 16_384;
/** PKCS#8 of an Ed25519 seed (RFC 8410 section 7): these bytes, then the 32 of the seed. */
const PKCS8_PREFIX = Buffer.from('302e020100300506032b657004220420', 'hex');

export class SoftwareKeyStore implements KeyStore {
  readonly kind = 'software';
  readonly #directory: string;
  readonly #crypto: EvidenceCrypto;
  readonly #signers = new Map<string, SoftwareSigner>();

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
    const seed = randomBytes(32);
    const { privateKey, publicKey } = keyPair(seed);
    const origin = originFor(this.#crypto, operatorDomain, gatewayId, number, publicKey);
    await writeKeyFile(this.#path(origin), { origin, seed });
    seed.fill(0);
    return this.#keep(new SoftwareSigner(origin, privateKey, publicKey));
  }

  async open(origin: string): Promise<Signer> {
    const path = this.#path(origin);
    const file = readKeyFile(path);
    const { privateKey, publicKey } = keyPair(file.seed);
    file.seed.fill(0);
    const parsed = parseOrigin(origin);
    assert(parsed.ok, 'an origin that this store gave');
    const { domain, gateway, number } = parsed.value;
    if (file.origin !== origin || originFor(this.#crypto, domain, gateway, number, publicKey) !== origin) {
      throw new LatchkeyError('KEY_LOST', `${path} should hold the key of ${origin} and holds another`);
    }
    return this.#keep(new SoftwareSigner(origin, privateKey, publicKey));
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
  #keep(signer: SoftwareSigner): Signer {
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

function keyPair(seed: Uint8Array): { readonly privateKey: KeyObject; readonly publicKey: Uint8Array } {
  const der = Buffer.concat([PKCS8_PREFIX, seed]);
  const privateKey = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
  der.fill(0);
  // The last 32 bytes of an Ed25519 SubjectPublicKeyInfo are the key (RFC 8410 section 4).
  const info = createPublicKey(privateKey).export({ format: 'der', type: 'spki' });
  return { privateKey, publicKey: Uint8Array.from(info.subarray(info.length - 32)) };
}

class SoftwareSigner implements Signer {
  readonly origin: string;
  readonly publicKey: Uint8Array;
  #key: KeyObject | undefined;

  constructor(origin: string, key: KeyObject, publicKey: Uint8Array) {
    this.origin = origin;
    this.publicKey = publicKey;
    this.#key = key;
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
