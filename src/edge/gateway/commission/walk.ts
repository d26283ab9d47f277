/**
 * One door from closed to open to closed, as a pure machine: what its feedback reads when it is shut, and on which channel.
 *
 * A technician moves the door; this looks at every channel of every board, so that swapped wires show as the channel that
 * did move. A value counts after two equal reads. More than one channel that moves, or one that does not stay, proves
 * nothing: a door that nobody touches may have moved.
 *
 * A door that stands open at the beginning would be recorded the wrong way round, and its contact cannot tell. The other
 * doors of its board can: while one of them reads otherwise, all are asked to be shut.
 */
import type { ChannelState } from '../../contracts/reading.ts';

/** So long everything must stay as it is before the door is asked for, and after each move. */
export const STILL_MS = 1_500;
/** The boards are read and everything lies still within this time, or the walk is given up. */
export const LOOK_LIMIT_MS = 20_000;
/** So many moves that were taken back before the door is said to be restless. */
const BOUNCES_MAX = 3;

export interface Wire {
  readonly device: string;
  readonly channel: number;
}

export interface Mate {
  readonly wire: Wire;
  /** What it reads when it is shut, where a walk has recorded that. */
  readonly shutReads?: 0 | 1;
}

export type WalkFailure =
  /** Doors of the board do not read alike, so one of them stands open; or one of them is known to. */
  | 'not_all_shut'
  /** The board of the compartment was not read, or went away. */
  | 'board_away'
  /** Nothing moved: no feedback is wired ("closed" and "not wired" read alike), or the door was not opened. */
  | 'no_change'
  /** Several channels moved: another door was touched, or wires are joined. */
  | 'several_moved'
  /** Something moves without being asked to, or does not stay. */
  | 'restless'
  /** It opened and was not seen to shut again. */
  | 'not_closed';

export type WalkResult =
  | {
      readonly kind: 'seen';
      readonly wire: Wire;
      /** What it read closed, open and closed again. */
      readonly reads: readonly [0 | 1, 0 | 1, 0 | 1];
      readonly hasItemSensor: boolean;
    }
  | { readonly kind: 'failed'; readonly reason: WalkFailure; readonly moved: readonly Wire[] };

export type WalkStep = 'looking' | 'shut' | 'open' | 'close';

interface Bit {
  readonly wire: Wire;
  readonly value: 0 | 1 | undefined;
  readonly candidate: 0 | 1;
  readonly item: boolean;
}

export interface WalkState {
  readonly step: WalkStep;
  readonly expected: Wire;
  /** The other doors of its board. */
  readonly mates: readonly Mate[];
  readonly moveLimitMs: number;
  readonly stepSinceMs: number;
  /** When a stable value changed last, or when this began. */
  readonly movedAtMs: number;
  readonly bits: ReadonlyMap<string, Bit>;
  /** Values with the door shut. */
  readonly closed: ReadonlyMap<string, 0 | 1>;
  /** What moved while everything should have lain still. */
  readonly strays: ReadonlyMap<string, Wire>;
  readonly found?: Wire;
  readonly bounces: number;
  readonly result?: WalkResult;
}

export type WalkInput =
  | { readonly kind: 'board'; readonly device: string; readonly channels: readonly ChannelState[] }
  | { readonly kind: 'away'; readonly device: string }
  | { readonly kind: 'tick' };

export function beginWalk(expected: Wire, moveLimitMs: number, nowMs: number, mates: readonly Mate[] = []): WalkState {
  return {
    step: 'looking',
    expected,
    mates,
    moveLimitMs,
    stepSinceMs: nowMs,
    movedAtMs: nowMs,
    bits: new Map(),
    closed: new Map(),
    strays: new Map(),
    bounces: 0,
  };
}

export function stepWalk(before: WalkState, input: WalkInput, nowMs: number): WalkState {
  if (before.result !== undefined) return before;
  if (input.kind === 'away') return heardAway(before, input.device);
  const state = input.kind === 'board' ? look(before, input.device, input.channels, nowMs) : before;
  const isStill = nowMs - state.movedAtMs >= STILL_MS;
  switch (state.step) {
    case 'looking':
      return looking(state, isStill, nowMs);
    case 'shut':
      return shutting(state, isStill, nowMs);
    case 'open':
      return opening(state, isStill, nowMs);
    case 'close':
      return closing(state, isStill, nowMs);
  }
}

function heardAway(state: WalkState, device: string): WalkState {
  const matters = device === state.expected.device || device === state.found?.device;
  if (matters && state.step !== 'looking') return fail(state, 'board_away', []);
  // What it reads when it is back is new.
  return { ...state, bits: new Map([...state.bits].filter(([, bit]) => bit.wire.device !== device)) };
}

function look(state: WalkState, device: string, channels: readonly ChannelState[], nowMs: number): WalkState {
  const bits = new Map(state.bits);
  const strays = new Map(state.strays);
  let { movedAtMs } = state;
  for (const { channel, feedback, item } of channels) {
    const wire = { device, channel };
    const key = keyOf(wire);
    const known = bits.get(key);
    const isSecond = known !== undefined && known.candidate === feedback;
    const value = isSecond ? feedback : known?.value;
    if (value !== known?.value) {
      movedAtMs = nowMs;
      if (known?.value !== undefined && state.step === 'looking') strays.set(key, wire);
    }
    bits.set(key, { wire, value, candidate: feedback, item: item !== undefined });
  }
  return { ...state, bits, strays, movedAtMs };
}

function looking(state: WalkState, isStill: boolean, nowMs: number): WalkState {
  const isRead = state.bits.get(keyOf(state.expected))?.value !== undefined;
  if (isRead && isStill) {
    return oddOf(state).length === 0 ? askToOpen(state, nowMs) : { ...state, step: 'shut', stepSinceMs: nowMs };
  }
  if (nowMs - state.stepSinceMs < LOOK_LIMIT_MS) return state;
  return isRead ? fail(state, 'restless', [...state.strays.values()]) : fail(state, 'board_away', []);
}

function shutting(state: WalkState, isStill: boolean, nowMs: number): WalkState {
  const odd = oddOf(state);
  if (isStill && odd.length === 0) return askToOpen(state, nowMs);
  return nowMs - state.stepSinceMs >= state.moveLimitMs ? fail(state, 'not_all_shut', odd) : state;
}

function askToOpen(state: WalkState, nowMs: number): WalkState {
  const closed = new Map<string, 0 | 1>();
  for (const [key, { value }] of state.bits) if (value !== undefined) closed.set(key, value);
  return { ...state, step: 'open', stepSinceMs: nowMs, closed };
}

/** Doors that stand open for certain, or those few that read otherwise than the others, of which nothing is recorded. */
function oddOf({ bits, expected, mates }: WalkState): readonly Wire[] {
  const read = (wire: Wire): 0 | 1 | undefined => bits.get(keyOf(wire))?.value;
  const own = read(expected);
  const seen = mates.filter(({ wire }) => read(wire) !== undefined);
  const open = seen.filter(({ wire, shutReads }) => shutReads !== undefined && read(wire) !== shutReads);
  const unknown = seen.filter(({ shutReads }) => shutReads === undefined);
  const unlike = unknown.filter(({ wire }) => read(wire) !== own).map(({ wire }) => wire);
  const few = unlike.length * 2 > unknown.length ? [expected] : unlike;
  return [...open.map(({ wire }) => wire), ...few];
}

function opening(before: WalkState, isStill: boolean, nowMs: number): WalkState {
  const isOver = nowMs - before.stepSinceMs >= before.moveLimitMs;
  const moved = movedOf(before);
  if (before.movedAtMs <= before.stepSinceMs) return isOver ? fail(before, 'no_change', []) : before;
  if (!isStill) {
    const isLong = nowMs - before.stepSinceMs >= before.moveLimitMs + LOOK_LIMIT_MS;
    return isLong ? fail(before, 'restless', moved) : before;
  }
  const [only, ...others] = moved;
  if (only === undefined) {
    // It moved and is as it was: a handle that was tried, or a wire that is loose.
    const bounces = before.bounces + 1;
    return bounces >= BOUNCES_MAX
      ? fail(before, 'restless', [])
      : { ...before, bounces, stepSinceMs: nowMs, movedAtMs: nowMs };
  }
  if (others.length > 0) return fail(before, 'several_moved', moved);
  return { ...before, step: 'close', stepSinceMs: nowMs, found: only };
}

function closing(state: WalkState, isStill: boolean, nowMs: number): WalkState {
  const moved = movedOf(state);
  const { found } = state;
  const others = moved.filter((wire) => found === undefined || keyOf(wire) !== keyOf(found));
  if (others.length > 0 && isStill) return fail(state, 'several_moved', moved);
  if (found !== undefined && moved.length === 0 && isStill) return seen(state, found);
  return nowMs - state.stepSinceMs >= state.moveLimitMs ? fail(state, 'not_closed', moved) : state;
}

function seen(state: WalkState, wire: Wire): WalkState {
  const key = keyOf(wire);
  const shut = state.closed.get(key) ?? 0;
  const open = shut === 1 ? 0 : 1;
  const hasItemSensor = state.bits.get(key)?.item === true;
  return { ...state, result: { kind: 'seen', wire, reads: [shut, open, shut], hasItemSensor } };
}

/** Channels that read otherwise than with the door shut. */
function movedOf({ bits, closed }: WalkState): readonly Wire[] {
  return [...bits].flatMap(([key, { wire, value }]) => {
    const before = closed.get(key);
    return before !== undefined && value !== undefined && value !== before ? [wire] : [];
  });
}

function fail(state: WalkState, reason: WalkFailure, moved: readonly Wire[]): WalkState {
  return { ...state, result: { kind: 'failed', reason, moved } };
}

export function keyOf({ device, channel }: Wire): string {
  return `${device} ${channel}`;
}
