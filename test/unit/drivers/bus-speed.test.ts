/**
 * Ten boards on a line at 9,600 baud, with the time that every byte takes on the wire: how long a cycle is, and that no
 * door that stands open for longer than a cycle goes unseen. The campaign does the same with four lines in real time.
 */
import { expect, test } from 'vitest';
import { LockerBank } from '../../../simulators/boards/bank.ts';
import type { BoardSettings } from '../../../simulators/boards/board.ts';
import { BoardBus } from '../../../simulators/boards/bus.ts';
import { xorFamily } from '../../../simulators/boards/xor-family.ts';
import { FaultCounts } from '../../../simulators/faults/kinds.ts';
import { Random } from '../../support/mutate.ts';
import { testLine } from './support.ts';

const BAUD = 9_600;
const BOARDS = 10;
const CHANNELS = 24;
/** Real boards answer after some milliseconds. */
const BOARD_MS = 5;
const RUN_MS = 60_000;

interface Opening {
  readonly cell: string;
  readonly fromMs: number;
  readonly toMs: number;
}

test(`${BOARDS} boards at ${BAUD} baud: the cycle is what the wire takes, and every door open for longer is seen twice`, async () => {
  const boards = Array.from(
    { length: BOARDS },
    (_, index): BoardSettings => ({
      name: `b${index + 1}`,
      address: index + 1,
      channels: CHANNELS,
      shutReads: 1,
      unwiredReads: 1,
      itemSensors: false,
      unlockReply: 'none',
      turnaroundMs: BOARD_MS,
    }),
  );
  const bank = new LockerBank(boards.map(({ name }) => ({ name: `${name}-1`, board: name, channel: 1 })));
  const devices = boards.map(({ name, address }) => ({
    driver: 'xor_8a80' as const,
    name,
    address,
    channels: 24 as const,
  }));
  const bench = testLine({ devices, poll: { cycle_ms: 100 } }, BAUD);
  const { scheduler, port } = bench;
  const emit = ({ bytes }: { readonly bytes: Uint8Array }): void => port.hear(bytes);
  const parts = { bank, scheduler, counts: new FaultCounts(), emit };
  const bus = new BoardBus({ family: xorFamily, boards, baud: BAUD }, parts);
  port.onWrite = (request) => bus.receive(request);
  port.become('open');
  await bench.run(5_000);

  const cycles: number[] = [];
  const openings: Opening[] = [];
  const random = new Random(7);
  const until = scheduler.monotonicMs() + RUN_MS;
  while (scheduler.monotonicMs() < until) {
    const cell = `b${1 + random.below(BOARDS)}-1`;
    // From a moment to three cycles.
    const forMs = 20 + random.below(1_800);
    bank.open(cell);
    const fromMs = scheduler.monotonicMs();
    await bench.run(forMs);
    bank.shut(cell);
    openings.push({ cell, fromMs, toMs: scheduler.monotonicMs() });
    cycles.push(bench.line.status().cycleMs ?? 0);
    await bench.run(1_500);
  }

  // Twelve bytes of ten bits each, the board's own time, and the turnaround after it.
  const questionMs = (12 * 10_000) / BAUD + BOARD_MS + 20;
  const cycleMs = Math.max(...cycles);
  expect(Math.min(...cycles)).toBeGreaterThanOrEqual(BOARDS * questionMs - 1);
  // Timers go by whole milliseconds, and a change is asked for again at once.
  expect(cycleMs).toBeLessThan((BOARDS + 3) * (questionMs + 3));
  const long = openings.filter(({ fromMs, toMs }) => toMs - fromMs > cycleMs + 2 * questionMs);
  expect(long.length).toBeGreaterThan(10);
  for (const { cell, fromMs, toMs } of long) {
    const looks = bench.boards(cell.replace('-1', '')).filter(({ channels, observed }) => {
      return channels[0]?.feedback === 0 && observed.upMs >= fromMs && observed.upMs <= toMs + questionMs;
    });
    expect(looks.length, `${cell} open for ${toMs - fromMs} ms`).toBeGreaterThanOrEqual(2);
  }
  const { devices: status, unseenMaxMs = 0 } = bench.line.status();
  for (const { polls } of status) {
    expect(polls?.recentFailuresPercent).toBe(0);
    expect(polls?.unseenWorstMs).toBeLessThanOrEqual(2 * cycleMs);
    expect(polls?.unseenWorstMs).toBeLessThanOrEqual(unseenMaxMs);
  }
});
