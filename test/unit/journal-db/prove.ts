/** Proofs of a log, checked against roots that are computed as RFC 6962 section 2.1 defines them. */
import { expect } from 'vitest';
import type { LogDatabase } from '../../../src/edge/journal/log-database.ts';
import {
  consistencyProof,
  inclusionProof,
  verifyConsistency,
  verifyInclusion,
} from '../../../src/evidence/log/proofs.ts';
import { leafHash, rootOf } from '../../../src/evidence/log/tree.ts';
import { nodeCrypto } from '../../../src/platform/node-crypto.ts';
import { leafOf } from './support.ts';

/** The root of leaves 0 to size by the definition in RFC 6962 section 2.1, written as it stands there. */
export function naiveRoot(from: number, to: number): Uint8Array {
  if (to - from === 1) return leafHash(nodeCrypto, leafOf(from));
  let split = 1;
  while (split * 2 < to - from) split *= 2;
  const joined = Buffer.concat([Buffer.of(1), naiveRoot(from, from + split), naiveRoot(from + split, to)]);
  return nodeCrypto.sha256(joined);
}

/** Checks a sample of all proofs against roots that were computed by definition. Returns how many. */
export function proveEverything(database: LogDatabase): number {
  const size = database.size();
  let proved = 0;
  for (let at = 1; at <= size; at += Math.ceil(size / 23)) {
    const root = naiveRoot(0, at);
    const index = (at * 7) % at;
    const proof = inclusionProof(nodeCrypto, database.subtreeHash, index, at);
    const hash = leafHash(nodeCrypto, leafOf(index));
    expect(verifyInclusion(nodeCrypto, { leafHash: hash, index, size: at, root, proof })).toBe(true);
    const newRoot = rootOf(nodeCrypto, database.frontier());
    const consistency = consistencyProof(nodeCrypto, database.subtreeHash, at, size);
    const claim = { oldSize: at, oldRoot: root, newSize: size, newRoot, proof: consistency };
    expect(verifyConsistency(nodeCrypto, claim)).toBe(true);
    proved += 2;
  }
  return proved;
}
