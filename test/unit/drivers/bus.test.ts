import { describe, expect, test } from 'vitest';
import { concatBytes } from '../../../src/base/bytes.ts';
import { ALL_1, ALL_2, answering, changes, count, POLL, polls, Q1, Q2, XOR_1, XOR_2 } from './bus-bench.ts';
import { bytesOf, groupReply, hexOf, kerongReply, testLine } from './support.ts';

const KERONG_3 = { driver: 'kerong_cu16', name: 'board-3', address: 3 } as const;

describe('a bus of lock boards', () => {
  test('asks each board once per cycle and reports every sound answer with when it was asked', async () => {
    const bench = testLine({ devices: [XOR_1, XOR_2], poll: POLL });
    answering(bench, { [Q1]: ALL_1, [Q2]: groupReply(2, 0xff, 0xff, 0xfe) });
    bench.port.become('open');
    await bench.run(5_000);
    expect(changes(bench, 'board-1')).toEqual(['found answered']);
    expect(bench.boards('board-1').length).toBeGreaterThanOrEqual(9);
    const last = bench.boards('board-2').at(-1);
    expect(last?.channels.find((channel) => channel.feedback === 0)?.channel).toBe(1);
    expect(last?.channels).toHaveLength(24);
    expect((last?.observed.upMs ?? 0) - (last?.askedUpMs ?? 0)).toBe(5);
    expect(bench.line.status()).toMatchObject({ state: 'open', cycleMs: 500 });
    expect(polls(bench, Q1)).toBeLessThanOrEqual(12);
  });

  test('boards of two families share one port', async () => {
    const bench = testLine({ devices: [XOR_1, KERONG_3], poll: POLL });
    answering(bench, { [Q1]: ALL_1, '02 30 30 03 65': kerongReply(3, 0x0303, 0x0302) });
    bench.port.become('open');
    await bench.run(3_300);
    expect(bench.boards('board-1').length).toBeGreaterThanOrEqual(4);
    expect(bench.boards('board-3').length).toBeGreaterThanOrEqual(4);
    expect(bench.devices().map((reading) => reading.state)).toEqual(['found', 'found']);
  });

  test('the first answer after opening is not reported: it may have waited in a buffer', async () => {
    const bench = testLine({ devices: [XOR_1], poll: POLL });
    answering(bench, { [Q1]: ALL_1 });
    bench.port.become('open');
    await bench.run(60);
    expect(changes(bench, 'board-1')).toEqual(['found answered']);
    expect(bench.boards()).toHaveLength(0);
    await bench.run(200);
    expect(bench.boards()).toHaveLength(1);
  });

  test('one request at a time, and silence of the turnaround time before each', async () => {
    const bench = testLine({ devices: [XOR_1, XOR_2], poll: POLL });
    const spoken: { readonly atMs: number; readonly who: string }[] = [];
    bench.port.onWrite = (request) => {
      spoken.push({ atMs: bench.scheduler.monotonicMs(), who: hexOf(request) });
      const reply = hexOf(request) === Q1 ? ALL_1 : ALL_2;
      bench.later(30, () => {
        spoken.push({ atMs: bench.scheduler.monotonicMs(), who: 'board' });
        bench.port.hear(reply);
      });
    };
    bench.port.become('open');
    await bench.run(4_000);
    const pairs = spoken.slice(1).map((now, index) => ({ now, before: spoken[index] }));
    for (const { now, before } of pairs) {
      if (now.who === 'board') expect(before?.who).not.toBe('board');
      else {
        expect(before?.who).toBe('board');
        expect(now.atMs - (before?.atMs ?? 0)).toBeGreaterThanOrEqual(10);
      }
    }
    expect(pairs.length).toBeGreaterThan(20);
  });

  test('a board that stops answering is lost once, with its last answer, and found again', async () => {
    const bench = testLine({ devices: [XOR_1, XOR_2], poll: POLL });
    answering(bench, { [Q1]: ALL_1, [Q2]: ALL_2 });
    bench.port.become('open');
    await bench.run(3_300);
    const lastSeen = bench.boards('board-1').at(-1)?.observed.upMs;
    answering(bench, { [Q2]: ALL_2 });
    await bench.run(20_000);
    expect(changes(bench, 'board-1')).toEqual(['found answered', 'lost no_reply']);
    expect(bench.devices('board-1').at(-1)?.lastAnswerUpMs).toBe(lastSeen);
    answering(bench, { [Q1]: ALL_1, [Q2]: ALL_2 });
    await bench.run(12_000);
    expect(changes(bench, 'board-1')).toEqual(['found answered', 'lost no_reply', 'found answered']);
    expect(bench.devices('board-1').at(-1)?.lastAnswerUpMs).toBe(lastSeen);
    expect(changes(bench, 'board-2')).toEqual(['found answered']);
  });

  test('fourteen dead boards do not slow the two that live', async () => {
    const dead = Array.from({ length: 14 }, (_, index) => ({ ...XOR_1, name: `dead-${index}`, address: 10 + index }));
    const bench = testLine({ devices: [XOR_1, ...dead, XOR_2], poll: POLL });
    answering(bench, { [Q1]: ALL_1, [Q2]: ALL_2 });
    bench.port.become('open');
    await bench.run(10_000);
    const before = bench.boards('board-1').length;
    await bench.run(60_000);
    const readings = bench.boards('board-1').slice(before);
    expect(readings.length).toBeGreaterThanOrEqual(115);
    const gaps = readings
      .slice(1)
      .map((reading, index) => reading.observed.upMs - (readings[index]?.observed.upMs ?? 0));
    expect(Math.max(...gaps)).toBeLessThanOrEqual(510);
    expect(bench.devices().filter((reading) => reading.state === 'lost')).toHaveLength(14);
  });

  test('an answer after the timeout is taken neither for another board nor for the next question', async () => {
    const bench = testLine({ devices: [XOR_1, XOR_2], poll: POLL });
    answering(bench, { [Q1]: ALL_1, [Q2]: ALL_2 });
    bench.port.become('open');
    await bench.run(3_300);
    const before = bench.boards('board-1').length;
    const late = groupReply(1, 0xff, 0xff, 0x00);
    bench.port.onWrite = (request) => {
      if (hexOf(request) === Q2) bench.later(5, () => bench.port.hear(ALL_2));
      else {
        // Late by more than the timeout once; then prompt, with another state.
        bench.later(180, () => bench.port.hear(late));
        answering(bench, { [Q1]: ALL_1, [Q2]: ALL_2 });
      }
    };
    await bench.run(5_000);
    expect(count(bench, 'bus_late')).toBe(1);
    const after = bench.boards('board-1').slice(before);
    expect(after.length).toBeGreaterThan(3);
    for (const reading of bench.boards())
      expect(reading.channels.every((channel) => channel.feedback === 1)).toBe(true);
    expect(changes(bench, 'board-1')).toEqual(['found answered']);
  });

  test.each([150, 300, 700, 1_000, 1_115, 1_500, 1_999, 2_015, 2_150, 2_510, 3_000, 4_035, 6_000])(
    'a board that is always %i ms late gives no reading at all',
    async (lateMs) => {
      const bench = testLine({ devices: [XOR_1, XOR_2], poll: POLL });
      bench.port.onWrite = (request) => {
        if (hexOf(request) === Q2) bench.later(5, () => bench.port.hear(ALL_2));
        else bench.later(lateMs, () => bench.port.hear(ALL_1));
      };
      bench.port.become('open');
      await bench.run(60_000);
      expect(bench.boards('board-1')).toEqual([]);
      expect(bench.boards('board-2').length).toBeGreaterThan(50);
      expect(bench.devices('board-2').map((reading) => reading.state)).toEqual(['found']);
    },
  );

  test('echo of the own request is dropped and counted, and never an answer', async () => {
    const bench = testLine({ devices: [XOR_1], poll: POLL });
    bench.port.onWrite = (request) => bench.port.hear(request);
    bench.port.become('open');
    await bench.run(8_000);
    expect(bench.boards()).toEqual([]);
    expect(changes(bench, 'board-1')).toEqual(['lost no_reply']);
    const echoes = count(bench, 'line_echoes');
    expect(echoes).toBe(polls(bench, Q1));
    bench.port.onWrite = (request) => {
      bench.port.hear(request);
      bench.later(5, () => bench.port.hear(ALL_1));
    };
    await bench.run(12_000);
    expect(bench.boards().length).toBeGreaterThan(10);
    expect(count(bench, 'line_echoes')).toBeGreaterThan(echoes + 10);
    expect(count(bench, 'line_noise_bytes')).toBe(0);
  });

  test('an answer that begins like the request counts only on a line known to give no echo', async () => {
    const ambiguous = groupReply(1, 0x00, 0x33, 0xb2);
    const unknown = testLine({ devices: [XOR_1], poll: POLL });
    answering(unknown, { [Q1]: ambiguous });
    unknown.port.become('open');
    await unknown.run(5_000);
    expect(unknown.boards()).toEqual([]);
    expect(count(unknown, 'bus_ambiguous')).toBeGreaterThan(3);

    const known = testLine({ devices: [XOR_1], poll: POLL });
    answering(known, { [Q1]: ALL_1 });
    known.port.become('open');
    await known.run(3_000);
    answering(known, { [Q1]: ambiguous });
    await known.run(3_000);
    expect(
      known
        .boards()
        .at(-1)
        ?.channels.filter((channel) => channel.feedback === 1),
    ).toHaveLength(8);
    expect(count(known, 'bus_ambiguous')).toBe(0);

    const echoing = testLine({ devices: [XOR_1], poll: POLL });
    echoing.port.onWrite = (request) => echoing.port.hear(concatBytes(request, bytesOf('33 33')));
    echoing.port.become('open');
    await echoing.run(5_000);
    expect(echoing.boards()).toEqual([]);
  });
});
