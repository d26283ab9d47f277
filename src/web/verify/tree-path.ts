/**
 * The way from an entry up to the root, hash by hash, to be drawn: RFC 9162 section 2.1.3.2 with each step kept. The
 * verdict does not come from here.
 */
import { base64 } from '../../base/bytes.ts';
import type { EvidenceCrypto } from '../../evidence/crypto.ts';
import { nodeHash } from '../../evidence/log/tree.ts';

export interface PathStep {
  /** Where the sibling stands. */
  readonly side: 'left' | 'right';
  /** Base64, like `result`: the hash over both. */
  readonly sibling: string;
  readonly result: string;
}

export interface TreePath {
  readonly index: number;
  readonly size: number;
  readonly leafHash: string;
  readonly steps: readonly PathStep[];
  /** To which the steps lead; the leaf's hash when there are none. */
  readonly root: string;
}

export interface PathClaim {
  readonly index: number;
  readonly size: number;
  readonly leafHash: Uint8Array;
  readonly proof: readonly Uint8Array[];
}

export function treePath(crypto: EvidenceCrypto, { index, size, leafHash, proof }: PathClaim): TreePath {
  let node = index;
  let last = size - 1;
  let hash = leafHash;
  const steps: PathStep[] = [];
  for (const sibling of proof) {
    const isRight = node % 2 === 1 || node === last;
    hash = isRight ? nodeHash(crypto, sibling, hash) : nodeHash(crypto, hash, sibling);
    while (isRight && node % 2 === 0 && node !== 0) {
      node = Math.floor(node / 2);
      last = Math.floor(last / 2);
    }
    node = Math.floor(node / 2);
    last = Math.floor(last / 2);
    steps.push({ side: isRight ? 'left' : 'right', sibling: base64(sibling), result: base64(hash) });
  }
  return { index, size, leafHash: base64(leafHash), steps, root: base64(hash) };
}
