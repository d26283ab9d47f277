import { describe, expect, test } from 'vitest';
import { LatchkeyError } from '../../../src/base/errors.ts';
import { ManualScheduler } from '../../../src/base/manual-scheduler.ts';
import type { OutboxLog, ReceiptAnswer } from '../../../src/edge/contracts/outbox.ts';
import { ReceiptWatch, unsendableLogs } from '../../../src/edge/uplink/health.ts';
import { RetainedMemory } from '../../../src/edge/uplink/memory.ts';
import { ReceiptQueue } from '../../../src/edge/uplink/receipt-queue.ts';
import { limitsOf, uplinkSettingsSchema } from '../../../src/edge/uplink/settings.ts';
import { type AckEntry, AckWindow } from '../../../src/platform/mqtt/ack-window.ts';

describe('the acknowledgement window', () => {
  function windowOf(capacity: number) {
    const scheduler = new ManualScheduler();
    let stuck = 0;
    const window = new AckWindow(scheduler, 1_000, () => {
      stuck += 1;
    });
    window.open(capacity);
    const sent: AckEntry[] = [];
    const add = (signal?: AbortSignal): Promise<unknown> =>
      window.add((entry) => void sent.push(entry), signal).catch((error) => error.code ?? error.message);
    return { scheduler, window, sent, add, stuck: () => stuck };
  }

  test('a slow line is not a dead one: only the oldest runs against the clock, from when it became the oldest', () => {
    const { scheduler, sent, add, stuck } = windowOf(10);
    for (let i = 0; i < 10; i += 1) void add();
    for (const entry of sent) {
      scheduler.advance(900);
      entry.resolve(0);
    }
    expect({ elapsed: scheduler.monotonicMs(), stuck: stuck() }).toEqual({ elapsed: 9_000, stuck: 0 });
    scheduler.advance(10_000);
    expect(stuck()).toBe(0);
  });

  test('answers to younger ones do not help the oldest', () => {
    const { scheduler, sent, add, stuck } = windowOf(10);
    for (let i = 0; i < 4; i += 1) void add();
    for (const entry of sent.slice(1)) {
      scheduler.advance(300);
      entry.resolve(0);
    }
    scheduler.advance(100);
    expect(stuck()).toBe(1);
  });

  test('one that timed out says so, the end of a connection is another thing', async () => {
    for (const [late, code] of [
      [true, 'TIMED_OUT'],
      [false, 'BROKER_UNREACHABLE'],
    ] as const) {
      const { scheduler, window, add } = windowOf(1);
      const fates = [add(), add()];
      if (late) scheduler.advance(1_000);
      window.close(new LatchkeyError('BROKER_UNREACHABLE', 'gone'));
      expect(await Promise.all(fates)).toEqual([code, code]);
      expect(await add()).toBe('BROKER_UNREACHABLE');
    }
  });

  test('one that was given up while it waited is never sent; one on its way keeps its place', async () => {
    const { sent, add } = windowOf(1);
    const flying = new AbortController();
    const waiting = new AbortController();
    const fates = [add(flying.signal), add(waiting.signal), add()];
    flying.abort(new Error('no more'));
    waiting.abort(new Error('no more'));
    expect(await fates[0]).toBe('no more');
    expect(await fates[1]).toBe('no more');
    expect(sent).toHaveLength(1);
    sent[0]?.resolve(0);
    expect(sent).toHaveLength(2);
    sent[1]?.resolve(16);
    expect(await fates[2]).toBe(16);
  });
});

describe('the retained memory', () => {
  test('keeps the newest of a name, and an empty message means gone', () => {
    const memory = new RetainedMemory();
    memory.offer('checkpoint', 'checkpoint/1-a', Uint8Array.of(1));
    memory.offer('checkpoint', 'checkpoint/1-a', Uint8Array.of(2));
    memory.offer('receipt', 'receipt/1-a/b', Uint8Array.of(3));
    expect(memory.messages()).toEqual([
      { name: 'checkpoint/1-a', payload: Uint8Array.of(2) },
      { name: 'receipt/1-a/b', payload: Uint8Array.of(3) },
    ]);
    memory.offer('checkpoint', 'checkpoint/1-a', new Uint8Array(0));
    expect(memory.messages(['checkpoint'])).toEqual([]);
    memory.clear();
    expect(memory.messages()).toEqual([]);
  });

  test('a flood of one kind pushes out nothing, least of all another kind', () => {
    const memory = new RetainedMemory();
    for (let i = 0; i < 300; i += 1) {
      expect(memory.offer('receipt', `receipt/${i}`, Uint8Array.of(1))).toBe(i < 256);
    }
    expect(memory.offer('receipt', 'receipt/0', Uint8Array.of(2))).toBe(true);
    expect(memory.offer('checkpoint', 'checkpoint/1-a', Uint8Array.of(1))).toBe(true);
    expect(memory.offer('checkpoint', 'checkpoint/2-a', new Uint8Array(16_385))).toBe(false);
    expect(memory.offer('enrolment', 'enrolment', new Uint8Array(65_536))).toBe(true);
    expect(memory.offer('enrolment', 'enrolment', new Uint8Array(65_537))).toBe(false);
    expect(memory.messages()).toHaveLength(258);
  });
});

describe('the receipt queue', () => {
  test('stores one at a time, in order, goes on after a failure, and holds a flood back', async () => {
    const open: ((answer: ReceiptAnswer) => void)[] = [];
    const done: string[] = [];
    const queue = new ReceiptQueue({
      take: (name) =>
        name === 'r1' ? Promise.reject(new Error('disk')) : new Promise((resolve) => open.push(resolve)),
      answered: (name, answer) => void done.push(`${name} ${answer}`),
      failed: (name) => void done.push(`${name} failed`),
    });
    const waits = Array.from({ length: 70 }, (_, i) => queue.push(`r${i}`, new Uint8Array(1)));
    expect(waits.findIndex((wait) => wait !== undefined)).toBe(64);
    expect(open).toHaveLength(1);
    let resumed = false;
    void waits[69]?.then(() => {
      resumed = true;
    });
    for (let i = 0; i < 200 && done.length < 6; i += 1) {
      open.shift()?.('progress');
      await Promise.resolve();
    }
    expect(done.slice(0, 4)).toEqual(['r0 progress', 'r1 failed', 'r2 progress', 'r3 progress']);
    for (let i = 0; i < 2_000 && done.length < 70; i += 1) {
      open.shift()?.('known');
      await Promise.resolve();
    }
    expect({ done: done.length, resumed, size: queue.size }).toEqual({ done: 70, resumed: true, size: 0 });
  });
});

describe('the receipt watch', () => {
  const log = (noteSize: number, receiptedSize: number): OutboxLog[] => [
    { origin: 'a', state: 'open', noteSize, receiptedSize, progressSize: receiptedSize },
  ];

  test('stalls only while entries wait, counted from the last receipt or from when they began to wait', () => {
    const watch = new ReceiptWatch();
    watch.update(log(10, 10), 0);
    expect({ stalled: watch.stalled(1e9, 30_000), age: watch.receiptAgeMs(5) }).toEqual({
      stalled: false,
      age: undefined,
    });
    watch.update(log(11, 10), 1_000_000);
    expect(watch.stalled(1_030_000, 30_000)).toBe(false);
    expect(watch.stalled(1_030_001, 30_000)).toBe(true);
    watch.update(log(20, 15), 1_040_000);
    expect(watch.stalled(1_070_000, 30_000)).toBe(false);
    expect(watch.receiptAgeMs(1_070_000)).toBe(30_000);
    expect(watch.stalled(1_070_001, 30_000)).toBe(true);
    watch.update(log(20, 20), 1_080_000);
    expect({ stalled: watch.stalled(9e9, 30_000), waiting: watch.waiting }).toEqual({ stalled: false, waiting: 0 });
  });

  test('a log that vanished is no receipt', () => {
    const watch = new ReceiptWatch();
    watch.update([...log(10, 0), { origin: 'b', state: 'open', noteSize: 5, receiptedSize: 3, progressSize: 3 }], 0);
    watch.update([{ origin: 'b', state: 'open', noteSize: 5, receiptedSize: 3, progressSize: 3 }], 10);
    expect({ age: watch.receiptAgeMs(20), waiting: watch.waiting }).toEqual({ age: undefined, waiting: 2 });
  });
});

test('only a closed log that owes something and has no note is passed over: of the open one a note may still come', () => {
  const log = (origin: string, state: 'open' | 'closed', noteSize: number, receiptedSize: number): OutboxLog => {
    return { origin, state, noteSize, receiptedSize, progressSize: receiptedSize };
  };
  const logs = [
    log('lost', 'closed', 9, 4),
    log('noted', 'closed', 9, 4),
    log('done', 'closed', 9, 9),
    log('open', 'open', 9, 4),
  ];
  expect(unsendableLogs(logs, (origin) => origin === 'noted')).toEqual([{ origin: 'lost', entries: 5 }]);
});

test('the default settings are those of the formats: 10 s of quiet, 30 s without receipts, one rewind in 10 s', () => {
  expect(limitsOf(uplinkSettingsSchema.parse({}))).toMatchObject({
    memoryQuietMs: 10_000,
    stallMs: 30_000,
    requestIntervalMs: 10_000,
  });
});
