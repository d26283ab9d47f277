import { describe, expect, test } from 'vitest';
import { concatBytes } from '../../../src/base/bytes.ts';
import { ALL_1, ALL_2, answering, changes, count, POLL, polls, Q1, Q2, XOR_1, XOR_2 } from './bus-bench.ts';
import { bytesOf, groupReply, hexOf, testLine } from './support.ts';

describe('faults on a bus of lock boards', () => {
  test('two answers to one question: the address is held by two boards, and neither is believed', async () => {
    const bench = testLine({ devices: [XOR_1, XOR_2], poll: POLL });
    answering(bench, { [Q1]: ALL_1, [Q2]: ALL_2 });
    bench.port.become('open');
    await bench.run(2_300);
    const before = bench.boards('board-1').length;
    answering(bench, { [Q1]: concatBytes(ALL_1, groupReply(1, 0xff, 0xff, 0xfe)), [Q2]: ALL_2 });
    await bench.run(4_000);
    expect(bench.boards('board-1')).toHaveLength(before);
    expect(changes(bench, 'board-1')).toEqual(['found answered', 'faulted duplicate_address']);
    expect(bench.boards('board-2').length).toBeGreaterThan(before);
    // The second board is taken away: it takes several clean answers until the first is believed again.
    answering(bench, { [Q1]: ALL_1, [Q2]: ALL_2 });
    await bench.run(10_000);
    expect(changes(bench, 'board-1').at(-1)).toBe('found answered');
    expect(bench.boards('board-1').length).toBeGreaterThan(before);
  });

  test('a second answer that comes in the next question is noticed too', async () => {
    const bench = testLine({ devices: [XOR_1, XOR_2], poll: POLL });
    answering(bench, { [Q1]: ALL_1, [Q2]: ALL_2 });
    bench.port.become('open');
    await bench.run(2_300);
    bench.port.onWrite = (request) => {
      if (hexOf(request) === Q2) bench.later(25, () => bench.port.hear(ALL_2));
      else {
        bench.later(5, () => bench.port.hear(ALL_1));
        bench.later(30, () => bench.port.hear(groupReply(1, 0xff, 0xff, 0xfe)));
      }
    };
    await bench.run(4_000);
    expect(changes(bench, 'board-1').at(-1)).toBe('faulted duplicate_address');
    expect(changes(bench, 'board-2')).toEqual(['found answered']);
    for (const reading of bench.boards('board-2'))
      expect(reading.channels.every((channel) => channel.feedback === 1)).toBe(true);
  });

  test('two boards that answer on top of each other are a duplicate address as well', async () => {
    const bench = testLine({ devices: [XOR_1], poll: POLL });
    const [a, b] = [ALL_1, groupReply(1, 0xff, 0xff, 0xfe)];
    const tangled = Uint8Array.from([...a].flatMap((byte, index) => [byte, b[index] ?? 0]));
    answering(bench, { [Q1]: tangled });
    bench.port.become('open');
    await bench.run(6_000);
    expect(bench.boards()).toEqual([]);
    expect(changes(bench, 'board-1')).toEqual(['faulted duplicate_address']);
  });

  test('answers that are always damaged are a fault, not silence', async () => {
    const bench = testLine({ devices: [XOR_1], poll: POLL });
    const damaged = Uint8Array.from(ALL_1);
    damaged[6] = 0x4c;
    answering(bench, { [Q1]: damaged });
    bench.port.become('open');
    await bench.run(6_000);
    expect(bench.boards()).toEqual([]);
    expect(changes(bench, 'board-1')).toEqual(['faulted damaged']);
    expect(count(bench, 'line_checksum_errors')).toBeGreaterThan(4);
  });

  test('a board with other channels than configured is a fault', async () => {
    const bench = testLine({ devices: [XOR_1], poll: POLL });
    answering(bench, { [Q1]: groupReply(1, 0xff, 0xff, 0xff, 0xff) });
    bench.port.become('open');
    await bench.run(4_000);
    expect(bench.boards()).toEqual([]);
    expect(changes(bench, 'board-1')).toEqual(['faulted wrong_channels']);
  });

  test('a spontaneous report brings a poll at once, and no reading of its own', async () => {
    const bench = testLine({ devices: [XOR_1], poll: { ...POLL, cycle_ms: 10_000 } });
    answering(bench, { [Q1]: ALL_1 });
    bench.port.become('open');
    await bench.run(1_000);
    const before = { readings: bench.boards().length, polls: polls(bench, Q1) };
    bench.port.hear(bytesOf('81 01 01 00 81'));
    await bench.run(1);
    expect(bench.boards()).toHaveLength(before.readings);
    await bench.run(500);
    expect(count(bench, 'bus_hints')).toBe(1);
    expect(polls(bench, Q1)).toBeGreaterThan(before.polls);
  });

  test('a spontaneous report in mid cycle is answered by a poll within a tenth of a second', async () => {
    const bench = testLine({ devices: [XOR_1], poll: { ...POLL, cycle_ms: 10_000 } });
    answering(bench, { [Q1]: ALL_1 });
    bench.port.become('open');
    await bench.run(1_000);
    const before = polls(bench, Q1);
    bench.port.hear(bytesOf('81 01 01 00 81'));
    await bench.run(100);
    expect(polls(bench, Q1)).toBe(before + 1);
  });

  test('an answer among noise is not believed; a byte or two of turnaround noise is', async () => {
    const bench = testLine({ devices: [XOR_1], poll: POLL });
    answering(bench, { [Q1]: concatBytes(bytesOf('00 FF'), ALL_1) });
    bench.port.become('open');
    await bench.run(3_300);
    const before = bench.boards().length;
    expect(before).toBeGreaterThan(3);
    answering(bench, { [Q1]: concatBytes(new Uint8Array(20).fill(0x55), ALL_1) });
    await bench.run(2_300);
    expect(bench.boards()).toHaveLength(before);
    expect(count(bench, 'bus_noisy_answers')).toBeGreaterThan(2);
  });

  test('a line that is never quiet is said to babble, once, and heals', async () => {
    const bench = testLine({ devices: [XOR_1, XOR_2], poll: POLL });
    answering(bench, { [Q1]: ALL_1, [Q2]: ALL_2 });
    bench.port.become('open');
    await bench.run(2_300);
    for (let time = 0; time < 20_000; time += 4) {
      bench.port.hear(Uint8Array.of(0x55));
      await bench.run(4);
    }
    for (const device of ['board-1', 'board-2']) {
      expect(changes(bench, device).slice(0, 2)).toEqual(['found answered', 'faulted babbling']);
    }
    await bench.run(15_000);
    for (const device of ['board-1', 'board-2']) expect(changes(bench, device).at(-1)).toBe('found answered');
  });

  test('a lost port loses each board once; answers of before it are not reported', async () => {
    const bench = testLine({ devices: [XOR_1, XOR_2], poll: POLL });
    answering(bench, { [Q1]: ALL_1, [Q2]: ALL_2 });
    bench.port.become('open');
    await bench.run(2_300);
    const before = bench.boards().length;
    bench.port.become('lost');
    bench.port.hear(ALL_1);
    await bench.run(3_300);
    expect(changes(bench, 'board-1')).toEqual(['found answered', 'lost port_lost']);
    expect(bench.boards()).toHaveLength(before);
    bench.port.become('open');
    await bench.run(1_000);
    expect(changes(bench, 'board-2')).toEqual(['found answered', 'lost port_lost', 'found answered']);
    expect(bench.boards().length).toBeGreaterThan(before);
  });

  test('a port that never opens loses its boards at once', async () => {
    const bench = testLine({ devices: [XOR_1], poll: POLL });
    const first = bench.line.firstAttempt();
    bench.port.become('lost', 'no such device', 'PORT_UNAVAILABLE');
    await first;
    expect(changes(bench, 'board-1')).toEqual(['lost port_lost']);
  });

  test('a port that another process holds is refused by name', async () => {
    const bench = testLine({ devices: [XOR_1], poll: POLL });
    bench.port.become('lost', 'it is held by another process', 'PORT_BUSY');
    await expect(bench.line.firstAttempt()).rejects.toMatchObject({ code: 'PORT_BUSY' });
  });

  test('a line without any life is opened anew, ever more rarely', async () => {
    const bench = testLine({ devices: [XOR_1], poll: { ...POLL, liveness_ms: 15_000 } });
    bench.port.become('open');
    await bench.run(130_000, 5);
    expect(bench.port.reopened.length).toBeGreaterThanOrEqual(3);
    expect(bench.port.reopened.length).toBeLessThanOrEqual(4);
    expect(changes(bench, 'board-1')).toEqual(['lost no_reply']);
  });

  test('a failed write claims nothing about the board', async () => {
    const bench = testLine({ devices: [XOR_1], poll: POLL });
    answering(bench, { [Q1]: ALL_1 });
    bench.port.become('open');
    await bench.run(2_300);
    bench.port.writeFails = true;
    await bench.run(3_300);
    bench.port.writeFails = false;
    await bench.run(2_300);
    expect(changes(bench, 'board-1')).toEqual(['found answered']);
  });

  test('what goes wrong is counted in one reading a minute, and a sound line says nothing', async () => {
    const bench = testLine({ devices: [XOR_1], poll: POLL });
    answering(bench, { [Q1]: ALL_1 });
    bench.port.become('open');
    await bench.run(150_000, 5);
    expect(bench.lines()).toEqual([]);
    bench.port.hear(new Uint8Array(50).fill(0x55));
    await bench.run(150_000, 5);
    expect(bench.lines()).toHaveLength(1);
    expect(bench.lines()[0]).toMatchObject({ port: 'bank', noiseBytes: 50, sinceUpMs: 0 });
    expect(bench.lines()[0]?.frames).toBeGreaterThan(300);
  });

  test('after stop nothing is asked and the port is closed', async () => {
    const bench = testLine({ devices: [XOR_1], poll: POLL });
    answering(bench, { [Q1]: ALL_1 });
    bench.port.become('open');
    await bench.run(2_300);
    await bench.line.stop();
    const asked = bench.port.written.length;
    await bench.run(5_000);
    expect(bench.port.written).toHaveLength(asked);
    expect(bench.port.state).toBe('closed');
    expect(bench.scheduler.pending).toBe(0);
  });
});
