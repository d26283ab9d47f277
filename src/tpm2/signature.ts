/**
 * ECDSA signatures in the three spellings that meet here: TPMT_SIGNATURE as a TPM gives it (Part 2, 11.3.4), r || s as
 * IEEE P1363 and anchor lines write it, and DER (RFC 3279 section 2.2.3) as OpenSSL's command line wants it.
 */
import { assert } from '../base/assert.ts';
import { concatBytes } from '../base/bytes.ts';
import { accept, type Result, refuse } from '../base/result.ts';
import { TpmReader, TpmWriter } from './wire.ts';

const TPM_ALG_ECDSA = 0x0018;
const TPM_ALG_SHA256 = 0x000b;
const NUMBER_BYTES = 32;
const DER_SEQUENCE = 0x30;
const DER_INTEGER = 0x02;

/** r || s of a TPMT_SIGNATURE by ECDSA P-256 with SHA-256: 64 bytes. A TPM may leave out leading zeros. */
export function parseEcdsaSignature(bytes: Uint8Array): Result<Uint8Array, 'signature'> {
  const reader = new TpmReader(bytes);
  const scheme = reader.u16();
  const hash = reader.u16();
  const r = reader.sized(NUMBER_BYTES);
  const s = reader.sized(NUMBER_BYTES);
  if (!reader.ended) return refuse('signature', 'cut short, a number above 32 bytes, or bytes after the end');
  if (scheme !== TPM_ALG_ECDSA || hash !== TPM_ALG_SHA256) {
    return refuse('signature', `expected ECDSA with SHA-256 (0018 000b), found ${hex4(scheme)} ${hex4(hash)}`);
  }
  return accept(concatBytes(leftPadded(r), leftPadded(s)));
}

/** The TPMT_SIGNATURE of r || s, for tests and simulators. */
export function formatEcdsaSignature(p1363: Uint8Array): Uint8Array {
  assert(p1363.length === 2 * NUMBER_BYTES, `a signature of ${p1363.length} bytes`);
  return new TpmWriter()
    .u16(TPM_ALG_ECDSA)
    .u16(TPM_ALG_SHA256)
    .sized(p1363.subarray(0, NUMBER_BYTES))
    .sized(p1363.subarray(NUMBER_BYTES))
    .bytes();
}

/** The DER of r || s. */
export function derOfP1363(p1363: Uint8Array): Uint8Array {
  assert(p1363.length === 2 * NUMBER_BYTES, `a signature of ${p1363.length} bytes`);
  const numbers = concatBytes(derInteger(p1363.subarray(0, NUMBER_BYTES)), derInteger(p1363.subarray(NUMBER_BYTES)));
  return concatBytes(Uint8Array.of(DER_SEQUENCE, numbers.length), numbers);
}

/** r || s of a signature in DER, or undefined: one spelling only, numbers of at most 256 bits. */
export function p1363OfDer(der: Uint8Array): Uint8Array | undefined {
  // SEQUENCE and the first INTEGER are two bytes of head each; no length here needs the long form.
  const r = integerAt(der, 2);
  const s = r && integerAt(der, 4 + r.length);
  if (r === undefined || s === undefined) return undefined;
  const [a, b] = [withoutZeros(r), withoutZeros(s)];
  if (a.length > NUMBER_BYTES || b.length > NUMBER_BYTES) return undefined;
  const p1363 = concatBytes(leftPadded(a), leftPadded(b));
  const again = derOfP1363(p1363);
  return again.length === der.length && again.every((byte, i) => byte === der[i]) ? p1363 : undefined;
}

function integerAt(der: Uint8Array, at: number): Uint8Array | undefined {
  const size = der[at + 1];
  if (der[at] !== DER_INTEGER || size === undefined || at + 2 + size > der.length) return undefined;
  return der.subarray(at + 2, at + 2 + size);
}

function derInteger(number: Uint8Array): Uint8Array {
  const digits = withoutZeros(number);
  // A first bit that is set would make it negative; zero is one byte.
  const sign = (digits[0] ?? 0x80) >= 0x80 ? Uint8Array.of(0) : new Uint8Array(0);
  return concatBytes(Uint8Array.of(DER_INTEGER, sign.length + digits.length), sign, digits);
}

function withoutZeros(number: Uint8Array): Uint8Array {
  const first = number.findIndex((byte) => byte !== 0);
  return first < 0 ? new Uint8Array(0) : number.subarray(first);
}

function leftPadded(number: Uint8Array): Uint8Array {
  const padded = new Uint8Array(NUMBER_BYTES);
  padded.set(number, NUMBER_BYTES - number.length);
  return padded;
}

function hex4(value: number): string {
  return value.toString(16).padStart(4, '0');
}
