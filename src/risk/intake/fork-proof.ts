/**
 * The two sides of a fork as they may be written to disk: byte for byte, unless an event holds what may not be stored;
 * then that event's line is its hash alone, and the proof stands on the signed note and the other lines.
 */
import { base64, concatBytes, utf8, utf8Text } from '../../base/bytes.ts';
import { frameBatch } from '../../evidence/batch/batch.ts';
import { checkLeaf } from '../../evidence/batch/check-leaf.ts';
import type { EvidenceCrypto } from '../../evidence/crypto.ts';
import { holdsCardNumber } from '../../evidence/event/cards.ts';
import { leafHash } from '../../evidence/log/tree.ts';

/** A batch that verified but for its tree. `first` is the index of its first entry. */
export function storableBatch(crypto: EvidenceCrypto, origin: string, first: number, bytes: Uint8Array): Uint8Array {
  const frame = frameBatch(bytes);
  if (!frame.ok) return new Uint8Array(0);
  const { header, leaves, payload } = frame.value;
  const bad = leaves.map((leaf, i) => {
    const checked = checkLeaf(origin, first + i, leaf);
    return !checked.ok || checked.value.use.use === 'withheld';
  });
  // A note may carry lines of strangers, and their names are free text.
  const isHeaderSound = !holdsCardNumber(utf8Text(header) ?? '');
  if (isHeaderSound && !bad.includes(true)) return bytes;
  const newline = utf8('\n');
  const head = isHeaderSound ? header : utf8(`{"#":"withheld","header_sha256":"${base64(crypto.sha256(header))}"}`);
  const lines = leaves.flatMap((leaf, i) => {
    const kept = bad[i] ? utf8(`{"#":"withheld","leaf_hash":"${base64(leafHash(crypto, leaf))}"}`) : leaf;
    return [kept, newline];
  });
  return concatBytes(head, newline, ...lines, bytes.subarray(payload.length));
}
