/**
 * The pairing code of a device's label (PROTOCOL.md section 11): identity, label key and two check bytes in base32. It is a
 * secret, so nothing that is said about a wrong one repeats it.
 */
import { join, same } from './bytes.ts';
import { IDENTITY_BYTES, KEY_BYTES } from './crypto.ts';

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';
const CHECK_BYTES = 2;
const CODE_BYTES = IDENTITY_BYTES + KEY_BYTES + CHECK_BYTES;
const CODE_LETTERS = 42;
const GROUP = 6;

export interface PairingCode {
  readonly identity: Uint8Array;
  readonly labelKey: Uint8Array;
}

export type Sha256 = (data: Uint8Array) => Uint8Array;

export function writePairingCode({ identity, labelKey }: PairingCode, sha256: Sha256): string {
  const both = join(identity, labelKey);
  const bytes = join(both, sha256(both).subarray(0, CHECK_BYTES));
  let letters = '';
  for (let bit = 0; bit < 8 * CODE_BYTES; bit += 5) letters += ALPHABET.charAt(fiveBits(bytes, bit));
  return letters.match(new RegExp(`.{1,${GROUP}}`, 'g'))?.join('-') ?? '';
}

/** Blanks, hyphens and case do not matter. `length`: letters missing or too many; `letter`; `check`: one is wrong. */
export function readPairingCode(text: string, sha256: Sha256): PairingCode | 'length' | 'letter' | 'check' {
  const letters = text.replaceAll(/[\s-]/g, '').toUpperCase();
  if (letters.length !== CODE_LETTERS) return 'length';
  const bytes = new Uint8Array(CODE_BYTES + 1);
  for (const [i, letter] of [...letters].entries()) {
    const value = ALPHABET.indexOf(letter);
    if (value < 0) return 'letter';
    for (let bit = 0; bit < 5; bit += 1) {
      const at = 5 * i + bit;
      if (((value >> (4 - bit)) & 1) === 1) bytes[at >> 3] = (bytes[at >> 3] ?? 0) | (0x80 >> (at & 7));
    }
  }
  const both = bytes.slice(0, IDENTITY_BYTES + KEY_BYTES);
  const check = bytes.subarray(both.length, CODE_BYTES);
  // The letters hold two bits more than the bytes; they are zero.
  if (bytes[CODE_BYTES] !== 0 || !same(sha256(both).subarray(0, CHECK_BYTES), check)) return 'check';
  return { identity: both.slice(0, IDENTITY_BYTES), labelKey: both.slice(IDENTITY_BYTES) };
}

function fiveBits(bytes: Uint8Array, bit: number): number {
  const pair = ((bytes[bit >> 3] ?? 0) << 8) | (bytes[(bit >> 3) + 1] ?? 0);
  return (pair >> (11 - (bit & 7))) & 31;
}
