import { describe, expect, test } from 'vitest';
import { concatBytes } from '../../../src/base/bytes.ts';
import type { UnlockAnswer } from '../../../src/edge/drivers/line.ts';
import { ALL_1, ALL_2, answering, count, POLL, polls, Q1, Q2, XOR_1, XOR_2 } from './bus-bench.ts';
import { bytesOf, groupReply, hexOf, type TestLine, testLine } from './support.ts';

/** Published: unlock of board 1, channel 1, and a reply of the same family. */
const UNLOCK = '8A 01 01 11 9B';
const REPLY = bytesOf('8A 01 01 00 8A');
const OPEN_1 = groupReply(1, 0xff, 0xff, 0xfe);
const NEVER = new AbortController().signal;

interface Opening {
  readonly answer: () => UnlockAnswer | undefined;
}

function unlock(bench: TestLine, device = 'board-1', channel = 1, signal = NEVER): Opening {
  let answer: UnlockAnswer | undefined;
  void bench.line.unlock?.(device, channel, signal).then((given) => {
    answer = given;
  });
  return { answer: () => answer };
}

async function twoBoards(reply: 'none' | 'at_once' | 'late' | 'echo', echo: 'auto' | 'on' | 'off' = 'auto') {
  const bench = testLine({
    devices: [{ ...XOR_1, unlock_reply: reply }, XOR_2],
    poll: { ...POLL, echo },
  });
  answering(bench, { [Q1]: ALL_1, [Q2]: ALL_2 });
  bench.port.become('open');
  await bench.run(3_000);
  expect(bench.boards('board-1').length).toBeGreaterThan(2);
  return bench;
}

/** Which frames left from now on, each with its time. */
function recording(bench: TestLine, replies: Readonly<Record<string, readonly [number, Uint8Array]>>) {
  const left: { readonly hex: string; readonly atMs: number }[] = [];
  bench.port.onWrite = (request) => {
    const hex = hexOf(request);
    left.push({ hex, atMs: bench.scheduler.monotonicMs() });
    const reply = replies[hex];
    if (reply !== undefined) bench.later(reply[0], () => bench.port.hear(reply[1]));
  };
  return left;
}

describe('an unlock on the bus', () => {
  test('leaves once, between two questions; its board is asked at once and often, and the other does not starve', async () => {
    const bench = await twoBoards('at_once');
    const left = recording(bench, { [UNLOCK]: [40, REPLY], [Q1]: [5, ALL_1], [Q2]: [5, ALL_2] });
    const opening = unlock(bench);
    await bench.run(2_000);
    expect(opening.answer()).toMatchObject({ kind: 'sent', reply: 'accepted' });
    expect(left.filter(({ hex }) => hex === UNLOCK)).toHaveLength(1);
    const sent = left.findIndex(({ hex }) => hex === UNLOCK);
    expect(left[sent + 1]?.hex).toBe(Q1);
    expect((left[sent + 1]?.atMs ?? 0) - (left[sent]?.atMs ?? 0)).toBeLessThan(40 + 3 * POLL.turnaround_ms);
    expect(left.filter(({ hex }) => hex === Q1).length).toBeGreaterThan(15);
    expect(left.filter(({ hex }) => hex === Q2).length).toBeGreaterThanOrEqual(3);
  });

  test('the eager questions end soon after the lock is seen to change, and by themselves when it never does', async () => {
    const bench = await twoBoards('none');
    answering(bench, { [Q1]: OPEN_1, [Q2]: ALL_2 });
    unlock(bench);
    await bench.run(1_500);
    const before = polls(bench, Q1);
    await bench.run(2_000);
    expect(polls(bench, Q1) - before).toBeLessThanOrEqual(5);
    unlock(bench);
    await bench.run(2_000);
    const eager = polls(bench, Q1);
    await bench.run(2_000);
    expect(polls(bench, Q1) - eager).toBeGreaterThan(15);
    await bench.run(1_500);
    const calm = polls(bench, Q1);
    await bench.run(2_000);
    expect(polls(bench, Q1) - calm).toBeLessThanOrEqual(5);
  });

  test('where no reply is expected none is waited for', async () => {
    const bench = await twoBoards('none');
    const opening = unlock(bench);
    await bench.run(100);
    expect(opening.answer()).toMatchObject({ kind: 'sent', reply: 'none_expected' });
  });

  test('a late reply holds the line quiet until it came; one that does not come is missing', async () => {
    const bench = await twoBoards('late');
    const left = recording(bench, { [UNLOCK]: [1_000, REPLY], [Q1]: [5, ALL_1], [Q2]: [5, ALL_2] });
    const opening = unlock(bench);
    await bench.run(900);
    expect(left.at(-1)?.hex).toBe(UNLOCK);
    await bench.run(300);
    expect(opening.answer()).toMatchObject({ kind: 'sent', reply: 'accepted' });
    recording(bench, { [Q1]: [5, ALL_1], [Q2]: [5, ALL_2] });
    const silent = unlock(bench);
    await bench.run(6_000);
    expect(silent.answer()).toMatchObject({ kind: 'sent', reply: 'missing' });
  });

  test('a reply with the bytes of the request counts only on a line that is known to give no echo, or behind one', async () => {
    for (const [echo, replies, word] of [
      ['off', 1, 'accepted'],
      ['off', 0, 'missing'],
      ['off', 2, 'ambiguous'],
      ['auto', 1, 'accepted'],
      ['on', 1, 'missing'],
      ['on', 2, 'accepted'],
      ['on', 3, 'ambiguous'],
    ] as const) {
      const bench = await twoBoards('echo', echo);
      const frames = concatBytes(...Array.from({ length: replies }, () => bytesOf(UNLOCK)));
      recording(bench, { ...(replies > 0 && { [UNLOCK]: [20, frames] }), [Q1]: [5, ALL_1], [Q2]: [5, ALL_2] });
      const opening = unlock(bench);
      await bench.run(1_000);
      expect(opening.answer(), `${echo} ${replies}`).toMatchObject({ kind: 'sent', reply: word });
    }
  });

  test('two replies are ambiguous', async () => {
    const bench = await twoBoards('at_once');
    recording(bench, { [UNLOCK]: [20, concatBytes(REPLY, REPLY)], [Q1]: [5, ALL_1], [Q2]: [5, ALL_2] });
    const opening = unlock(bench);
    await bench.run(1_000);
    expect(opening.answer()).toMatchObject({ kind: 'sent', reply: 'ambiguous' });
  });

  test('what left is unknown after a failed write, and it is not repeated', async () => {
    const bench = await twoBoards('none');
    bench.port.writeFails = true;
    const opening = unlock(bench);
    await bench.run(1_000);
    expect(opening.answer()).toMatchObject({ kind: 'sent', reply: 'missing' });
    bench.port.writeFails = false;
    const left = recording(bench, { [Q1]: [5, ALL_1], [Q2]: [5, ALL_2] });
    await bench.run(5_000);
    expect(left.length).toBeGreaterThan(10);
    expect(left.filter(({ hex }) => hex === UNLOCK)).toEqual([]);
  });

  test('the port is lost while the reply is waited for: sent, missing, and not repeated when it is back', async () => {
    const bench = await twoBoards('late');
    const left = recording(bench, { [Q1]: [5, ALL_1], [Q2]: [5, ALL_2] });
    const opening = unlock(bench);
    await bench.run(300);
    expect(left.at(-1)?.hex).toBe(UNLOCK);
    bench.port.become('lost');
    await bench.run(100);
    expect(opening.answer()).toMatchObject({ kind: 'sent', reply: 'missing' });
    bench.port.become('open');
    await bench.run(5_000);
    expect(left.filter(({ hex }) => hex === UNLOCK)).toHaveLength(1);
  });

  test('what cannot leave is refused for certain', async () => {
    const bench = await twoBoards('none');
    const aborted = new AbortController();
    aborted.abort();
    const answers = [
      unlock(bench, 'board-9'),
      unlock(bench, 'board-1', 25),
      unlock(bench, 'board-1', 0),
      unlock(bench, 'board-1', 1, aborted.signal),
    ];
    bench.port.become('lost');
    const away = unlock(bench);
    await bench.run(100);
    expect([...answers, away].map(({ answer }) => answer())).toEqual([
      { kind: 'not_sent', reason: 'unknown_device' },
      { kind: 'not_sent', reason: 'unknown_channel' },
      { kind: 'not_sent', reason: 'unknown_channel' },
      { kind: 'not_sent', reason: 'stopped' },
      { kind: 'not_sent', reason: 'port_not_open' },
    ]);
    expect(bench.port.written.filter((bytes) => hexOf(bytes) === UNLOCK)).toEqual([]);
  });

  test('an order that is called off while it waits never leaves; so it is when the line stops', async () => {
    const bench = await twoBoards('late');
    recording(bench, { [Q1]: [5, ALL_1], [Q2]: [5, ALL_2] });
    const first = unlock(bench);
    await bench.run(300);
    const calledOff = new AbortController();
    const second = unlock(bench, 'board-1', 2, calledOff.signal);
    const third = unlock(bench, 'board-1', 3);
    calledOff.abort();
    await bench.run(1);
    expect(second.answer()).toEqual({ kind: 'not_sent', reason: 'stopped' });
    await bench.line.stop();
    await bench.run(1);
    expect(first.answer()).toMatchObject({ kind: 'sent', reply: 'missing' });
    expect(third.answer()).toEqual({ kind: 'not_sent', reason: 'stopped' });
    expect(bench.port.written.filter((bytes) => bytes[0] === 0x8a)).toHaveLength(1);
  });

  test('on a line that never falls silent nothing is sent', async () => {
    const bench = await twoBoards('none');
    let opening: Opening | undefined;
    for (let time = 0; time < 6_000; time += 4) {
      bench.port.hear(Uint8Array.of(0x55));
      if (time === 500) opening = unlock(bench);
      await bench.run(4);
    }
    expect(opening?.answer()).toEqual({ kind: 'not_sent', reason: 'line_busy' });
    expect(bench.port.written.filter((bytes) => bytes[0] === 0x8a)).toEqual([]);
  });

  test('a reply that comes after its time is nobody’s state and no sign of a second master', async () => {
    const bench = await twoBoards('at_once');
    recording(bench, { [UNLOCK]: [1_200, REPLY], [Q1]: [5, ALL_1], [Q2]: [5, ALL_2] });
    const opening = unlock(bench);
    await bench.run(4_000);
    expect(opening.answer()).toMatchObject({ kind: 'sent', reply: 'missing' });
    expect(count(bench, 'bus_late_unlock_replies')).toBe(1);
    expect(count(bench, 'bus_foreign')).toBe(0);
    for (const reading of bench.boards('board-1')) {
      expect(reading.channels.every((channel) => channel.feedback === 1)).toBe(true);
    }
  });
});
