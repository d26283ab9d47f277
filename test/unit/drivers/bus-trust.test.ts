import { describe, expect, test } from 'vitest';
import type { Board, BoardFamily, Message } from '../../../src/edge/drivers/board-family.ts';
import { BusLine } from '../../../src/edge/drivers/bus/bus-line.ts';
import { busTiming, pollSchema } from '../../../src/edge/drivers/bus/settings.ts';
import { FrameCutter } from '../../../src/edge/drivers/frame-cutter.ts';
import { xor8a80 } from '../../../src/edge/drivers/xor-8a80/family.ts';
import { ALL_1, ALL_2, answering, changes, count, POLL, Q1, Q2, XOR_1, XOR_2 } from './bus-bench.ts';
import { bytesOf, groupReply, hexOf, type TestLine, testLine, testLineOf } from './support.ts';

const QUERY = 0xa0;
const ANSWER = 0xa1;

/** A board whose locks are asked one by one: `A0 lock sum`, answered by `A1 lock state sum`. */
function lockByLock(locks: number): { readonly family: BoardFamily; readonly board: Board } {
  const sum = (...bytes: number[]): Uint8Array =>
    Uint8Array.of(...bytes, bytes.reduce((all, byte) => all + byte) & 255);
  const poll = (lock: number) => ({
    request: sum(QUERY, lock),
    replyBytes: 4,
    interpret([kind = 0, of = 0, state = 0]: Uint8Array): Message {
      if (kind === QUERY) return { kind: of === lock ? 'echo' : 'foreign' };
      if (of !== lock) return { kind: 'other_board', address: 1 };
      return { kind: 'states', channels: [{ channel: lock, feedback: state === 1 ? 1 : 0 }] };
    },
  });
  const board: Board = {
    device: 'board-1',
    family: 'one_by_one',
    address: 1,
    channels: locks,
    polls: [poll(1), ...Array.from({ length: locks - 1 }, (_, index) => poll(index + 2))],
    unlock: {
      frame: (channel) => Uint8Array.of(0xa5, channel, 0x00),
      reply: 'none',
      replyBytes: 0,
      replyTimeoutMs: 0,
      interpret: () => ({ kind: 'foreign' }),
    },
  };
  const cutter = () =>
    new FrameCutter((window) => {
      const sizeBytes = window[0] === ANSWER ? 4 : 3;
      if (window[0] !== ANSWER && window[0] !== QUERY) return { kind: 'skip', reason: 'noise' };
      return window.length < sizeBytes ? { kind: 'more' } : { kind: 'frame', sizeBytes };
    }, 4);
  return { family: { ...xor8a80, name: 'one_by_one', cutter }, board };
}

function severalPolls(locks: number): TestLine {
  const { board, family } = lockByLock(locks);
  const timing = busTiming(pollSchema.parse({ ...POLL, cycle_ms: 300 }), 115_200);
  return testLineOf((parts) => new BusLine({ ...parts, boards: [board], families: [family], timing }));
}

function oneByOne(bench: TestLine, mute: readonly number[] = [], open: readonly number[] = []): void {
  bench.port.onWrite = ([kind, lock = 0]) => {
    if (kind !== QUERY || mute.includes(lock)) return;
    const state = open.includes(lock) ? 0 : 1;
    bench.later(5, () => bench.port.hear(Uint8Array.of(ANSWER, lock, state, (ANSWER + lock + state) & 255)));
  };
}

describe('a board that is asked by several polls', () => {
  test('each poll is asked in each cycle, and each reading has the channels of its own poll', async () => {
    const bench = severalPolls(4);
    oneByOne(bench, [], [3]);
    bench.port.become('open');
    await bench.run(3_000);
    const readings = bench.boards();
    expect(readings.length).toBeGreaterThan(4 * 8);
    const looks = readings.map(({ channels }) => `${channels[0]?.channel} ${channels[0]?.feedback} ${channels.length}`);
    expect(looks.slice(0, 8).sort()).toEqual(['1 1 1', '1 1 1', '2 1 1', '2 1 1', '3 0 1', '3 0 1', '4 1 1', '4 1 1']);
    for (const reading of readings) expect(reading.observed.upMs - (reading.askedUpMs ?? 0)).toBeLessThan(40);
  });

  test('after an unlock only the poll of that lock is asked often', async () => {
    const bench = severalPolls(4);
    oneByOne(bench);
    bench.port.become('open');
    await bench.run(3_000);
    const asked = (lock: number): number =>
      bench.port.written.filter((each) => each[0] === QUERY && each[1] === lock).length;
    const before = [1, 2].map(asked);
    void bench.line.unlock?.('board-1', 2, new AbortController().signal);
    await bench.run(3_000);
    const [one = 0, two = 0] = [1, 2].map((lock, index) => asked(lock) - (before[index] ?? 0));
    expect(one).toBeGreaterThanOrEqual(8);
    expect(two).toBeGreaterThan(2 * one);
  });

  test('a lock that is never answered for is a fault of the board; the other locks are still seen', async () => {
    const bench = severalPolls(3);
    oneByOne(bench, [2]);
    bench.port.become('open');
    await bench.run(40_000);
    expect(changes(bench, 'board-1')).toEqual(['found answered', 'faulted partly_silent']);
    const before = bench.boards().length;
    await bench.run(10_000);
    const later = bench.boards().slice(before);
    expect(new Set(later.map(({ channels }) => channels[0]?.channel))).toEqual(new Set([1, 3]));
    oneByOne(bench);
    await bench.run(10_000);
    expect(changes(bench, 'board-1').at(-1)).toBe('found answered');
  });
});

describe('a second master', () => {
  async function ready(): Promise<TestLine> {
    const bench = testLine({ devices: [XOR_1, XOR_2], poll: POLL });
    answering(bench, { [Q1]: ALL_1, [Q2]: ALL_2 });
    bench.port.become('open');
    await bench.run(5_000);
    expect(changes(bench, 'board-1')).toEqual(['found answered']);
    return bench;
  }

  test('answers that nobody here asked for: every board is at fault until it is gone, and no answer is believed', async () => {
    const bench = await ready();
    for (let time = 0; time < 10; time += 1) {
      bench.port.hear(groupReply(7, 0xff, 0xff, 0xff));
      await bench.run(1_000);
    }
    for (const device of ['board-1', 'board-2']) {
      expect(changes(bench, device)).toEqual(['found answered', 'faulted second_master']);
    }
    const before = bench.boards().length;
    bench.port.hear(groupReply(7, 0xff, 0xff, 0xff));
    await bench.run(5_000);
    expect(bench.boards()).toHaveLength(before);
    expect(bench.line.status().devices[0]).toMatchObject({
      reason: 'second_master',
      remedy: expect.stringMatching(/connection/),
    });
    await bench.run(30_000);
    expect(changes(bench, 'board-1').at(-1)).toBe('found answered');
    expect(bench.boards().length).toBeGreaterThan(before);
  });

  test('its questions, heard on the wire, show it too; and the line says how many', async () => {
    const bench = await ready();
    for (let time = 0; time < 10; time += 1) {
      bench.port.hear(bytesOf('8A 02 0C 11 95'));
      await bench.run(1_000);
    }
    expect(changes(bench, 'board-2').at(-1)).toBe('faulted second_master');
    await bench.run(60_000);
    expect(bench.lines()[0]).toMatchObject({ foreign: 10, unasked: 0 });
  });

  test('one stray frame, or what a serial server kept from before, is none', async () => {
    const bench = testLine({ devices: [XOR_1, XOR_2], poll: POLL });
    answering(bench, { [Q1]: ALL_1, [Q2]: ALL_2 });
    bench.port.become('open');
    for (let time = 0; time < 10; time += 1) bench.port.hear(groupReply(7, 0xff, 0xff, 0xff));
    await bench.run(5_000);
    bench.port.hear(groupReply(7, 0xff, 0xff, 0xff));
    await bench.run(20_000);
    expect(changes(bench, 'board-1')).toEqual(['found answered']);
    expect(count(bench, 'bus_unasked')).toBeGreaterThanOrEqual(10);
  });
});

describe('what is known of a line', () => {
  test('the settings tell how long a door can go unseen, and the readings stay below', async () => {
    const bench = testLine({ devices: [XOR_1, XOR_2], poll: POLL });
    answering(bench, { [Q1]: ALL_1, [Q2]: ALL_2 }, 90);
    bench.port.become('open');
    await bench.run(60_000);
    const { unseenMaxMs = 0, devices } = bench.line.status();
    const readings = bench.boards('board-2');
    const gaps = readings.slice(1).map((each, index) => each.observed.upMs - (readings[index]?.askedUpMs ?? 0));
    expect(gaps.length).toBeGreaterThan(100);
    const worst = Math.max(...gaps);
    expect(worst).toBeGreaterThan(POLL.cycle_ms);
    expect(worst).toBeLessThanOrEqual(unseenMaxMs);
    expect(devices[1]?.polls?.unseenWorstMs).toBe(worst);
    // Two questions of 12 bytes: 1.04 ms on the wire at 115,200 baud, each with timeout and turnaround.
    expect(unseenMaxMs).toBe(Math.ceil(500 + 2 * (100 + 10 + (12 * 10_000) / 115_200)));
  });

  test('which board is the trouble stands in the status and in the line’s own reading', async () => {
    const bench = testLine({ devices: [XOR_1, XOR_2], poll: POLL });
    let asked = 0;
    bench.port.onWrite = (request) => {
      const isFirst = hexOf(request) === Q1;
      asked += isFirst ? 1 : 0;
      if (!isFirst || asked % 4 !== 0) bench.later(5, () => bench.port.hear(isFirst ? ALL_1 : ALL_2));
    };
    bench.port.become('open');
    await bench.run(65_000);
    const [first, second] = bench.line.status().devices;
    expect(first?.polls?.recentFailuresPercent).toBeGreaterThan(20);
    expect(first?.polls?.silent).toBeGreaterThan(4);
    expect(second?.polls).toMatchObject({ silent: 0, damaged: 0, doubles: 0 });
    expect(bench.lines()[0]?.boards?.map(({ device }) => device)).toEqual(['board-1']);
  });
});
