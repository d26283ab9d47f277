/** Key derivation, TPM 2.0 Library, Part 1, sections 11.4.10.2 (KDFa, SP 800-108 in counter mode) and 11.4.10.3 (KDFe, SP 800-56A). */
import { assert } from '../base/assert.ts';
import { concatBytes, utf8 } from '../base/bytes.ts';
import type { HashAlg } from './algorithms.ts';
import type { TpmCrypto } from './crypto.ts';
import { TpmWriter } from './wire.ts';

/** `label` without its final zero byte: it is added here. */
export function kdfa(
  crypto: TpmCrypto,
  alg: HashAlg,
  key: Uint8Array,
  label: string,
  contextU: Uint8Array,
  contextV: Uint8Array,
  bits: number,
): Uint8Array {
  const tail = new TpmWriter()
    .raw(utf8(`${label}\0`))
    .raw(contextU)
    .raw(contextV)
    .u32(bits)
    .bytes();
  return repeated(bits, (counter) => crypto.hmac(alg, key, concatBytes(counter, tail)));
}

/** `z` is the shared x coordinate, padded to the curve's size; the parties' contexts are x coordinates, padded too. */
export function kdfe(
  crypto: TpmCrypto,
  alg: HashAlg,
  z: Uint8Array,
  label: string,
  partyU: Uint8Array,
  partyV: Uint8Array,
  bits: number,
): Uint8Array {
  const tail = concatBytes(z, utf8(`${label}\0`), partyU, partyV);
  return repeated(bits, (counter) => crypto.hash(alg, concatBytes(counter, tail)));
}

function repeated(bits: number, block: (counter: Uint8Array) => Uint8Array): Uint8Array {
  assert(Number.isInteger(bits) && bits > 0 && bits % 8 === 0 && bits <= 8_192, 'keys are whole bytes, at most 1024');
  const sizeBytes = bits / 8;
  const out = new Uint8Array(sizeBytes);
  for (let at = 0, i = 1; at < sizeBytes; i += 1) {
    const next = block(new TpmWriter().u32(i).bytes()).subarray(0, sizeBytes - at);
    out.set(next, at);
    at += next.length;
  }
  return out;
}
