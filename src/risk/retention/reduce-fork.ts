/**
 * The two sides of a fork without a person's entries: a line that names the reference becomes its leaf hash, and the rest
 * stays, since two notes of one log over one size are proof as they are.
 */
import { base64, concatBytes, utf8 } from '../../base/bytes.ts';
import type { EvidenceCrypto } from '../../evidence/crypto.ts';
import { leafHash } from '../../evidence/log/tree.ts';

const NEWLINE = 0x0a;

export function reduceFork(crypto: EvidenceCrypto, bytes: Uint8Array, reference: string): Uint8Array {
  const wanted = Buffer.from(JSON.stringify(reference));
  const parts: Uint8Array[] = [];
  for (let from = 0; from < bytes.length; ) {
    const found = bytes.indexOf(NEWLINE, from);
    const end = found === -1 ? bytes.length : found;
    const line = bytes.subarray(from, end);
    const names = Buffer.from(line.buffer, line.byteOffset, line.length).includes(wanted);
    parts.push(names ? utf8(`{"#":"withheld","leaf_hash":"${base64(leafHash(crypto, line))}"}`) : line);
    if (found !== -1) parts.push(Uint8Array.of(NEWLINE));
    from = end + 1;
  }
  return concatBytes(...parts);
}
