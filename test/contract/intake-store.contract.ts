/**
 * What every store owes intake. Run against each: memory, files, and SQL later.
 *
 * Trees are checked against a naive RFC 6962 hash written here, not by the code under test.
 */
import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { hex, utf8, utf8Text } from '../../src/base/bytes.ts';
import { type Frontier, TreeBuilder } from '../../src/evidence/log/tree.ts';
import { nodeCrypto } from '../../src/platform/node-crypto.ts';
import {
  type Cosigned,
  FORKS_MAX,
  type HeldLog,
  type IntakeStore,
  type RangeAppend,
  type StoredRow,
} from '../../src/risk/intake/store.ts';

export interface StoreSubject {
  /** A store over the same place as before: what a restart sees. The one before is closed. */
  open(): Promise<IntakeStore>;
}

const ORIGIN = 'lockers.example/gw-0001/1-9f2c01aa';
const OTHER = 'lockers.example/gw-0001/2-00000001';
const FOREIGN = 'lockers.example/gw-0002/1-00000002';

const sha256 = (...parts: readonly Uint8Array[]): Uint8Array =>
  new Uint8Array(createHash('sha256').update(Buffer.concat(parts)).digest());
const leafOf = (n: number, salt = ''): Uint8Array => utf8(`{"n":${n},"salt":"${salt}"}`);
const hashOf = (leaf: Uint8Array): Uint8Array => sha256(Uint8Array.of(0), leaf);

/** RFC 6962 section 2.1, by its recursive definition. */
function naiveRoot(hashes: readonly Uint8Array[]): Uint8Array {
  if (hashes.length === 0) return sha256();
  if (hashes.length === 1) return hashes[0] ?? new Uint8Array();
  let k = 1;
  while (k * 2 < hashes.length) k *= 2;
  return sha256(Uint8Array.of(1), naiveRoot(hashes.slice(0, k)), naiveRoot(hashes.slice(k)));
}

function treeOf(size: number, salt = ''): Frontier {
  const tree = new TreeBuilder(nodeCrypto);
  for (let n = 0; n < size; n += 1) tree.push(hashOf(leafOf(n, salt)));
  return tree.frontier();
}

interface Shape {
  readonly origin?: string;
  readonly opens?: boolean;
  readonly salt?: string;
  readonly note?: boolean;
  readonly row?: (n: number) => Partial<StoredRow>;
}

/** Entries [first, end) of the log whose leaves are `leafOf`. */
function range(first: number, end: number, shape: Shape = {}): RangeAppend {
  const rows = Array.from({ length: end - first }, (_, i): StoredRow => {
    const leaf = leafOf(first + i, shape.salt);
    return { leafHash: hashOf(leaf), leaf, use: { status: 'used' }, ...shape.row?.(first + i) };
  });
  return {
    origin: shape.origin ?? ORIGIN,
    opens: shape.opens ?? first === 0,
    before: treeOf(first, shape.salt),
    rows,
    after: treeOf(end, shape.salt),
    ...(shape.note === false ? {} : { note: utf8(`note ${end}`) }),
    storedAtMs: Date.UTC(2026, 10, 22),
  };
}

async function logOf(store: IntakeStore, origin = ORIGIN): Promise<HeldLog | undefined> {
  const gateway = origin.split('/')[1] ?? '';
  return (await store.load(gateway)).logs.find((log) => log.origin === origin);
}

async function spans(store: IntakeStore): Promise<readonly (readonly [number, number])[]> {
  return (await logOf(store))?.segments.map(({ first, end }) => [first, end.size] as const) ?? [];
}

async function listed(store: IntakeStore, origin = ORIGIN, position = 0): Promise<readonly string[]> {
  const found: string[] = [];
  for await (const entry of store.entries(origin, position))
    found.push(`${entry.position}:${entry.n}:${entry.use.status}`);
  return found;
}

const cosigned = (size: number, salt = ''): Cosigned => ({
  size,
  root: naiveRoot(Array.from({ length: size }, (_, n) => hashOf(leafOf(n, salt)))),
  note: utf8(`note ${size}`),
});

async function cosign(store: IntakeStore, expected: Cosigned | undefined, next: Cosigned): Promise<string | undefined> {
  return (await store.cosign([{ origin: ORIGIN, expected, next }]))[0];
}

export function intakeStoreContract(name: string, subject: () => StoreSubject): void {
  test(`${name}: a gateway that nobody heard of holds nothing`, async () => {
    const store = await subject().open();
    expect(await store.gateways()).toEqual([]);
    expect(await store.load('gw-0001')).toEqual({ gateway: 'gw-0001', logs: [], trust: [], carried: 0 });
    expect(await store.frontierAt(ORIGIN, 1)).toBeUndefined();
    expect(await store.leafHashes(ORIGIN, 0, 10)).toEqual([]);
    expect(await listed(store)).toEqual([]);
  });

  test(`${name}: what was stored is there after a restart, to the byte`, async () => {
    const { open } = subject();
    const store = await open();
    expect(await store.append([range(0, 3), range(3, 8)])).toEqual(['stored', 'stored']);
    const later = await open();
    expect(await later.gateways()).toEqual(['gw-0001']);
    const held = await logOf(later);
    expect(held?.segments).toEqual([{ first: 0, end: treeOf(8), note: utf8('note 8') }]);
    const found: (string | undefined)[] = [];
    for await (const entry of later.entries(ORIGIN, 0)) {
      found.push(utf8Text(entry.leaf ?? new Uint8Array()));
      expect(hex(entry.leafHash)).toBe(hex(hashOf(leafOf(entry.n))));
      expect(entry.origin).toBe(ORIGIN);
    }
    expect(found).toEqual(Array.from({ length: 8 }, (_, n) => utf8Text(leafOf(n))));
    expect(await later.append([range(8, 9)])).toEqual(['stored']);
    expect(await spans(later)).toEqual([[0, 9]]);
  });

  test(`${name}: a range goes on only from the tree that is held`, async () => {
    const store = await subject().open();
    await store.append([range(0, 4)]);
    const refused = [
      range(0, 4), // held already
      range(2, 6, { opens: true }), // overlaps
      range(4, 6, { salt: 'other' }), // another tree of that size
      range(5, 6), // not the end
      range(4, 6, { opens: true }), // something ends there
    ];
    for (const each of refused) expect(await store.append([each])).toEqual(['conflict']);
    expect(await store.append([range(5, 6), range(4, 5), range(5, 6)])).toEqual(['conflict', 'stored', 'stored']);
    expect(await spans(store)).toEqual([[0, 6]]);
  });

  test(`${name}: logs of one group are kept apart`, async () => {
    const { open } = subject();
    const store = await open();
    const group = [range(0, 2), range(0, 3, { origin: OTHER }), range(2, 4), range(0, 1, { origin: FOREIGN })];
    expect(await store.append(group)).toEqual(['stored', 'stored', 'stored', 'stored']);
    const later = await open();
    expect([...(await later.gateways())].sort()).toEqual(['gw-0001', 'gw-0002']);
    expect((await logOf(later))?.segments[0]?.end).toEqual(treeOf(4));
    expect((await logOf(later, OTHER))?.segments[0]?.end).toEqual(treeOf(3));
    expect((await logOf(later, FOREIGN))?.segments[0]?.end).toEqual(treeOf(1));
  });

  test(`${name}: of a group each range is judged by itself, and after those before it`, async () => {
    const { open } = subject();
    const store = await open();
    const far = { opens: true, origin: OTHER } as const;
    const group = [
      range(0, 2),
      range(0, 2, { origin: FOREIGN }),
      range(4, 6), // not the end yet
      range(6, 8, far),
      range(2, 4),
      range(0, 3, { origin: OTHER }),
      range(2, 4), // held by now
      range(5, 9, far), // overlaps
      range(3, 6, { origin: OTHER, salt: 'other' }), // another tree
      range(4, 6),
      range(3, 6, { origin: OTHER, note: false }), // fills the gap
      range(2, 5, { origin: FOREIGN }),
    ];
    expect(await store.append(group)).toEqual(
      'stored stored conflict stored stored stored conflict conflict conflict stored stored stored'.split(' '),
    );
    for (const each of [store, await open()]) {
      expect(await spans(each)).toEqual([[0, 6]]);
      expect(await listed(each)).toEqual([0, 1, 2, 3, 4, 5].map((n) => `${n}:${n}:used`));
      expect((await logOf(each, OTHER))?.segments).toEqual([{ first: 0, end: treeOf(8), note: utf8('note 8') }]);
      expect(await listed(each, OTHER)).toEqual([6, 7, 0, 1, 2, 3, 4, 5].map((n, i) => `${i}:${n}:used`));
      expect((await logOf(each, FOREIGN))?.segments[0]?.end).toEqual(treeOf(5));
    }
  });

  test(`${name}: a fork within a group is found, and the rest of the group is stored`, async () => {
    const store = await subject().open();
    const group = [
      range(0, 3),
      range(6, 8, { opens: true, salt: 'other' }),
      range(3, 6),
      range(0, 1, { origin: FOREIGN }),
    ];
    expect(await store.append(group)).toEqual(['stored', 'stored', 'fork', 'stored']);
    expect(await spans(store)).toEqual([
      [0, 3],
      [6, 8],
    ]);
    expect((await logOf(store, FOREIGN))?.segments[0]?.end).toEqual(treeOf(1));
  });

  test(`${name}: a gap stays visible until it is filled, and what filled it comes later in the use stream`, async () => {
    const { open } = subject();
    const store = await open();
    await store.append([range(0, 3), range(6, 8, { opens: true })]);
    expect(await spans(await open())).toEqual([
      [0, 3],
      [6, 8],
    ]);
    const later = await open();
    expect(await later.frontierAt(ORIGIN, 4)).toBeUndefined();
    expect(await later.leafHashes(ORIGIN, 2, 10)).toHaveLength(1);
    expect(await later.append([range(8, 9), range(3, 6, { note: false })])).toEqual(['stored', 'stored']);
    for (const each of [later, await open()]) {
      expect(await spans(each)).toEqual([[0, 9]]);
      expect(await listed(each)).toEqual([0, 1, 2, 6, 7, 8, 3, 4, 5].map((n, position) => `${position}:${n}:used`));
      expect(await listed(each, ORIGIN, 4)).toEqual([7, 8, 3, 4, 5].map((n, i) => `${i + 4}:${n}:used`));
      expect(await each.leafHashes(ORIGIN, 1, 7)).toHaveLength(7);
    }
  });

  test(`${name}: a range that meets the next segment with another tree is a fork, and nothing of it is stored`, async () => {
    const store = await subject().open();
    await store.append([range(0, 3), range(6, 8, { opens: true, salt: 'other' })]);
    expect(await store.append([range(3, 6)])).toEqual(['fork']);
    expect(await store.append([range(3, 7)])).toEqual(['conflict']);
    expect(await spans(store)).toEqual([
      [0, 3],
      [6, 8],
    ]);
  });

  test(`${name}: the tree of every size is told`, async () => {
    const { open } = subject();
    const store = await open();
    await store.append([range(0, 5), range(5, 6), range(6, 20)]);
    for (const each of [store, await open()]) {
      for (let size = 0; size <= 20; size += 1) {
        const frontier = await each.frontierAt(ORIGIN, size);
        const root = frontier && new TreeBuilder(nodeCrypto, frontier).root();
        const wanted = naiveRoot(Array.from({ length: size }, (_, n) => hashOf(leafOf(n))));
        expect(root && hex(root)).toBe(hex(wanted));
      }
      expect(await each.frontierAt(ORIGIN, 21)).toBeUndefined();
      const hashes = await each.leafHashes(ORIGIN, 4, 100);
      expect(hashes.map(hex)).toEqual(Array.from({ length: 16 }, (_, i) => hex(hashOf(leafOf(4 + i)))));
    }
  });

  test(`${name}: a cosigned tree is noted once per size and never goes back`, async () => {
    const { open } = subject();
    const store = await open();
    await store.append([range(0, 8)]);
    expect(await cosign(store, undefined, cosigned(3))).toBe('stored');
    expect(await cosign(store, undefined, cosigned(8))).toBe('conflict');
    expect(await cosign(store, cosigned(3), cosigned(3))).toBe('stored');
    expect(await cosign(store, cosigned(3), cosigned(3, 'other'))).toBe('conflict');
    expect(await cosign(store, cosigned(3, 'other'), cosigned(8))).toBe('conflict');
    const later = await open();
    expect((await logOf(later))?.cosigned).toEqual(cosigned(3));
    expect(await cosign(later, cosigned(3), cosigned(2))).toBe('conflict');
    expect(await cosign(later, cosigned(3), cosigned(8))).toBe('stored');
    const last = await open();
    expect((await logOf(last))?.cosigned).toEqual(cosigned(8));
    const group = [
      { origin: ORIGIN, expected: cosigned(8), next: cosigned(9) },
      { origin: OTHER, expected: undefined, next: cosigned(2) },
      { origin: ORIGIN, expected: cosigned(8), next: cosigned(10) },
    ];
    expect(await last.cosign(group)).toEqual(['stored', 'stored', 'conflict']);
  });

  test(`${name}: uses are kept as they were decided, and withheld bodies are not kept at all`, async () => {
    const { open } = subject();
    const store = await open();
    const uses: readonly Partial<StoredRow>[] = [
      {},
      { use: { status: 'opaque', why: 'unknown_type' } },
      { use: { status: 'withheld', why: 'card_number', paths: ['/data/text'] }, leaf: undefined as never },
      { use: { status: 'duplicate_of', of: { origin: OTHER, n: 7 } } },
    ];
    const made = range(0, 4, { row: (n) => uses[n] ?? {} });
    const rows = made.rows.map(({ leaf, ...row }) => (leaf === undefined ? row : { ...row, leaf }));
    await store.append([{ ...made, rows }]);
    const found: unknown[] = [];
    for await (const { use, leaf } of (await open()).entries(ORIGIN, 0)) found.push([use, leaf !== undefined]);
    expect(found).toEqual([
      [{ status: 'used' }, true],
      [uses[1]?.use, true],
      [uses[2]?.use, false],
      [uses[3]?.use, true],
    ]);
    expect((await logOf(await open()))?.segments[0]?.end).toEqual(treeOf(4));
  });

  test(`${name}: what an entry carries is found by its leaf hash, within the gateway`, async () => {
    const { open } = subject();
    const store = await open();
    const carries = [hashOf(utf8('one')), hashOf(utf8('two')), hashOf(utf8('three'))] as const;
    await store.append([range(0, 2, { origin: OTHER, row: (n) => (n === 1 ? { carries: carries[0] } : {}) })]);
    await store.append([range(0, 1, { origin: FOREIGN, row: () => ({ carries: carries[1] }) })]);
    for (const each of [store, await open()]) {
      expect(await each.carriersOf('gw-0001', carries)).toEqual([{ origin: OTHER, n: 1 }, undefined, undefined]);
      expect((await each.load('gw-0001')).carried).toBe(1);
    }
  });

  test(`${name}: trust is kept, the same record once`, async () => {
    const { open } = subject();
    const store = await open();
    const first = { kind: 'first_use', vkey: 'a+00000000+AQ==' } as const;
    const successor = { kind: 'successor', old: ORIGIN, statement: '{"payload":""}' } as const;
    await store.saveTrust('gw-0001', first);
    await store.saveTrust('gw-0001', successor);
    await store.saveTrust('gw-0001', first);
    expect((await (await open()).load('gw-0001')).trust).toEqual([first, successor]);
  });

  test(`${name}: both sides of a fork are kept once, and no more than ${FORKS_MAX}`, async () => {
    const { open } = subject();
    const store = await open();
    await store.append([range(0, 3)]);
    const ours = await store.excerpt(ORIGIN, 1, 3);
    expect(utf8Text(ours)).toBe(`${utf8Text(leafOf(1))}\n${utf8Text(leafOf(2))}\n`);
    const fork = (i: number) => ({ kind: 'batch', theirs: utf8(`theirs ${i}`), ours }) as const;
    expect(await store.keepFork(ORIGIN, fork(0))).toBe('kept');
    expect(await store.keepFork(ORIGIN, fork(0))).toBe('known');
    const later = await open();
    expect(await later.keepFork(ORIGIN, fork(0))).toBe('known');
    for (let i = 1; i < FORKS_MAX; i += 1) expect(await later.keepFork(ORIGIN, fork(i))).toBe('kept');
    expect(await later.keepFork(ORIGIN, fork(99))).toBe('full');
    expect((await logOf(later))?.forks).toBe(FORKS_MAX);
  });

  test(`${name}: a reader beside the writer sees what was durable when it began`, async () => {
    const store = await subject().open();
    await store.append([range(0, 3)]);
    const reader = store.entries(ORIGIN, 0)[Symbol.asyncIterator]();
    expect((await reader.next()).value.n).toBe(0);
    await store.append([range(3, 5)]);
    const rest: number[] = [];
    for (let next = await reader.next(); next.done !== true; next = await reader.next()) rest.push(next.value.n);
    expect(rest.slice(0, 2)).toEqual([1, 2]);
    expect(await listed(store, ORIGIN, 3)).toEqual(['3:3:used', '4:4:used']);
  });
}
