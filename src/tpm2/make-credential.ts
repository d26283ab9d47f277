/**
 * MakeCredential in software (TPM 2.0 Library, Part 1, sections 24, B.10.3, C.6.3): a secret that only the TPM with this
 * EK gives out, and only while an object with that Name is loaded in it.
 */
import { assert } from '../base/assert.ts';
import { utf8 } from '../base/bytes.ts';
import { accept, type Result, refuse } from '../base/result.ts';
import { coordinateSizeBytes, hashSizeBytes } from './algorithms.ts';
import type { TpmCrypto } from './crypto.ts';
import { kdfa, kdfe } from './kdf.ts';
import type { EccPublic, RsaPublic, TpmPublic } from './public.ts';
import { TpmWriter } from './wire.ts';

export interface Credential {
  /** Content of a TPM2B_ID_OBJECT, without its size. */
  readonly idObject: Uint8Array;
  /** Content of a TPM2B_ENCRYPTED_SECRET, without its size. */
  readonly encryptedSecret: Uint8Array;
}

export type CredentialReason =
  /** Not a storage key with a cipher: it cannot protect a credential. */
  | 'credential_key'
  /** Its point is not on the curve, or its modulus is none. */
  | 'credential_key_value';

/** `secret` is at most as long as a digest of the EK's Name algorithm. */
export function makeCredential(
  crypto: TpmCrypto,
  ek: TpmPublic,
  objectName: Uint8Array,
  secret: Uint8Array,
): Result<Credential, CredentialReason> {
  const { nameAlg } = ek;
  assert(secret.length > 0 && secret.length <= hashSizeBytes(nameAlg), 'a credential fits into a digest');
  if (ek.type === 'keyedhash' || ek.symmetric === undefined) {
    return refuse('credential_key', 'expected a storage key with a cipher, found another kind of object');
  }
  const shared = ek.type === 'ecc' ? eccSeed(crypto, ek) : rsaSeed(crypto, ek);
  if (shared === undefined) return refuse('credential_key_value', 'the public key is not one of its kind');
  const { seed, encryptedSecret } = shared;
  const none = new Uint8Array(0);
  const symKey = kdfa(crypto, nameAlg, seed, 'STORAGE', objectName, none, ek.symmetric.keyBits);
  const plain = new TpmWriter().sized(secret).bytes();
  const encIdentity = crypto.aesCfbEncrypt(symKey, new Uint8Array(16), plain);
  const hmacKey = kdfa(crypto, nameAlg, seed, 'INTEGRITY', none, none, 8 * hashSizeBytes(nameAlg));
  const outer = crypto.hmac(nameAlg, hmacKey, new TpmWriter().raw(encIdentity).raw(objectName).bytes());
  return accept({ idObject: new TpmWriter().sized(outer).raw(encIdentity).bytes(), encryptedSecret });
}

interface SharedSeed {
  readonly seed: Uint8Array;
  readonly encryptedSecret: Uint8Array;
}

function eccSeed(crypto: TpmCrypto, ek: EccPublic): SharedSeed | undefined {
  const exchange = crypto.ephemeralEcdh(ek.curve, ek.unique);
  if (exchange === undefined) return undefined;
  const { point, sharedX } = exchange;
  const bits = 8 * hashSizeBytes(ek.nameAlg);
  const theirs = padded(ek.unique.x, coordinateSizeBytes(ek.curve));
  const seed = kdfe(crypto, ek.nameAlg, sharedX, 'IDENTITY', point.x, theirs, bits);
  return { seed, encryptedSecret: new TpmWriter().sized(point.x).sized(point.y).bytes() };
}

/** The label's zero byte is part of it (Part 1, section B.4). */
function rsaSeed(crypto: TpmCrypto, ek: RsaPublic): SharedSeed | undefined {
  const seed = crypto.randomBytes(hashSizeBytes(ek.nameAlg));
  const key = { modulus: ek.unique, exponent: ek.exponent };
  const encryptedSecret = crypto.rsaOaepEncrypt(key, ek.nameAlg, utf8('IDENTITY\0'), seed);
  return encryptedSecret === undefined ? undefined : { seed, encryptedSecret };
}

function padded(bytes: Uint8Array, sizeBytes: number): Uint8Array {
  const out = new Uint8Array(sizeBytes);
  out.set(bytes, sizeBytes - bytes.length);
  return out;
}
