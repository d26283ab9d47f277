/** A driver and its simulator on one table, for the contract of lock boards and for its long edition. */
import { expect } from 'vitest';
import { LockerBank } from '../../simulators/boards/bank.ts';
import type { BoardSettings, BoardFamily as SimulatedFamily } from '../../simulators/boards/board.ts';
import type { Board, BoardFamily, Message } from '../../src/edge/drivers/board-family.ts';
import type { Cut } from '../../src/edge/drivers/frame-cutter.ts';
import type { FrameDescription } from '../../src/edge/drivers/frame-description.ts';
import { mutate, Random } from '../support/mutate.ts';
import { bytesOf, type FrameVector, hexOf } from '../unit/drivers/support.ts';

export interface BoardFamilySubject {
  /** What of the family is tried here. */
  readonly title: string;
  readonly family: BoardFamily;
  /** Without `driver` and `name`. */
  readonly profile: { readonly address: number; readonly channels: number } & Readonly<Record<string, unknown>>;
  readonly simulated: SimulatedFamily;
  readonly habits?: Partial<BoardSettings>;
  readonly vectors: readonly FrameVector[];
  /** What each of these vectors says, by the name that its publisher gave it. */
  readonly said: Readonly<Record<string, Partial<FrameDescription>>>;
  /** Its frames carry a check value that shows each single bit that turned. */
  readonly checked: boolean;
  /** Channel counts that its settings know beside the own one; none where answers are about one lock. */
  readonly otherChannels?: number;
  /** Bytes that mean something in its frames. */
  readonly marks: readonly number[];
  /** No more is ever held back. */
  readonly heldBytesMax: number;
}

/** Doors that stand open: patterns, of which some put headers and end marks into the data. */
export const PATTERNS: readonly ((channel: number) => boolean)[] = [
  () => false,
  () => true,
  (channel) => channel === 1,
  (channel) => channel % 8 === 1 || channel % 8 === 2,
  (channel) => channel % 8 > 2,
  (channel) => channel % 8 === 2,
  (channel) => (0x80_01_33_b2 >>> ((channel - 1) % 32)) % 2 === 1,
];

export interface Bench {
  readonly board: Board;
  readonly bank: LockerBank;
  answer(request: Uint8Array): readonly Uint8Array[];
}

export function cutAll(subject: BoardFamilySubject, board: Board, ...chunks: readonly Uint8Array[]): readonly Cut[] {
  const cutter = subject.family.cutter([board]);
  return [...chunks.flatMap((chunk) => cutter.push(chunk)), ...cutter.flush()];
}

export function framesIn(cuts: readonly Cut[]): readonly Uint8Array[] {
  return cuts.flatMap((cut) => (cut.kind === 'frame' ? [cut.frame] : []));
}

export function benchOf(subject: BoardFamilySubject, change: Partial<BoardSettings> = {}, profile: object = {}): Bench {
  const { family, simulated, habits } = subject;
  const board = family.board({ driver: family.name, name: 'b', ...subject.profile, ...profile });
  const settings: BoardSettings = {
    name: 'b',
    address: subject.profile.address,
    channels: subject.profile.channels,
    shutReads: 1,
    unwiredReads: 1,
    itemSensors: false,
    unlockReply: 'immediate',
    turnaroundMs: 4,
    ...habits,
    ...change,
  };
  const cells = Array.from({ length: settings.channels }, (_, i) => ({
    name: `c${i + 1}`,
    board: 'b',
    channel: i + 1,
  }));
  const bank = new LockerBank(cells);
  return {
    board,
    bank,
    answer(request) {
      expect(simulated.cut(request), hexOf(request)).toEqual({ kind: 'request', sizeBytes: request.length });
      return simulated.hear(settings, bank, request).map(({ bytes }) => bytes);
    },
  };
}

/** One sound answer to each poll, with doors as the pattern says. */
export function answersOf({ board, bank, answer }: Bench, isOpen: (channel: number) => boolean): readonly Uint8Array[] {
  for (const cell of bank.cells()) {
    if (isOpen(cell.channel)) bank.open(cell.name);
    else bank.shut(cell.name);
  }
  return board.polls.map((poll) => {
    const said = answer(poll.request);
    expect(said, hexOf(poll.request)).toHaveLength(1);
    return said[0] ?? new Uint8Array(0);
  });
}

export function statesOf(message: Message | undefined): readonly (readonly [number, number])[] | undefined {
  if (message?.kind !== 'states') return undefined;
  return message.channels.map(({ channel, feedback }) => [channel, feedback] as const);
}

export function settingsOf({ profile, habits }: BoardFamilySubject): BoardSettings {
  const { address, channels } = profile;
  const fixed = {
    shutReads: 1,
    unwiredReads: 1,
    itemSensors: false,
    unlockReply: 'immediate',
    turnaroundMs: 4,
  } as const;
  return { name: 'b', address, channels, ...fixed, ...habits };
}

/** Also for the campaign: cutter, interpreter and describer over mutations of valid frames. */
export function runMutations(subject: BoardFamilySubject, rounds: number, seed: number): ReadonlySet<string> {
  const bench = benchOf(subject);
  const random = new Random(seed);
  const answers = PATTERNS.flatMap((isOpen) => answersOf(bench, isOpen).slice(0, 2));
  const sound = [...answers, ...subject.vectors.map(({ hex }) => bytesOf(hex))];
  const cutter = subject.family.cutter([bench.board]);
  const reached = new Set<string>();
  for (let round = 0; round < rounds; round += 1) {
    const input = mutate(random, sound[random.below(sound.length)] ?? new Uint8Array(0), sound);
    subject.family.describe?.(input);
    const at = random.below(input.length + 1);
    const held = cutter.heldBytes;
    const cuts = [...cutter.push(input.subarray(0, at)), ...cutter.push(input.subarray(at))];
    if (random.below(4) === 0) cuts.push(...cutter.flush());
    let told = 0;
    for (const cut of cuts) {
      reached.add(cut.kind === 'frame' ? 'frame' : cut.reason);
      told += cut.kind === 'frame' ? cut.frame.length : cut.sizeBytes;
      if (cut.kind !== 'frame') continue;
      bench.board.polls[0].interpret(cut.frame);
      bench.board.unlock?.interpret(cut.frame, 1);
      subject.family.describe?.(cut.frame);
    }
    if (held + input.length !== told + cutter.heldBytes || cutter.heldBytes > subject.heldBytesMax) {
      expect.fail(`${hexOf(input)}: ${held} held before, ${told} told, ${cutter.heldBytes} held after`);
    }
  }
  return reached;
}
