import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, test, vi } from 'vitest';
import { LatchkeyError } from '../../../src/base/errors.ts';
import { formatNote } from '../../../src/evidence/log/note.ts';
import { nodeCrypto } from '../../../src/platform/node-crypto.ts';
import { FileStore } from '../../../src/risk/intake/file-store/file-store.ts';
import type { HeldLog, RangeAppend } from '../../../src/risk/intake/store.ts';
import { Random } from '../../support/mutate.ts';
import type { TestLog } from '../../support/test-log.ts';
import { grow, newLog } from './events.ts';

const root = mkdtempSync(join(tmpdir(), 'latchkey-files-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
afterEach(() => vi.restoreAllMocks());
let count = 0;

function fresh(): string {
  count += 1;
  return join(root, String(count));
}

const openStore = (directory: string, segmentBytes = 67_108_864): Promise<FileStore> =>
  FileStore.open({ crypto: nodeCrypto, directory, segmentBytes });

function rangeOf(log: TestLog, first: number, end: number): RangeAppend {
  const rows = log.leaves.slice(first, end).map((leaf, i) => ({
    leafHash: log.leafHashes[first + i] ?? new Uint8Array(),
    leaf,
    use: { status: 'used' } as const,
    ...(first === 6 ? { carries: nodeCrypto.sha256(leaf) } : {}),
  }));
  return {
    origin: log.origin,
    opens: first === 0,
    before: log.frontier(first),
    rows,
    after: log.frontier(end),
    note: formatNote(log.note(end)),
    storedAtMs: 0,
  };
}

const cosignedAt = (log: TestLog, size: number) => ({
  size,
  root: log.checkpoint(size).root,
  note: formatNote(log.note(size)),
});

async function heldOf(store: FileStore, log: TestLog): Promise<HeldLog | undefined> {
  return (await store.load('gw-0001')).logs.find(({ origin }) => origin === log.origin);
}

async function numbersOf(store: FileStore, log: TestLog): Promise<readonly number[]> {
  const found: number[] = [];
  for await (const { n, leaf } of store.entries(log.origin, 0)) {
    expect(Buffer.from(leaf ?? []).equals(Buffer.from(log.leaves[n] ?? []))).toBe(true);
    found.push(n);
  }
  return found;
}

const upTo = (end: number): readonly number[] => Array.from({ length: end }, (_, n) => n);

async function codeOf(work: Promise<unknown>): Promise<string> {
  return work.then(
    () => 'resolved',
    (error: unknown) => (error instanceof LatchkeyError ? error.code : String(error)),
  );
}

/** The folder of the one log. */
function logFolder(directory: string): string {
  const gateway = join(directory, 'logs', 'gw-0001');
  return join(gateway, readdirSync(gateway).find((name) => name.includes('@')) ?? '');
}

describe('a file that was torn', () => {
  test('at any byte: everything before the last whole commit is there, the rest is cut off and counted', async () => {
    const log = grow(newLog(), 10);
    const directory = fresh();
    const ends = [3, 6, 8, 10];
    const store = await openStore(directory);
    const sizes: number[] = [];
    const entries = (): string => join(logFolder(directory), 'entries', '0000000000000000.ndjson');
    let first = 0;
    for (const end of ends) {
      await store.append([rangeOf(log, first, end)]);
      first = end;
      sizes.push(statSync(entries()).size);
    }
    await store.close();
    const whole = readFileSync(entries());
    const random = new Random(1);
    const cuts = [
      ...Array.from({ length: 24 }, () => random.below(whole.length)),
      0,
      ...sizes.flatMap((size) => [size - 1, size]),
    ];
    const seen = new Set<number>();
    for (const cut of cuts) {
      const copy = fresh();
      cpSync(directory, copy, { recursive: true });
      truncateSync(join(logFolder(copy), 'entries', '0000000000000000.ndjson'), cut);
      const torn = await openStore(copy);
      const held = ends.filter((_, i) => (sizes[i] ?? 0) <= cut).at(-1) ?? 0;
      seen.add(held);
      expect((await heldOf(torn, log))?.segments[0]?.end.size ?? 0).toBe(held);
      expect(await numbersOf(torn, log)).toEqual(upTo(held));
      const lastSize = sizes[ends.indexOf(held)] ?? 0;
      if (held > 0) expect((await heldOf(torn, log))?.cutBytes).toBe(cut - lastSize);
      expect((await torn.load('gw-0001')).carried).toBe(held >= 8 ? 2 : 0);
      expect(
        await torn.append([rangeOf(log, held, 10 === held ? held : 10)].filter((range) => range.rows.length > 0)),
      ).toEqual(held === 10 ? [] : ['stored']);
      expect(await numbersOf(torn, log)).toEqual(upTo(10));
      await torn.close();
      rmSync(copy, { recursive: true });
    }
    expect([...seen].sort((a, b) => a - b)).toEqual([0, 3, 6, 8, 10]);
  });

  test('whatever byte of the tail is flipped, nothing false is reported', async () => {
    const log = grow(newLog(), 9);
    const directory = fresh();
    const store = await openStore(directory);
    await store.append([rangeOf(log, 0, 3)]);
    const entries = join(logFolder(directory), 'entries', '0000000000000000.ndjson');
    const firstSize = statSync(entries).size;
    await store.append([rangeOf(log, 3, 9)]);
    await store.close();
    const whole = readFileSync(entries);
    const random = new Random(7);
    for (let i = 0; i < 25; i += 1) {
      const at = firstSize + random.below(whole.length - firstSize);
      const flipped = Buffer.from(whole);
      flipped[at] = (flipped[at] ?? 0) ^ (1 << random.below(8));
      writeFileSync(entries, flipped);
      const damaged = await openStore(directory);
      expect(await numbersOf(damaged, log)).toEqual(upTo(3));
      await damaged.close();
    }
  });

  test('in the list of cosigned trees: the last whole line counts', async () => {
    const log = grow(newLog(), 9);
    const directory = fresh();
    const store = await openStore(directory);
    await store.append([rangeOf(log, 0, 9)]);
    await store.cosign([{ origin: log.origin, expected: undefined, next: cosignedAt(log, 3) }]);
    const path = join(logFolder(directory), 'cosigned.ndjson');
    const firstSize = statSync(path).size;
    await store.cosign([{ origin: log.origin, expected: cosignedAt(log, 3), next: cosignedAt(log, 9) }]);
    await store.close();
    const whole = readFileSync(path);
    for (let cut = 0; cut <= whole.length; cut += 11) {
      writeFileSync(path, whole.subarray(0, cut));
      const torn = await openStore(directory);
      const wanted = cut < firstSize ? undefined : cut < whole.length ? 3 : 9;
      expect((await heldOf(torn, log))?.cosigned?.size).toBe(wanted);
      await torn.close();
    }
  });

  test('damage below a receipt is kept aside before anything is cut off', async () => {
    const log = grow(newLog(), 9);
    const directory = fresh();
    const store = await openStore(directory);
    await store.append([rangeOf(log, 0, 3), rangeOf(log, 3, 9)]);
    await store.cosign([{ origin: log.origin, expected: undefined, next: cosignedAt(log, 9) }]);
    await store.close();
    const folder = join(logFolder(directory), 'entries');
    const path = join(folder, '0000000000000000.ndjson');
    const damaged = readFileSync(path);
    damaged[damaged.length - 300] = (damaged[damaged.length - 300] ?? 0) ^ 1;
    writeFileSync(path, damaged);
    const later = await openStore(directory);
    expect(await numbersOf(later, log)).toEqual(upTo(3));
    expect((await heldOf(later, log))?.cosigned?.size).toBe(9);
    expect(readFileSync(`${path}.damaged`)).toEqual(damaged);
    await later.close();
  });
});

describe('the index', () => {
  test('is not needed, and a false one misleads nobody', async () => {
    const log = grow(newLog(), 900);
    const directory = fresh();
    const store = await openStore(directory);
    for (let first = 0; first < 900; first += 30) await store.append([rangeOf(log, first, first + 30)]);
    await store.close();
    const path = join(logFolder(directory), 'entries', '0000000000000000.ndjson.idx');
    const sound = readFileSync(path);
    expect(sound.length).toBeGreaterThanOrEqual(24 * 3);
    const random = new Random(3);
    const others = [sound, new Uint8Array(0), sound.subarray(0, 30), new Uint8Array(240), random.bytes(240)];
    for (let i = 0; i < 10; i += 1) {
      const flipped = Buffer.from(sound);
      const at = random.below(flipped.length);
      flipped[at] = (flipped[at] ?? 0) ^ (1 << random.below(8));
      others.push(flipped);
    }
    for (const bytes of others) {
      writeFileSync(path, bytes);
      const again = await openStore(directory);
      expect((await heldOf(again, log))?.segments).toEqual([
        { first: 0, end: log.frontier(900), note: formatNote(log.note(900)) },
      ]);
      for (const size of [0, 1, 31, 450, 899, 900]) {
        expect(await again.frontierAt(log.origin, size)).toEqual(log.frontier(size));
      }
      expect(await again.leafHashes(log.origin, 431, 60)).toEqual(log.leafHashes.slice(431, 491));
      await again.close();
    }
  });
});

describe('a disk that refuses', () => {
  /** The next calls of a file method fail as the kernel would. */
  async function failing(method: 'datasync' | 'write', code: 'EIO' | 'ENOSPC', times: number): Promise<void> {
    const handle = await open(join(root, 'any'), 'w');
    const prototype = Object.getPrototypeOf(handle) as FileHandle;
    await handle.close();
    const spy = vi.spyOn(prototype, method);
    for (let i = 0; i < times; i += 1) {
      spy.mockImplementationOnce(() => Promise.reject(Object.assign(new Error(`${code}: no`), { code })));
    }
  }

  test.each([
    ['datasync', 'EIO', 'STORE_IO'],
    ['write', 'ENOSPC', 'STORE_FULL'],
  ] as const)(
    '%s with %s: nothing of the group counts, nothing is tried on that handle again',
    async (method, errno, code) => {
      const log = grow(newLog(), 12);
      const directory = fresh();
      const store = await openStore(directory);
      await store.append([rangeOf(log, 0, 4)]);
      const path = join(logFolder(directory), 'entries', '0000000000000000.ndjson');
      const durable = readFileSync(path);
      await failing(method, errno, 1);
      expect(await codeOf(store.append([rangeOf(log, 4, 8)]))).toBe(code);
      expect(readFileSync(path)).toEqual(durable); // what a restart would find
      expect(await codeOf(store.append([rangeOf(log, 4, 8)]))).toBe(code);
      expect(await codeOf(store.cosign([{ origin: log.origin, expected: undefined, next: cosignedAt(log, 4) }]))).toBe(
        code,
      );
      await store.reopen();
      expect((await heldOf(store, log))?.segments[0]?.end.size).toBe(4);
      expect(await store.append([rangeOf(log, 4, 12)])).toEqual(['stored']);
      expect(await numbersOf(store, log)).toEqual(upTo(12));
      await store.close();
    },
  );

  test('a first write that fails leaves no file, and a failed note of a cosigned tree no line', async () => {
    const log = grow(newLog(), 6);
    const directory = fresh();
    const store = await openStore(directory);
    await failing('datasync', 'EIO', 1);
    expect(await codeOf(store.append([rangeOf(log, 0, 6)]))).toBe('STORE_IO');
    expect(readdirSync(join(logFolder(directory), 'entries'))).toEqual([]);
    await store.reopen();
    await store.append([rangeOf(log, 0, 6)]);
    await failing('datasync', 'EIO', 1);
    const change = { origin: log.origin, expected: undefined, next: cosignedAt(log, 6) };
    expect(await codeOf(store.cosign([change]))).toBe('STORE_IO');
    await store.reopen();
    expect((await heldOf(store, log))?.cosigned).toBeUndefined();
    expect(await store.cosign([change])).toEqual(['stored']);
    await store.close();
  });

  test('of several logs in one group, those that reached the disk are found, the others are not', async () => {
    const logs = ['gw-0001', 'gw-0002', 'gw-0003'].map((gateway) => grow(newLog(gateway, gateway), 4));
    const store = await openStore(fresh());
    await store.append(logs.map((log) => rangeOf(log, 0, 2)));
    await failing('datasync', 'EIO', 1);
    expect(await codeOf(store.append(logs.map((log) => rangeOf(log, 2, 4))))).toBe('STORE_IO');
    await store.reopen();
    const sizes: number[] = [];
    for (const log of logs) {
      const held = (await store.load(log.origin.split('/')[1] ?? '')).logs[0];
      sizes.push(held?.segments[0]?.end.size ?? 0);
    }
    expect(sizes.filter((size) => size === 2)).toHaveLength(1);
    expect(sizes.filter((size) => size === 4)).toHaveLength(2);
    await store.close();
  });
});

test('the list of cosigned trees stays small', async () => {
  const log = grow(newLog(), 1);
  const directory = fresh();
  const store = await openStore(directory);
  await store.append([rangeOf(log, 0, 1)]);
  let expected: ReturnType<typeof cosignedAt> | undefined;
  const tree = { root: log.checkpoint(1).root, note: formatNote(log.note(1)) };
  for (let size = 1; size < 400; size += 1) {
    const next = { ...tree, size };
    expect(await store.cosign([{ origin: log.origin, expected, next }])).toEqual(['stored']);
    expected = next;
  }
  expect(statSync(join(logFolder(directory), 'cosigned.ndjson')).size).toBeLessThan(65_536);
  await store.close();
  const later = await openStore(directory);
  expect((await heldOf(later, log))?.cosigned?.size).toBe(399);
  await later.close();
});

test('hundreds of logs are written without running out of open files', async () => {
  const store = await openStore(fresh());
  const logs = Array.from({ length: 200 }, (_, i) => grow(newLog(`log ${i}`, `gw-${i}`), 2));
  expect(new Set(await store.append(logs.map((log) => rangeOf(log, 0, 1))))).toEqual(new Set(['stored']));
  expect(new Set(await store.append(logs.map((log) => rangeOf(log, 1, 2))))).toEqual(new Set(['stored']));
  expect(readdirSync('/proc/self/fd').length).toBeLessThan(190);
  await store.close();
});
