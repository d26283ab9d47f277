import { expect, test } from 'vitest';
import type { BoardReading, DeviceReading, Reading } from '../../../src/edge/contracts/reading.ts';
import type { Board } from '../../../src/edge/drivers/board-family.ts';
import { boardReadings } from '../../../src/edge/drivers/board-readings.ts';
import { modbusIo } from '../../../src/edge/drivers/modbus-io/family.ts';
import { winnsen } from '../../../src/edge/drivers/winnsen/family.ts';
import { wkly } from '../../../src/edge/drivers/wkly/family.ts';
import { bytesOf, hexOf, testLine } from './support.ts';

const observed = (upMs: number): BoardReading['observed'] => ({ wallMs: upMs, upMs, clock: { src: 'none' } });

function sinkOf(board: Board): { readonly passed: Reading[]; readonly sink: (reading: Reading) => void } {
  const passed: Reading[] = [];
  return { passed, sink: boardReadings([board], (reading) => passed.push(reading)) };
}

function states(upMs: number, ...bits: readonly (readonly [channel: number, feedback: 0 | 1])[]): BoardReading {
  const channels = bits.map(([channel, feedback]) => ({ channel, feedback }));
  return { kind: 'board', device: 'b', observed: observed(upMs), askedUpMs: upMs - 5, channels };
}

const lost: DeviceReading = { kind: 'device', device: 'b', observed: observed(9), state: 'lost', reason: 'no_reply' };

test('of a board without a check value, an answer passes when the one before it said the same of that lock', () => {
  const { passed, sink } = sinkOf(winnsen.board({ driver: 'winnsen', name: 'b', address: 0, channels: 2 }));
  const said: [number, 0 | 1][] = [
    [1, 0],
    [2, 0],
    [1, 0],
    [2, 0],
    [1, 1], // damaged on the way, between two sound ones
    [2, 0],
    [1, 0],
    [2, 0],
    [1, 0],
    [1, 1],
    [1, 1],
  ];
  for (const [index, [channel, feedback]] of said.entries()) sink(states(index, [channel, feedback]));
  const told = passed.map((reading) => reading.kind === 'board' && reading.observed.upMs);
  expect(told).toEqual([2, 3, 5, 7, 8, 10]);
});

test('two answers around a silence are not in a row', () => {
  const { passed, sink } = sinkOf(winnsen.board({ driver: 'winnsen', name: 'b', address: 0, channels: 1 }));
  sink(states(1, [1, 1]));
  sink(lost);
  sink(states(10, [1, 1]));
  expect(passed).toEqual([lost]);
  sink(states(11, [1, 1]));
  expect(passed).toHaveLength(2);
});

test('on the bus, a flipped status of a Winnsen board is no reading, and a door that stays open is one', async () => {
  const bench = testLine({ devices: [{ driver: 'winnsen', name: 'b', address: 0, channels: 1 }] });
  let answers = 0;
  bench.port.onWrite = (request) => {
    expect(hexOf(request)).toBe('90 06 12 00 01 03');
    answers += 1;
    // Each third answer is damaged to "open"; nothing in the frame shows it.
    const status = answers % 3 === 0 ? '01' : '00';
    bench.later(5, () => bench.port.hear(bytesOf(`90 07 92 00 ${status} 01 03`)));
  };
  bench.port.become('open');
  await bench.run(12_000);
  expect(answers).toBeGreaterThan(15);
  expect(bench.boards().length).toBeGreaterThan(4);
  expect(bench.boards().flatMap(({ channels }) => channels)).toEqual(
    bench.boards().map(() => ({ channel: 1, feedback: 0 })),
  );
  bench.port.onWrite = () => bench.later(5, () => bench.port.hear(bytesOf('90 07 92 00 01 01 03')));
  await bench.run(3_000);
  expect(bench.boards().at(-1)?.channels).toEqual([{ channel: 1, feedback: 1 }]);
});

test('switches that are no doors become readings of their own, wrong or right by their wiring', () => {
  const inputs = [
    { channel: 3, name: 'cabinet', kind: 'tamper', active: 0 },
    { channel: 5, name: 'mains', kind: 'mains', active: 1 },
  ];
  const board = modbusIo.board({ driver: 'modbus_io', name: 'b', address: 1, channels: 2, inputs });
  expect(hexOf(board.polls[0].request)).toBe('01 02 00 00 00 05 B8 09');
  // One byte of inputs: 1, 2 and 5 are on.
  const message = board.polls[0].interpret(bytesOf('01 02 01 13 E0 45'));
  if (message.kind !== 'states') throw new Error(message.kind);
  const { passed, sink } = sinkOf(board);
  sink({ kind: 'board', device: 'b', observed: observed(7), askedUpMs: 2, channels: message.channels });
  const common = { kind: 'input', device: 'b', observed: observed(7), askedUpMs: 2 };
  expect(passed).toEqual(
    [
      states(7, [1, 1], [2, 1]),
      { ...common, input: 'cabinet', what: 'tamper', active: true },
      { ...common, input: 'mains', what: 'mains', active: true },
    ].map((reading) => ({ ...reading, askedUpMs: 2 })),
  );
});

test('a lock that its board cannot read is named, and the others are read', () => {
  const board = wkly.board({ driver: 'wkly', name: 'b', address: 0, channels: 4 });
  // Lock 3 says FF, "error".
  const message = board.polls[0].interpret(bytesOf('57 4B 4C 59 0E 00 84 00 04 01 00 FF 01 78'));
  if (message.kind !== 'states') throw new Error(message.kind);
  expect(message.channels).toEqual([
    { channel: 1, feedback: 1 },
    { channel: 2, feedback: 0 },
    { channel: 4, feedback: 1 },
  ]);
  const { passed, sink } = sinkOf(board);
  sink({ ...states(1), channels: message.channels });
  expect(passed).toEqual([{ ...states(1), channels: message.channels, unread: [3] }]);
});
