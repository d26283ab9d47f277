import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { equalBytes, hex, unhex, utf8 } from '../../../src/base/bytes.ts';
import {
  consistencyProof,
  inclusionProof,
  subtreesOf,
  verifyConsistency,
  verifyInclusion,
} from '../../../src/evidence/log/proofs.ts';
import {
  decodeFrontier,
  EMPTY_FRONTIER,
  encodeFrontier,
  frontierLength,
  LeafHasher,
  leafHash,
  nodeHash,
  rootOf,
  TreeBuilder,
} from '../../../src/evidence/log/tree.ts';
import { portableCrypto } from '../../../src/evidence/portable-crypto.ts';
import { nodeCrypto } from '../../../src/platform/node-crypto.ts';

const crypto = nodeCrypto;

/** The reference tree of google/certificate-transparency, cpp/merkletree/merkle_tree_test.cc. */
const LEAVES = ['', '00', '10', '2021', '3031', '40414243', '5051525354555657', '606162636465666768696a6b6c6d6e6f'].map(
  bytes,
);
const ROOTS = [
  'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
  '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
  'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125',
  'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77',
  'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
  '4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4',
  '76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef',
  'ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c',
  '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328',
];
const PATHS: readonly (readonly [number, number, readonly string[]])[] = [
  [0, 1, []],
  [
    0,
    8,
    [
      '96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7',
      '5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e',
      '6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4',
    ],
  ],
  [
    5,
    8,
    [
      'bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b',
      'ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0',
      'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
    ],
  ],
  [2, 3, ['fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125']],
  [
    1,
    5,
    [
      '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
      '5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e',
      'bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b',
    ],
  ],
];
const CONSISTENCY: readonly (readonly [number, number, readonly string[]])[] = [
  [1, 1, []],
  [
    1,
    8,
    [
      '96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7',
      '5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e',
      '6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4',
    ],
  ],
  [
    6,
    8,
    [
      '0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a',
      'ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0',
      'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
    ],
  ],
  [
    2,
    5,
    [
      '5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e',
      'bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b',
    ],
  ],
];

function bytes(text: string): Uint8Array {
  const value = unhex(text);
  if (value === undefined) throw new Error(`not hex: ${text}`);
  return value;
}

// A second hand: the definitions of RFC 6962 section 2.1, word for word, over node:crypto and nothing of ours.
type Bytes = Uint8Array;
function sha(...parts: readonly Bytes[]): Bytes {
  return new Uint8Array(createHash('sha256').update(Buffer.concat(parts)).digest());
}
function split(n: number): number {
  let k = 1;
  while (k * 2 < n) k *= 2;
  return k;
}
function naiveMth(d: readonly Bytes[]): Bytes {
  const [only] = d;
  if (only === undefined) return sha();
  if (d.length === 1) return sha(Buffer.from([0]), only);
  const k = split(d.length);
  return sha(Buffer.from([1]), naiveMth(d.slice(0, k)), naiveMth(d.slice(k)));
}
function naivePath(m: number, d: readonly Bytes[]): Bytes[] {
  if (d.length === 1) return [];
  const k = split(d.length);
  if (m < k) return [...naivePath(m, d.slice(0, k)), naiveMth(d.slice(k))];
  return [...naivePath(m - k, d.slice(k)), naiveMth(d.slice(0, k))];
}
function naiveSubproof(m: number, d: readonly Bytes[], whole: boolean): Bytes[] {
  if (m === d.length) return whole ? [] : [naiveMth(d)];
  const k = split(d.length);
  if (m <= k) return [...naiveSubproof(m, d.slice(0, k), whole), naiveMth(d.slice(k))];
  return [...naiveSubproof(m - k, d.slice(k), false), naiveMth(d.slice(0, k))];
}

function grow(leaves: readonly Uint8Array[]): TreeBuilder {
  const tree = new TreeBuilder(crypto);
  for (const leaf of leaves) tree.push(leafHash(crypto, leaf));
  return tree;
}
const hexes = (list: readonly Uint8Array[]): string[] => list.map(hex);
const numbered = (n: number): Uint8Array[] => Array.from({ length: n }, (_, i) => utf8(`leaf ${i}`));

describe('the tree', () => {
  test.each(ROOTS.map((root, size) => [size, root] as const))(
    'the reference tree of %i leaves has its root',
    (n, root) => {
      expect(hex(grow(LEAVES.slice(0, n)).root())).toBe(root);
      expect(hex(rootOf(portableCrypto(), grow(LEAVES.slice(0, n)).frontier()))).toBe(root);
      expect(hex(naiveMth(LEAVES.slice(0, n)))).toBe(root);
    },
  );

  test('every size up to 300 has the root of the recursive definition', () => {
    const leaves = numbered(300);
    const tree = new TreeBuilder(crypto);
    for (let n = 0; n <= leaves.length; n += n < 70 ? 1 : 23) {
      while (tree.size < n) tree.push(leafHash(crypto, leaves[tree.size] ?? utf8('')));
      expect(hex(tree.root())).toBe(hex(naiveMth(leaves.slice(0, n))));
    }
  });

  test('a tree goes on from its frontier, wherever it was cut', () => {
    const leaves = numbered(100);
    const whole = hex(grow(leaves).root());
    for (let cut = 0; cut <= 100; cut += 1) {
      const before = grow(leaves.slice(0, cut)).frontier();
      const stored = decodeFrontier(before.size, encodeFrontier(before));
      expect(stored?.roots.length).toBe(frontierLength(cut));
      const tree = new TreeBuilder(crypto, stored);
      for (const leaf of leaves.slice(cut)) tree.push(leafHash(crypto, leaf));
      expect(hex(tree.root())).toBe(whole);
    }
  });

  test('a frontier is a snapshot', () => {
    const tree = grow(numbered(7));
    const before = tree.frontier();
    const bytesBefore = hex(encodeFrontier(before));
    for (let i = 0; i < 20; i += 1) tree.push(leafHash(crypto, utf8(`${i}`)));
    expect(hex(encodeFrontier(before))).toBe(bytesBefore);
    expect(before.size).toBe(7);
  });

  test('only the roots that a size has decode', () => {
    expect(decodeFrontier(0, new Uint8Array(0))).toEqual(EMPTY_FRONTIER);
    expect(decodeFrontier(5, new Uint8Array(64))?.roots).toHaveLength(2);
    expect(decodeFrontier(5, new Uint8Array(32))).toBeUndefined();
    expect(decodeFrontier(5, new Uint8Array(65))).toBeUndefined();
    expect(decodeFrontier(-1, new Uint8Array(0))).toBeUndefined();
    expect(decodeFrontier(1.5, new Uint8Array(32))).toBeUndefined();
    expect(() => new TreeBuilder(crypto, { size: 5, roots: [] })).toThrow('0 roots for size 5');
  });

  test('sizes beyond 2^32 have the right number of roots and merge at the right places', () => {
    const size = 2 ** 40 + 2 ** 33 - 1;
    expect(frontierLength(size)).toBe(34);
    const roots = Array.from({ length: 34 }, (_, i) => sha(utf8(`root ${i}`)));
    const tree = new TreeBuilder(crypto, { size, roots });
    tree.push(sha(utf8('leaf')));
    // 2^40 + 2^33: thirty-three merges.
    expect(tree.frontier().roots).toHaveLength(2);
    let node = sha(utf8('leaf'));
    for (let i = 33; i > 0; i -= 1) node = nodeHash(crypto, roots[i] ?? node, node);
    expect(hex(tree.frontier().roots[1] ?? node)).toBe(hex(node));
  });
});

test('a hasher of many leaves leaves nothing of one in the next, and hashes one of any length', () => {
  const hasher = new LeafHasher(crypto);
  const sizes = [0, 300, 1, 4_096, 4_097, 5, 9_000, 2];
  const hashes = sizes.map((size) => hasher.hash(new Uint8Array(size).fill(size % 251)));
  for (const [i, size] of sizes.entries()) {
    const prefixed = new Uint8Array(1 + size).fill(size % 251, 1);
    expect(hashes[i], `${size}`).toEqual(crypto.sha256(prefixed));
  }
});

describe('proofs', () => {
  const subtree = subtreesOf(
    crypto,
    LEAVES.map((leaf) => leafHash(crypto, leaf)),
  );

  test.each(PATHS)('the published path of leaf %i in %i is built and verifies', (index, size, path) => {
    expect(hexes(inclusionProof(crypto, subtree, index, size))).toEqual(path);
    const claim = { index, size, root: bytes(ROOTS[size] ?? ''), proof: path.map(bytes) };
    expect(verifyInclusion(crypto, { ...claim, leafHash: leafHash(crypto, LEAVES[index] ?? bytes('')) })).toBe(true);
  });

  test.each(CONSISTENCY)('the published proof from %i to %i is built and verifies', (oldSize, newSize, proof) => {
    expect(hexes(consistencyProof(crypto, subtree, oldSize, newSize))).toEqual(proof);
    const claim = { oldSize, newSize, oldRoot: bytes(ROOTS[oldSize] ?? ''), newRoot: bytes(ROOTS[newSize] ?? '') };
    expect(verifyConsistency(crypto, { ...claim, proof: proof.map(bytes) })).toBe(true);
  });

  test('every path up to size 33 is that of the recursive definition, verifies, and nothing near it does', () => {
    const leaves = numbered(41);
    const hashes = leaves.map((leaf) => leafHash(crypto, leaf));
    const nodes = subtreesOf(crypto, hashes);
    for (let size = 1; size <= 33; size += 1) {
      const root = naiveMth(leaves.slice(0, size));
      for (let index = 0; index < size; index += 1) {
        const proof = inclusionProof(crypto, nodes, index, size);
        expect(hexes(proof)).toEqual(hexes(naivePath(index, leaves.slice(0, size))));
        const claim = { leafHash: hashes[index] ?? root, index, size, root, proof };
        expect(verifyInclusion(crypto, claim)).toBe(true);
        expect(verifyInclusion(crypto, { ...claim, leafHash: hashes[index + 1] ?? root })).toBe(false);
        expect(verifyInclusion(crypto, { ...claim, proof: [...proof, root] })).toBe(false);
        expect(verifyInclusion(crypto, { ...claim, index: index + size })).toBe(false);
        expect(verifyInclusion(crypto, { ...claim, root: sha(root) })).toBe(false);
        if (size === 1) continue;
        expect(verifyInclusion(crypto, { ...claim, proof: proof.slice(1) })).toBe(false);
        expect(verifyInclusion(crypto, { ...claim, proof: proof.slice(0, -1) })).toBe(false);
        expect(verifyInclusion(crypto, { ...claim, index: (index + 1) % size })).toBe(false);
        expect(verifyInclusion(crypto, { ...claim, proof: proof.map((h, i) => (i === 0 ? sha(h) : h)) })).toBe(false);
        expect(verifyInclusion(crypto, { ...claim, proof: proof.map((h) => h.subarray(1)) })).toBe(false);
      }
    }
  });

  test('every consistency proof up to size 33 is that of the recursive definition, and nothing near it verifies', () => {
    const leaves = numbered(40);
    const nodes = subtreesOf(
      crypto,
      leaves.map((leaf) => leafHash(crypto, leaf)),
    );
    const roots = Array.from({ length: 41 }, (_, size) => naiveMth(leaves.slice(0, size)));
    for (let newSize = 1; newSize <= 33; newSize += 1) {
      for (let oldSize = 1; oldSize <= newSize; oldSize += 1) {
        const proof = consistencyProof(crypto, nodes, oldSize, newSize);
        expect(hexes(proof)).toEqual(hexes(naiveSubproof(oldSize, leaves.slice(0, newSize), true)));
        const oldRoot = roots[oldSize] ?? sha();
        const newRoot = roots[newSize] ?? sha();
        const claim = { oldSize, oldRoot, newSize, newRoot, proof };
        expect(verifyConsistency(crypto, claim)).toBe(true);
        expect(verifyConsistency(crypto, { ...claim, oldRoot: sha(oldRoot) })).toBe(false);
        expect(verifyConsistency(crypto, { ...claim, newRoot: sha(newRoot) })).toBe(false);
        expect(verifyConsistency(crypto, { ...claim, proof: [...proof, newRoot] })).toBe(false);
        expect(verifyConsistency(crypto, { ...claim, oldSize: newSize + 1 })).toBe(false);
        if (oldSize === newSize) continue;
        expect(verifyConsistency(crypto, { ...claim, proof: proof.slice(1) })).toBe(false);
        expect(verifyConsistency(crypto, { ...claim, proof: [] })).toBe(false);
        expect(verifyConsistency(crypto, { ...claim, oldSize: oldSize + 1 })).toBe(false);
        expect(verifyConsistency(crypto, { ...claim, proof: proof.map((h, i) => (i === 0 ? sha(h) : h)) })).toBe(false);
      }
    }
  });

  test('the empty tree is consistent with every tree, by its one root and without a proof', () => {
    const claim = { oldSize: 0, oldRoot: bytes(ROOTS[0] ?? ''), newSize: 8, newRoot: bytes(ROOTS[8] ?? ''), proof: [] };
    expect(consistencyProof(crypto, subtree, 0, 8)).toEqual([]);
    expect(verifyConsistency(crypto, claim)).toBe(true);
    expect(verifyConsistency(crypto, { ...claim, oldRoot: bytes(ROOTS[1] ?? '') })).toBe(false);
    expect(verifyConsistency(crypto, { ...claim, proof: [bytes(ROOTS[1] ?? '')] })).toBe(false);
  });

  test('proofs in a tree of 2^45 leaves verify and name the right subtrees', () => {
    // All leaves equal: each level then has one hash, so that a huge tree costs nothing.
    const levels = [leafHash(crypto, utf8('same'))];
    for (let i = 0; i < 46; i += 1) levels.push(nodeHash(crypto, levels[i] ?? sha(), levels[i] ?? sha()));
    const same = (level: number): Uint8Array => levels[level] ?? sha();
    const size = 2 ** 45 + 12_345;
    const tree = new TreeBuilder(crypto, { size: 2 ** 45, roots: [same(45)] });
    for (let i = 0; i < 12_345; i += 1) tree.push(same(0));
    for (const index of [0, 1, 2 ** 44 + 7, 2 ** 45 - 1, 2 ** 45, size - 1]) {
      const proof = inclusionProof(crypto, same, index, size);
      expect(verifyInclusion(crypto, { leafHash: same(0), index, size, root: tree.root(), proof })).toBe(true);
      expect(verifyInclusion(crypto, { leafHash: sha(), index, size, root: tree.root(), proof })).toBe(false);
    }
    const proof = consistencyProof(crypto, same, 2 ** 45, size);
    const claim = { oldSize: 2 ** 45, oldRoot: same(45), newSize: size, newRoot: tree.root(), proof };
    expect(verifyConsistency(crypto, claim)).toBe(true);
    expect(verifyConsistency(crypto, { ...claim, oldSize: 2 ** 44, oldRoot: same(44) })).toBe(false);
  });

  test('no random proof verifies, and none throws', () => {
    const root = bytes(ROOTS[8] ?? '');
    const hash = fc.oneof(
      fc.uint8Array({ minLength: 32, maxLength: 32 }),
      fc.constantFrom(...ROOTS.map(bytes)),
      fc.uint8Array({ maxLength: 40 }),
    );
    const number = fc.oneof(fc.nat(9), fc.double(), fc.maxSafeInteger());
    fc.assert(
      fc.property(hash, number, number, fc.array(hash, { maxLength: 5 }), (leaf, index, size, proof) => {
        // A true leaf, or the root as the only leaf of a tree of one, would be no refutation.
        const known = equalBytes(leaf, root) || LEAVES.some((l) => equalBytes(leafHash(crypto, l), leaf));
        if (!known) expect(verifyInclusion(crypto, { leafHash: leaf, index, size, root, proof })).toBe(false);
        const claim = { oldSize: index, oldRoot: leaf, newSize: size, newRoot: root, proof };
        // What is true of any tree without a proof: it continues the empty one, and itself.
        const sizes = Number.isSafeInteger(size) && size >= 0 && proof.length === 0;
        const fromEmpty = index === 0 && size > 0 && hex(leaf) === ROOTS[0];
        const itself = index === size && equalBytes(leaf, root);
        expect(verifyConsistency(crypto, claim)).toBe(sizes && (fromEmpty || itself));
      }),
      { numRuns: 20_000, seed: 3 },
    );
  });
});
