/**
 * What both ends of a session know (TPM 2.0 Library, Part 1, section 17): its key, the nonces, and the HMAC over each
 * command and response. The key never leaves this object.
 */
import { assert } from '../../base/assert.ts';
import { concatBytes } from '../../base/bytes.ts';
import { type HashAlg, hashSizeBytes } from '../../tpm2/algorithms.ts';
import type { TpmCrypto } from '../../tpm2/crypto.ts';
import { kdfa } from '../../tpm2/kdf.ts';
import type { Secret } from './secret.ts';

export type SessionType = 'hmac' | 'policy' | 'trial';

export interface SessionSettings {
  readonly type: SessionType;
  readonly handle: number;
  readonly authHash: HashAlg;
  /** AES-CFB for parameters; undefined when the session cannot encrypt, being neither salted nor bound. */
  readonly encryptionBits: 128 | 256 | undefined;
  /** KDFa over the salt; empty without one. */
  readonly key: Secret;
  readonly nonceTpm: Uint8Array;
}

/** The newer and the older nonce, as HMAC and key derivation take them: the sender's own is the newer. */
interface Nonces {
  readonly newer: Uint8Array;
  readonly older: Uint8Array;
}

export class TpmSession {
  readonly type: SessionType;
  readonly handle: number;
  readonly authHash: HashAlg;
  readonly #crypto: TpmCrypto;
  readonly #encryptionBits: 128 | 256 | undefined;
  readonly #key: Secret;
  #nonceCaller: Uint8Array = new Uint8Array(0);
  #nonceTpm: Uint8Array;
  #authValueNeeded = false;
  #ended = false;

  constructor(crypto: TpmCrypto, settings: SessionSettings) {
    this.type = settings.type;
    this.handle = settings.handle;
    this.authHash = settings.authHash;
    this.#crypto = crypto;
    this.#encryptionBits = settings.encryptionBits;
    this.#key = settings.key;
    this.#nonceTpm = settings.nonceTpm;
  }

  get encrypts(): boolean {
    return this.#encryptionBits !== undefined;
  }

  get ended(): boolean {
    return this.#ended;
  }

  get nonceTpm(): Uint8Array {
    return this.#nonceTpm;
  }

  get nonceCaller(): Uint8Array {
    return this.#nonceCaller;
  }

  /** PolicyAuthValue was run: the authorisation value joins the HMAC's key. */
  needAuthValue(): void {
    this.#authValueNeeded = true;
  }

  /** A new nonce for the command that is being made; the same for its repetitions. */
  roll(): void {
    assert(!this.#ended, 'a session that was flushed is not used');
    this.#nonceCaller = this.#crypto.randomBytes(hashSizeBytes(this.authHash));
  }

  /** After a response that proved itself. */
  advance(nonceTpm: Uint8Array): void {
    this.#nonceTpm = nonceTpm;
  }

  end(): void {
    this.#ended = true;
    this.#key.wipe();
  }

  /** HMAC of a command or response; `authValue` counts only where the session authorises that entity. */
  hmac(
    pHash: Uint8Array,
    direction: 'command' | 'response',
    nonceTpm: Uint8Array,
    otherNonces: Uint8Array,
    attributes: number,
    authValue: Secret | undefined,
  ): Uint8Array {
    const { newer, older } = this.#nonces(direction, nonceTpm);
    const counts = authValue !== undefined && (this.type === 'hmac' || this.#authValueNeeded);
    const key = counts ? concatBytes(this.#key.reveal(), authOf(authValue)) : this.#key.reveal();
    const message = concatBytes(pHash, newer, older, otherNonces, Uint8Array.of(attributes));
    return this.#crypto.hmac(this.authHash, key, message);
  }

  /** A first parameter, in place of which its encryption is sent. */
  encrypt(plain: Uint8Array, authValue: Secret | undefined): Uint8Array {
    const { key, iv } = this.#parameterKey(this.#nonces('command', this.#nonceTpm), authValue);
    return this.#crypto.aesCfbEncrypt(key, iv, plain);
  }

  /** A first parameter of a response that proved itself. */
  decrypt(cipher: Uint8Array, nonceTpm: Uint8Array, authValue: Secret | undefined): Uint8Array {
    const { key, iv } = this.#parameterKey(this.#nonces('response', nonceTpm), authValue);
    return this.#crypto.aesCfbDecrypt(key, iv, cipher);
  }

  #nonces(direction: 'command' | 'response', nonceTpm: Uint8Array): Nonces {
    if (direction === 'command') return { newer: this.#nonceCaller, older: nonceTpm };
    return { newer: nonceTpm, older: this.#nonceCaller };
  }

  /** Part 1, section 19.3.3: here the authorisation value counts also for a policy session. */
  #parameterKey(nonces: Nonces, authValue: Secret | undefined): { key: Uint8Array; iv: Uint8Array } {
    const bits = this.#encryptionBits;
    assert(bits !== undefined, 'a session without a salt does not encrypt');
    const auth = authValue === undefined ? new Uint8Array(0) : authOf(authValue);
    const base = concatBytes(this.#key.reveal(), auth);
    const made = kdfa(this.#crypto, this.authHash, base, 'CFB', nonces.newer, nonces.older, bits + 128);
    return { key: made.subarray(0, bits / 8), iv: made.subarray(bits / 8) };
  }

  toJSON(): object {
    return { type: this.type, handle: this.handle };
  }
}

/** A TPM takes authorisation values without their trailing zeros (Part 1, section 17.6.4.3). */
function authOf(secret: Secret): Uint8Array {
  const bytes = secret.reveal();
  let size = bytes.length;
  while (size > 0 && bytes[size - 1] === 0) size -= 1;
  return bytes.subarray(0, size);
}
