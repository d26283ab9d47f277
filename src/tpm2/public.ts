/**
 * TPMT_PUBLIC, the public area of an object (TPM 2.0 Library, Part 2, section 12.2.4), and the object's Name.
 *
 * ECC, RSA and KEYEDHASH in the forms that the PC client profile knows. What is read writes back to the same bytes, so
 * the Name over a parsed area is the Name over the received one.
 */
import { concatBytes } from '../base/bytes.ts';
import { accept, type Refused, type Result, refuse } from '../base/result.ts';
import { type EccCurve, type HashAlg, isEccCurve, isHashAlg, TPM_ALG } from './algorithms.ts';
import type { EccPoint, TpmCrypto } from './crypto.ts';
import { TpmReader, TpmWriter } from './wire.ts';

/** AES in CFB mode, with which a storage key protects its children; undefined is TPM_ALG_NULL. */
export interface ObjectSymmetric {
  readonly keyBits: 128 | 192 | 256;
}

/** A scheme and its hash; undefined is TPM_ALG_NULL. RSAES has no hash. */
export interface AsymScheme {
  readonly alg: number;
  readonly hashAlg?: HashAlg;
}

interface AnyPublic {
  readonly nameAlg: HashAlg;
  /** TPMA_OBJECT. */
  readonly attributes: number;
  /** Empty, or as long as a digest of `nameAlg`. */
  readonly authPolicy: Uint8Array;
}

export interface EccPublic extends AnyPublic {
  readonly type: 'ecc';
  readonly symmetric: ObjectSymmetric | undefined;
  readonly scheme: AsymScheme | undefined;
  readonly curve: EccCurve;
  /** In a template: what makes one primary key differ from another. Coordinates may be short or empty. */
  readonly unique: EccPoint;
}

export interface RsaPublic extends AnyPublic {
  readonly type: 'rsa';
  readonly symmetric: ObjectSymmetric | undefined;
  readonly scheme: AsymScheme | undefined;
  readonly keyBits: number;
  /** 0 stands for 65537. */
  readonly exponent: number;
  /** The modulus. */
  readonly unique: Uint8Array;
}

/** A sealed data object (scheme undefined) or an HMAC key. */
export interface KeyedHashPublic extends AnyPublic {
  readonly type: 'keyedhash';
  readonly scheme: AsymScheme | undefined;
  readonly unique: Uint8Array;
}

export type TpmPublic = EccPublic | RsaPublic | KeyedHashPublic;

export type PublicReason =
  | 'public_truncated'
  | 'public_type'
  | 'public_name_alg'
  | 'public_symmetric'
  | 'public_scheme'
  | 'public_curve'
  | 'public_kdf';

/** Larger than any digest or modulus that a TPM's 4,096-byte buffer carries. */
const UNIQUE_SIZE_MAX = 512;
const POLICY_SIZE_MAX = 64;

export function parsePublic(bytes: Uint8Array): Result<TpmPublic, PublicReason> {
  const reader = new TpmReader(bytes);
  const type = reader.u16();
  const nameAlg = reader.u16();
  const attributes = reader.u32();
  const authPolicy = reader.sized(POLICY_SIZE_MAX);
  if (reader.overrun) return truncated(bytes);
  if (!isHashAlg(nameAlg)) return refuse('public_name_alg', `the Name's algorithm is ${text(nameAlg)}, no known hash`);
  const common = { nameAlg, attributes, authPolicy };
  const found = readParameters(reader, type, common);
  if (reader.overrun) return truncated(bytes);
  if (found.ok && !reader.ended) return refuse('public_truncated', `${reader.left} bytes follow the public area`);
  return found;
}

function readParameters(reader: TpmReader, type: number, common: AnyPublic): Result<TpmPublic, PublicReason> {
  if (type === TPM_ALG.KEYEDHASH) {
    const scheme = readScheme(reader, KEYEDHASH_SCHEMES);
    if (!scheme.ok) return scheme;
    return accept({ type: 'keyedhash', ...common, scheme: scheme.value, unique: reader.sized(UNIQUE_SIZE_MAX) });
  }
  if (type !== TPM_ALG.ECC && type !== TPM_ALG.RSA) {
    return refuse('public_type', `an object of type ${text(type)}; known are ECC, RSA and KEYEDHASH`);
  }
  const symmetric = readSymmetric(reader);
  if (!symmetric.ok) return symmetric;
  const scheme = readScheme(reader, type === TPM_ALG.ECC ? ECC_SCHEMES : RSA_SCHEMES);
  if (!scheme.ok) return scheme;
  const keyed = { ...common, symmetric: symmetric.value, scheme: scheme.value };
  if (type === TPM_ALG.RSA) {
    const keyBits = reader.u16();
    const exponent = reader.u32();
    return accept({ type: 'rsa', ...keyed, keyBits, exponent, unique: reader.sized(UNIQUE_SIZE_MAX) });
  }
  const curve = reader.u16();
  if (!isEccCurve(curve)) return refuse('public_curve', `the curve is ${text(curve)}; known are P-256 and P-384`);
  const kdf = reader.u16();
  if (kdf !== TPM_ALG.NULL) return refuse('public_kdf', `the key's KDF is ${text(kdf)}; expected none`);
  const unique = { x: reader.sized(UNIQUE_SIZE_MAX), y: reader.sized(UNIQUE_SIZE_MAX) };
  return accept({ type: 'ecc', ...keyed, curve, unique });
}

function readSymmetric(reader: TpmReader): Result<ObjectSymmetric | undefined, PublicReason> {
  const alg = reader.u16();
  if (alg === TPM_ALG.NULL) return accept(undefined);
  const keyBits = reader.u16();
  const mode = reader.u16();
  const known = keyBits === 128 || keyBits === 192 || keyBits === 256;
  if (alg === TPM_ALG.AES && known && mode === TPM_ALG.CFB) return accept({ keyBits });
  return refuse(
    'public_symmetric',
    `the cipher is ${text(alg)} of ${keyBits} bits, mode ${text(mode)}; known is AES-CFB`,
  );
}

const ECC_SCHEMES: readonly number[] = [TPM_ALG.ECDSA, TPM_ALG.ECDH];
const RSA_SCHEMES: readonly number[] = [TPM_ALG.RSASSA, TPM_ALG.RSAPSS, TPM_ALG.OAEP, TPM_ALG.RSAES];
const KEYEDHASH_SCHEMES: readonly number[] = [TPM_ALG.HMAC];

function readScheme(reader: TpmReader, known: readonly number[]): Result<AsymScheme | undefined, PublicReason> {
  const alg = reader.u16();
  if (alg === TPM_ALG.NULL) return accept(undefined);
  if (!known.includes(alg)) return refuse('public_scheme', `scheme ${text(alg)} is not known for this type`);
  if (alg === TPM_ALG.RSAES) return accept({ alg });
  const hashAlg = reader.u16();
  if (!isHashAlg(hashAlg)) return refuse('public_scheme', `the scheme's hash is ${text(hashAlg)}, no known hash`);
  return accept({ alg, hashAlg });
}

export function writePublic(area: TpmPublic): Uint8Array {
  const type = { ecc: TPM_ALG.ECC, rsa: TPM_ALG.RSA, keyedhash: TPM_ALG.KEYEDHASH }[area.type];
  const writer = new TpmWriter().u16(type).u16(area.nameAlg).u32(area.attributes).sized(area.authPolicy);
  if (area.type === 'keyedhash') return writeScheme(writer, area.scheme).sized(area.unique).bytes();
  if (area.symmetric === undefined) writer.u16(TPM_ALG.NULL);
  else writer.u16(TPM_ALG.AES).u16(area.symmetric.keyBits).u16(TPM_ALG.CFB);
  writeScheme(writer, area.scheme);
  if (area.type === 'rsa') return writer.u16(area.keyBits).u32(area.exponent).sized(area.unique).bytes();
  return writer.u16(area.curve).u16(TPM_ALG.NULL).sized(area.unique.x).sized(area.unique.y).bytes();
}

function writeScheme(writer: TpmWriter, scheme: AsymScheme | undefined): TpmWriter {
  writer.u16(scheme?.alg ?? TPM_ALG.NULL);
  if (scheme?.hashAlg !== undefined) writer.u16(scheme.hashAlg);
  return writer;
}

/** The Name of an object: the hash algorithm, then the hash of its public area (Part 1, section 16). */
export function objectName(crypto: TpmCrypto, area: TpmPublic): Uint8Array {
  return nameOf(crypto, area.nameAlg, writePublic(area));
}

export function nameOf(crypto: TpmCrypto, nameAlg: HashAlg, area: Uint8Array): Uint8Array {
  return concatBytes(new TpmWriter().u16(nameAlg).bytes(), crypto.hash(nameAlg, area));
}

/** The Name of a PCR, a session or a hierarchy is its handle. */
export function handleName(handle: number): Uint8Array {
  return new TpmWriter().u32(handle).bytes();
}

function truncated(bytes: Uint8Array): Refused<PublicReason> {
  return refuse('public_truncated', `${bytes.length} bytes end inside the public area, or a field is too long`);
}

function text(value: number): string {
  return `0x${value.toString(16).padStart(4, '0')}`;
}
