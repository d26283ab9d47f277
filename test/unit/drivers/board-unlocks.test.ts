/** An unlock through the bus, against the simulator of each family and each habit of replying. */
import { expect, test } from 'vitest';
import { LockerBank } from '../../../simulators/boards/bank.ts';
import type { BoardSettings } from '../../../simulators/boards/board.ts';
import { BoardBus } from '../../../simulators/boards/bus.ts';
import { FaultCounts } from '../../../simulators/faults/kinds.ts';
import type { UnlockAnswer } from '../../../src/edge/drivers/line.ts';
import type { BoardFamilySubject } from '../../contract/board-bench.ts';
import { BOARD_SUBJECTS } from '../../contract/board-subjects.ts';
import { hexOf, type TestLine, testLine } from './support.ts';

interface Unlocked {
  readonly bench: TestLine;
  readonly answer: UnlockAnswer;
  readonly open: readonly number[];
  readonly unlocks: number;
}

async function unlockTwo(subject: BoardFamilySubject, habit: Partial<BoardSettings>, reply: string): Promise<Unlocked> {
  const { family, profile, simulated, habits } = subject;
  const device = { driver: family.name, name: 'b', ...profile, unlock_reply: reply };
  const bench = testLine({ devices: [device] as never, poll: { cycle_ms: 500, turnaround_ms: 10 } });
  const { port, scheduler } = bench;
  const board: BoardSettings = {
    name: 'b',
    address: profile.address,
    channels: profile.channels,
    shutReads: 1,
    unwiredReads: 1,
    itemSensors: false,
    unlockReply: 'none',
    turnaroundMs: 4,
    ...habits,
    ...habit,
  };
  const cells = Array.from({ length: profile.channels }, (_, i) => ({ name: `c${i + 1}`, board: 'b', channel: i + 1 }));
  const bank = new LockerBank(cells);
  const emit = ({ bytes }: { readonly bytes: Uint8Array }): void => port.hear(bytes);
  const bus = new BoardBus(
    { family: simulated, boards: [board], baud: 115_200 },
    { bank, scheduler, counts: new FaultCounts(), emit },
  );
  port.onWrite = (bytes) => bus.receive(bytes);
  port.become('open');
  await bench.run(4_000, 2);
  let answer: UnlockAnswer | undefined;
  void bench.line.unlock?.('b', 2, new AbortController().signal).then((given) => {
    answer = given;
  });
  await bench.run(9_000, 2);
  if (answer === undefined) throw new Error('no answer to an unlock');
  const open = bank.cells().flatMap((cell) => (cell.door === 'open' ? [cell.channel] : []));
  const isUnlock = (bytes: Uint8Array): boolean => {
    const described = family.describe?.(bytes);
    return described?.ok === true && described.value.effect === 'opens';
  };
  return { bench, answer, open, unlocks: port.written.filter(isUnlock).length };
}

/** Feedback of channel 2 in the last reading that speaks of it. */
function lastOf(bench: TestLine): number | undefined {
  const all = bench.boards().flatMap(({ channels }) => channels.filter(({ channel }) => channel === 2));
  return all.at(-1)?.feedback;
}

const FIRST_OF_FAMILY = BOARD_SUBJECTS.filter(
  (subject, index) => BOARD_SUBJECTS.findIndex(({ family }) => family === subject.family) === index,
);

test.each(FIRST_OF_FAMILY)(
  '$title: one frame opens the one door, and a reading shows it, whatever is replied',
  async (subject) => {
    for (const [unlockReply, reply] of [
      ['none', 'none'],
      ['immediate', 'at_once'],
      ['late', 'late'],
      ['echo', 'echo'],
      // The profile expects what this board does not do.
      ['none', 'at_once'],
      ['late', 'none'],
    ] as const) {
      const what = `${subject.title}: board ${unlockReply}, profile ${reply}`;
      const { bench, answer, open, unlocks } = await unlockTwo(subject, { unlockReply }, reply);
      expect(open, what).toEqual([2]);
      expect(unlocks, what).toBe(1);
      expect(lastOf(bench), what).toBe(0);
      expect(answer.kind, what).toBe('sent');
      const word = answer.kind === 'sent' ? answer.reply : '';
      const repeats = subject.family.wire === 'modbus';
      if (reply === 'none') expect(word, what).toBe('none_expected');
      else if (unlockReply === 'none') expect(word, what).toBe('missing');
      else if (reply === 'echo') expect(['accepted', 'ambiguous'], what).toContain(word);
      else if (!repeats) expect(word, what).toBe('accepted');
    }
  },
);

test.each(FIRST_OF_FAMILY)('$title: a board that is busy after an unlock is waited for', async (subject) => {
  const { bench, open, unlocks } = await unlockTwo(subject, { busyMs: 1_200 }, 'none');
  expect(open).toEqual([2]);
  expect(unlocks).toBe(1);
  expect(lastOf(bench)).toBe(0);
  expect(bench.port.written.map(hexOf).length).toBeGreaterThan(5);
});
