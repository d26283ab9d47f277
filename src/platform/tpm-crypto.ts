/** The slot `TpmCrypto` (tpm2/crypto.ts) by node:crypto. */
import {
  constants,
  createCipheriv,
  createDecipheriv,
  createECDH,
  createHash,
  createHmac,
  createPublicKey,
  publicEncrypt,
  randomBytes,
} from 'node:crypto';
import { assert } from '../base/assert.ts';
import { base64url, concatBytes } from '../base/bytes.ts';
import { coordinateSizeBytes, type EccCurve, type HashAlg, TPM_ALG, TPM_ECC } from '../tpm2/algorithms.ts';
import type { EccPoint, TpmCrypto } from '../tpm2/crypto.ts';

const HASH_NAME: Readonly<Record<HashAlg, string>> = {
  [TPM_ALG.SHA1]: 'sha1',
  [TPM_ALG.SHA256]: 'sha256',
  [TPM_ALG.SHA384]: 'sha384',
  [TPM_ALG.SHA512]: 'sha512',
};

const CURVE_NAME: Readonly<Record<EccCurve, string>> = {
  [TPM_ECC.NIST_P256]: 'prime256v1',
  [TPM_ECC.NIST_P384]: 'secp384r1',
};

/** The usual RSA exponent, which a TPM's public area writes as 0. */
const DEFAULT_EXPONENT = 65_537;

export const nodeTpmCrypto: TpmCrypto = {
  hash: (alg, bytes) => plain(createHash(HASH_NAME[alg]).update(bytes).digest()),

  hmac: (alg, key, message) => plain(createHmac(HASH_NAME[alg], key).update(message).digest()),

  aesCfbEncrypt(key, iv, bytes) {
    const cipher = createCipheriv(`aes-${8 * key.length}-cfb`, key, iv);
    return plain(Buffer.concat([cipher.update(bytes), cipher.final()]));
  },

  aesCfbDecrypt(key, iv, bytes) {
    const cipher = createDecipheriv(`aes-${8 * key.length}-cfb`, key, iv);
    return plain(Buffer.concat([cipher.update(bytes), cipher.final()]));
  },

  ephemeralEcdh(curve, peer) {
    const sizeBytes = coordinateSizeBytes(curve);
    const theirs = uncompressed(peer, sizeBytes);
    if (theirs === undefined) return undefined;
    const own = createECDH(CURVE_NAME[curve]);
    const point = own.generateKeys();
    let shared: Buffer;
    try {
      shared = own.computeSecret(theirs);
    } catch {
      // OpenSSL refuses what is no point of the curve.
      return undefined;
    }
    return {
      point: { x: plain(point.subarray(1, 1 + sizeBytes)), y: plain(point.subarray(1 + sizeBytes)) },
      sharedX: leftPadded(plain(shared), sizeBytes) ?? new Uint8Array(sizeBytes),
    };
  },

  rsaOaepEncrypt(key, alg, label, message) {
    const exponent = key.exponent === 0 ? DEFAULT_EXPONENT : key.exponent;
    const e = Uint8Array.of(exponent >>> 24, (exponent >>> 16) & 255, (exponent >>> 8) & 255, exponent & 255);
    try {
      const publicKey = createPublicKey({
        key: { kty: 'RSA', n: base64url(key.modulus), e: base64url(e.subarray(e.findIndex((byte) => byte !== 0))) },
        format: 'jwk',
      });
      const padding = constants.RSA_PKCS1_OAEP_PADDING;
      return plain(
        publicEncrypt(
          { key: publicKey, padding, oaepHash: HASH_NAME[alg], oaepLabel: Buffer.from(label) },
          Buffer.from(message),
        ),
      );
    } catch {
      return undefined;
    }
  },

  randomBytes(sizeBytes) {
    assert(Number.isInteger(sizeBytes) && sizeBytes >= 0, 'a size in bytes is a natural number');
    return plain(randomBytes(sizeBytes));
  },
};

/** Not a Buffer: its methods (slice, toString, toJSON) differ from those of an array of bytes. */
function plain(buffer: Buffer): Uint8Array {
  return Uint8Array.from(buffer);
}

/** SEC 1 section 2.3.3; undefined when a coordinate is too long. */
function uncompressed(point: EccPoint, sizeBytes: number): Uint8Array | undefined {
  const x = leftPadded(point.x, sizeBytes);
  const y = leftPadded(point.y, sizeBytes);
  return x === undefined || y === undefined ? undefined : concatBytes(Uint8Array.of(4), x, y);
}

function leftPadded(bytes: Uint8Array, sizeBytes: number): Uint8Array | undefined {
  if (bytes.length > sizeBytes) return undefined;
  const out = new Uint8Array(sizeBytes);
  out.set(bytes, sizeBytes - bytes.length);
  return out;
}
