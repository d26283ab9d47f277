import { describe, expect, test } from 'vitest';
import {
  type ComparedLog,
  chainHead,
  compare,
  contradiction,
  type HeldTree,
  isSettled,
  type KeyHolder,
  type LogState,
  type Memory,
  owedStatements,
  standing,
  type TreeHead,
} from '../../../src/edge/journal/continuity.ts';
import { type Found, type FoundLog, planStart } from '../../../src/edge/journal/start-plan.ts';

const root = (branch: string, size: number): Uint8Array =>
  Uint8Array.from(Buffer.from(`${branch}${size}`.padEnd(32, '.')));
const head = (branch: string, size: number): TreeHead => ({ size, root: root(branch, size) });
/** A tree that forked from branch `a` at `fork`. */
const tree = (size: number, fork = size): HeldTree => ({
  size,
  rootAt: (at) => root(at <= fork ? 'a' : 'b', at),
});

describe('a head from outside', () => {
  test('agrees where our tree has its root, whether or not a note of ours stands there', () => {
    for (const size of [0, 1, 6, 7]) expect(contradiction(tree(7), head('a', size))).toBeUndefined();
  });

  test('of a larger size means that we were rolled back, and shows our end', () => {
    expect(contradiction(tree(7), head('a', 8))).toEqual({
      cause: 'rolled_back',
      expected: head('a', 8),
      found: head('a', 7),
    });
  });

  test('of another root at any size up to ours means that the log forked', () => {
    for (const size of [5, 6, 7]) expect(contradiction(tree(7, 4), head('a', size))?.cause).toBe('forked');
    for (const size of [1, 3, 4]) expect(contradiction(tree(7, 4), head('a', size))).toBeUndefined();
  });
});

describe('receipts', () => {
  const keys = [
    { keyId: '0a', role: 'store' as const },
    { keyId: '0b', role: 'store' as const },
    { keyId: '0c', role: 'advisory' as const },
  ];

  test('of several stores count as the lowest, and a silent store counts as nothing', () => {
    expect(standing(new Map([['0a', 9]]), keys)).toEqual({ receiptedSize: 0, progressSize: 9 });
    expect(standing(new Map(Object.entries({ '0a': 9, '0b': 4 })), keys)).toEqual({
      receiptedSize: 4,
      progressSize: 9,
    });
  });

  test('of an advisory receiver move progress and never prune', () => {
    expect(standing(new Map([['0c', 12]]), keys)).toEqual({ receiptedSize: 0, progressSize: 12 });
    expect(standing(new Map([['0c', 12]]), keys.slice(2))).toEqual({ receiptedSize: 0, progressSize: 12 });
  });

  test('of keys that are not configured any more count nothing', () => {
    expect(standing(new Map([['ff', 12]]), keys.slice(0, 1))).toEqual({ receiptedSize: 0, progressSize: 0 });
    expect(standing(new Map(), [])).toEqual({ receiptedSize: 0, progressSize: 0 });
  });
});

const OPEN: LogState = { kind: 'open' };
const closed = (sendEnd: number): LogState => ({ kind: 'closed', cause: 'rotation', sendEnd });
const breached = (sendEnd: number): LogState => ({ kind: 'breached', cause: 'forked', sendEnd });

describe('the comparison', () => {
  const log = (over: Partial<ComparedLog> = {}): ComparedLog => ({
    origin: 'one',
    state: OPEN,
    tree: tree(7),
    receiptedSize: 2,
    publishedSize: 0,
    ...over,
  });
  const memory = (over: Partial<Memory> = {}): Memory => ({
    heads: new Map(),
    checkpoints: new Map(),
    links: [],
    ...over,
  });
  const knowsAll = (): boolean => true;

  test('finds nothing where nothing is known outside and nothing was published', () => {
    expect(compare([log()], memory(), knowsAll)).toEqual({ breaches: [], lost: [] });
  });

  test('misses what the broker acknowledged: a checkpoint that is gone or older', () => {
    const known = (size: number): Memory => memory({ checkpoints: new Map([['one', size]]) });
    expect(compare([log({ publishedSize: 5 })], memory(), knowsAll).lost).toEqual(['one']);
    expect(compare([log({ publishedSize: 5 })], known(4), knowsAll).lost).toEqual(['one']);
    expect(compare([log({ publishedSize: 5 })], known(5), knowsAll).lost).toEqual([]);
    expect(compare([log({ publishedSize: 5 })], known(7), knowsAll).lost).toEqual([]);
  });

  test('names the largest contradicting head, of checkpoint, receipt or statement alike', () => {
    const heads = new Map([['one', [head('a', 3), head('a', 9), head('a', 8)]]]);
    expect(compare([log()], memory({ heads }), knowsAll).breaches).toEqual([
      { origin: 'one', cause: 'rolled_back', expected: head('a', 9), found: head('a', 7) },
    ]);
  });

  test('takes a statement for a log that this disk never had as the sign of another disk', () => {
    const links = [{ old: 'one', next: 'two' }];
    const found = compare([log()], memory({ links }), (origin) => origin !== 'two');
    expect(found.breaches).toEqual([{ origin: 'one', cause: 'superseded', found: head('a', 7) }]);
    expect(compare([log()], memory({ links }), knowsAll).breaches).toEqual([]);
  });

  test('looks at open and closed logs that owe something, and at no others', () => {
    const heads = new Map([['one', [head('a', 9)]]]);
    const breaches = (over: Partial<ComparedLog>): number =>
      compare([log(over)], memory({ heads }), knowsAll).breaches.length;
    expect(breaches({ receiptedSize: 7 })).toBe(1);
    expect(breaches({ state: closed(7) })).toBe(1);
    expect(breaches({ state: closed(7), receiptedSize: 7 })).toBe(0);
    expect(breaches({ state: breached(2) })).toBe(0);
  });
});

describe('the chain', () => {
  test('is followed to its newest log, and a ring ends the walk', () => {
    const links = [
      { old: 'b', next: 'c' },
      { old: 'a', next: 'b' },
    ];
    expect(chainHead('a', links)).toBe('c');
    expect(chainHead('x', links)).toBe('x');
    expect(chainHead('a', [...links, { old: 'c', next: 'a' }])).toBe('c');
  });

  test('owes each later log one statement, from the newest log that the outside knows', () => {
    const logs = [{ origin: 'a' }, { origin: 'b', after: 'a' }, { origin: 'd', after: 'b' }];
    expect(owedStatements(logs, [])).toEqual([
      { old: 'a', next: 'b' },
      { old: 'b', next: 'd' },
    ]);
    expect(owedStatements(logs, [{ old: 'a', next: 'b' }])).toEqual([{ old: 'b', next: 'd' }]);
    // Outside the chain went on to c, which this disk does not have.
    const outside = [
      { old: 'a', next: 'b' },
      { old: 'b', next: 'c' },
    ];
    expect(owedStatements(logs, outside)).toEqual([{ old: 'c', next: 'd', named: 'b' }]);
  });

  test('never gives a log two successors', () => {
    const logs = [
      { origin: 'b', after: 'a' },
      { origin: 'c', after: 'a' },
    ];
    expect(owedStatements(logs, [])).toEqual([
      { old: 'a', next: 'b' },
      { old: 'b', next: 'c', named: 'a' },
    ]);
  });
});

describe('a key', () => {
  const holder = (origin: string, over: Partial<KeyHolder>): KeyHolder => ({
    origin,
    state: OPEN,
    size: 9,
    receiptedSize: 0,
    ...over,
  });
  const settled = (...logs: readonly KeyHolder[]): boolean =>
    isSettled(logs[0]?.origin ?? '', new Map(logs.map((log) => [log.origin, log])));

  test('stays while its log is open, or anything of it waits for a receipt', () => {
    expect(settled(holder('a', { receiptedSize: 9 }))).toBe(false);
    expect(settled(holder('a', { state: closed(9), receiptedSize: 8 }))).toBe(false);
    expect(settled(holder('a', { state: closed(9), receiptedSize: 9 }))).toBe(true);
    expect(settled(holder('a', { state: closed(7), receiptedSize: 7 }))).toBe(false);
  });

  test('goes when the rest is receipted as carried, there or further on', () => {
    const old = holder('a', { state: breached(4), receiptedSize: 4, carriedTo: { origin: 'b', end: 6 } });
    expect(settled(old, holder('b', { receiptedSize: 5 }))).toBe(false);
    expect(settled(old, holder('b', { receiptedSize: 6 }))).toBe(true);
    expect(settled(old)).toBe(false);
    const passedOn = holder('b', { state: breached(2), receiptedSize: 2, carriedTo: { origin: 'c', end: 8 } });
    expect(settled(old, passedOn, holder('c', { receiptedSize: 7 }))).toBe(false);
    expect(settled(old, passedOn, holder('c', { receiptedSize: 8 }))).toBe(true);
  });
});

describe('a start', () => {
  const found = (over: Partial<Found>): Found => ({ logs: [], lost: [], unreadable: [], ...over });
  const log = (number: number, over: Partial<FoundLog> = {}): FoundLog => ({
    origin: `log-${number}`,
    number,
    state: OPEN,
    key: 'here',
    isOurs: true,
    isRotated: false,
    ...over,
  });
  const gone = (number: number): { origin: string; number: number } => ({ origin: `log-${number}`, number });

  test('goes on with the newest open log, also while its key is locked', () => {
    expect(planStart(found({ logs: [log(1, { state: closed(3) }), log(2)] }))).toEqual({ closes: [], goOn: 'log-2' });
    expect(planStart(found({ logs: [log(1, { key: 'locked' })] })).goOn).toBe('log-1');
  });

  test('opens a log when there is none', () => {
    expect(planStart(found({}))).toEqual({ closes: [], open: { cause: 'first_start' } });
  });

  test.each([
    ['key_lost', { logs: [log(1, { key: 'lost' })] }],
    ['rotation', { logs: [log(1, { isRotated: true })] }],
    ['settings', { logs: [log(1, { isOurs: false })] }],
    ['rotation', { logs: [log(1, { state: closed(3) })] }],
    ['forked', { logs: [log(1, { state: breached(3) })] }],
    ['database_lost', { lost: [gone(1)] }],
    ['quarantined', { unreadable: [gone(1)] }],
  ] as const)('opens a log after one that cannot go on: %s', (cause, over) => {
    expect(planStart(found(over)).open).toEqual({ cause, after: 'log-1' });
  });

  test('never goes on with an open log below a newer one, whatever became of that', () => {
    for (const newer of [{ lost: [gone(2)] }, { unreadable: [gone(2)] }, { logs: [log(1), log(2, { key: 'lost' })] }]) {
      const plan = planStart(found({ logs: [log(1)], ...newer }));
      expect(plan.goOn).toBeUndefined();
      expect(plan.open?.after).toBe('log-2');
      expect(plan.closes).toContainEqual({ origin: 'log-1', cause: 'rotation' });
    }
    expect(planStart(found({ logs: [log(1), log(2)] }))).toEqual({
      closes: [{ origin: 'log-1', cause: 'rotation' }],
      goOn: 'log-2',
    });
  });
});
