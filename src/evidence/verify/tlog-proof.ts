/**
 * C2SP tlog-proof: an index, its inclusion proof and the checkpoint that it leads to, as text. Without the `extra` line:
 * nothing authenticates it.
 */
import { assert } from '../../base/assert.ts';
import { base64, unbase64 } from '../../base/bytes.ts';
import { accept, type Result, refuse } from '../../base/result.ts';
import { HASH_BYTES } from '../log/tree.ts';

const FIRST_LINE = 'c2sp.org/tlog-proof@v1';
/** A tree of 2^53 leaves. */
const HASHES_MAX = 53;

export interface TlogProof {
  readonly index: number;
  /** From the leaf's sibling up to the child of the root. */
  readonly hashes: readonly Uint8Array[];
  /** The signed note, verbatim. */
  readonly note: string;
}

export function formatTlogProof(proof: TlogProof): string {
  assert(Number.isSafeInteger(proof.index) && proof.index >= 0, `index ${proof.index}`);
  const hashes = proof.hashes.map((hash) => `${base64(hash)}\n`).join('');
  return `${FIRST_LINE}\nindex ${proof.index}\n${hashes}\n${proof.note}`;
}

export function parseTlogProof(text: string): Result<TlogProof, 'proof'> {
  const cut = text.indexOf('\n\n');
  if (cut < 0) return refuse('proof', 'expected a blank line before the checkpoint');
  const [first, indexLine = '', ...lines] = text.slice(0, cut).split('\n');
  const indexText = /^index (0|[1-9][0-9]{0,15})$/.exec(indexLine)?.[1];
  const index = Number(indexText);
  if (first !== FIRST_LINE || indexText === undefined || !Number.isSafeInteger(index)) {
    return refuse('proof', `expected the lines "${FIRST_LINE}" and "index <n>"`);
  }
  if (lines.length > HASHES_MAX) return refuse('proof', `expected at most ${HASHES_MAX} hashes`);
  const hashes = lines.map(unbase64).filter((hash) => hash?.length === HASH_BYTES) as readonly Uint8Array[];
  if (hashes.length !== lines.length) return refuse('proof', 'a line is not 32 bytes of canonical base64');
  return accept({ index, hashes, note: text.slice(cut + 2) });
}
