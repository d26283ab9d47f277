/**
 * What a bus master knows: its boards, the question that is open, and how quiet the line is. Times are monotonic
 * milliseconds unless they say `up`.
 */

import type { Observed } from '../../contracts/observed.ts';
import type { ChannelState } from '../../contracts/reading.ts';
import type { Board } from '../board-family.ts';
import type { Cut } from '../frame-cutter.ts';
import type { UnlockAnswer } from '../line.ts';
import { type BoardHealth, type HealthChange, INITIAL_HEALTH } from './board-health.ts';
import { type BoardRates, NO_RATES } from './board-rates.ts';
import type { BusTiming } from './settings.ts';
import { NO_STRANGERS, type Strangers } from './strangers.ts';

export interface BusPlan {
  readonly boards: readonly Board[];
  readonly timing: BusTiming;
}

/** One instant on all clocks. */
export interface Moment {
  readonly nowMs: number;
  readonly observed: Observed;
}

export interface PolledBoard {
  readonly health: BoardHealth;
  /**
   * After a question without an answer the next answer may belong to the old question: it shows that the board lives
   * and is not passed on. Frames carry no number that would tell.
   */
  readonly resync: boolean;
  /** First answers after a timeout so far. */
  readonly resyncs: number;
  /** How late its answers may be: as configured, or twice as late as one was seen to be. */
  readonly lateMs: number;
  /** Until then the answer to an old question may still come. */
  readonly owedUntilMs: number;
  /** Not asked before. */
  readonly notBeforeMs: number;
  readonly silentWaitMs: number;
  /** So many of its polls are asked out of turn: it spoke by itself, or its last answer could not be used. */
  readonly wanted: number;
  /** Which of its polls is asked next, and which was asked last. */
  readonly poll: number;
  readonly lastPoll: number;
  /** The last reading of each poll. */
  readonly looks: readonly (Look | undefined)[];
  /** How often in a row each poll had no usable answer. */
  readonly mute: readonly number[];
  /** Its last reading differed from the one before, and was asked for again at once. */
  readonly confirming: boolean;
  /** A lock of it was told to open. */
  readonly watch?: Watch | undefined;
  readonly unlocked?: { readonly channel: number; readonly frame: Uint8Array; readonly untilMs: number } | undefined;
  readonly rates: BoardRates;
  /** Cycle in which the last of its polls was asked. */
  readonly cycle: number;
  readonly askedAtMs: number;
}

export interface Look {
  readonly askedUpMs: number;
  readonly channels: readonly ChannelState[];
}

/** The board is asked often, until `channel` is seen to differ from `from`, or until `untilMs`. */
export interface Watch {
  readonly channel: number;
  /** Which poll asks for the channel; undefined while that is not known. */
  readonly poll: number | undefined;
  readonly from: 0 | 1 | undefined;
  readonly untilMs: number;
}

/** An unlock that waits for the line. */
export interface UnlockOrder {
  readonly ticket: number;
  readonly board: number;
  readonly channel: number;
}

/** The unlock that left, and what came back so far. */
export interface OpenUnlock {
  readonly order: UnlockOrder;
  readonly frame: Uint8Array;
  readonly sentUpMs: number;
  readonly written: boolean;
  readonly dueMs: number;
  readonly limitMs: number;
  /** Frames with the very bytes of the unlock: its echo, or a board that answers so. */
  readonly same: number;
  readonly accepted: number;
  readonly rejected: number;
}

/** The open question and what came back so far. */
export interface Window {
  readonly board: number;
  readonly poll: number;
  readonly sentAtMs: number;
  readonly askedUpMs: number;
  readonly written: boolean;
  /** When it ends, as things stand. */
  readonly dueMs: number;
  /** An old answer may come first: the window stays open for the fresh one, instead of ending after the first. */
  readonly owed: boolean;
  /** It ends then at the latest, whatever still comes. */
  readonly limitMs: number;
  /** The event loop was late, so the line got one more chance to be read. */
  readonly graced: boolean;
  readonly noiseBytes: number;
  readonly echoes: number;
  readonly answers: number;
  readonly wrongChannels: boolean;
  /** An answer could as well be the echo of the request and noise. */
  readonly ambiguous: boolean;
  readonly sound?: { readonly observed: Observed; readonly channels: readonly ChannelState[] };
}

export type Phase =
  | { readonly kind: 'down' }
  | { readonly kind: 'idle' }
  /** Waiting for silence before the next question. */
  | { readonly kind: 'draining'; readonly sinceMs: number; readonly quietMs: number }
  | { readonly kind: 'asking'; readonly window: Window }
  | { readonly kind: 'unlocking'; readonly unlock: OpenUnlock };

export interface BusState {
  readonly phase: Phase;
  readonly boards: readonly PolledBoard[];
  readonly cycle: number;
  readonly cycleStartMs: number;
  readonly lastCycleMs: number;
  /** Silent board asked last: the next of them follows it. */
  readonly silentTurn: number;
  /** Board asked last: what comes between questions is read as if for it. */
  readonly asked: number;
  /** The last question was out of turn: the next is in turn, so that hints cannot starve the cycle. */
  readonly outOfTurn: boolean;
  /** A silent board costs a whole timeout: one a cycle. */
  readonly silentAsked: boolean;
  readonly lastByteMs: number;
  /** Bytes outside of any question since the last one. */
  readonly strayBytes: number;
  /** Sound answers in a row that no echo preceded. */
  readonly echoless: number;
  /** Sound answers in a row, each behind one echo. */
  readonly echoed: number;
  readonly unlocks: readonly UnlockOrder[];
  readonly strangers: Strangers;
  readonly openedMs: number;
  /** Drains in a row that did not become quiet. */
  readonly restless: number;
  readonly lastLifeMs: number;
  readonly livenessMs: number;
  /** When `tick` is wanted next; undefined while only bytes or the port can change anything. */
  readonly wakeAtMs: number | undefined;
}

export type BusInput =
  | { readonly kind: 'port_open' }
  | { readonly kind: 'port_lost' }
  /** Bytes as the cutter of the asked board's family saw them. */
  | { readonly kind: 'cuts'; readonly sizeBytes: number; readonly cuts: readonly Cut[] }
  /** Answer to `flush`: what the cutter still held is decided. */
  | { readonly kind: 'flushed'; readonly cuts: readonly Cut[] }
  | { readonly kind: 'written' }
  | { readonly kind: 'write_failed' }
  | { readonly kind: 'unlock'; readonly order: UnlockOrder }
  | { readonly kind: 'cancel_unlock'; readonly ticket: number }
  /** The last input: what waits is told so. */
  | { readonly kind: 'stop' }
  | { readonly kind: 'tick' };

/** What the line counts beside bytes, frames and skips. */
export type BusCount =
  | 'timeouts'
  | 'echoes'
  /** Answers that came after their question was given up. */
  | 'late'
  /** Answers that nobody asked for: a second master, or a second board. */
  | 'unasked'
  | 'doubles'
  | 'ambiguous'
  /** Sound answers among so much noise that they are not believed. */
  | 'noisy_answers'
  /** First answers after a timeout. */
  | 'resyncs'
  | 'hints'
  | 'foreign'
  | 'wrong_channels'
  | 'unlocks'
  /** Replies to an unlock that came after it was closed. */
  | 'late_unlock_replies';

export type BusOutput =
  | { readonly kind: 'send'; readonly board: number; readonly request: Uint8Array }
  /** Write it once, whatever happens. */
  | { readonly kind: 'send_unlock'; readonly frame: Uint8Array }
  | { readonly kind: 'unlock_end'; readonly ticket: number; readonly answer: UnlockAnswer }
  /** Flush the cutter and feed `flushed` before anything else. */
  | { readonly kind: 'flush' }
  | {
      readonly kind: 'reading';
      readonly board: number;
      readonly observed: Observed;
      readonly askedUpMs: number;
      readonly channels: readonly ChannelState[];
    }
  | { readonly kind: 'device'; readonly board: number; readonly change: HealthChange }
  | { readonly kind: 'count'; readonly what: BusCount }
  | { readonly kind: 'reopen'; readonly reason: string };

export interface BusStep {
  readonly state: BusState;
  readonly outputs: readonly BusOutput[];
}

/**
 * Member by member, and not by a spread: V8 of Node 20 makes a new hidden class each time that the outcome of a spread goes
 * through the same spread again, and soon copies by the slow way. A state that is folded at each poll is nothing else.
 */
export function copyBus(state: BusState): BusState & { readonly boards: PolledBoard[] } {
  return {
    phase: state.phase,
    boards: state.boards.slice(),
    cycle: state.cycle,
    cycleStartMs: state.cycleStartMs,
    lastCycleMs: state.lastCycleMs,
    silentTurn: state.silentTurn,
    asked: state.asked,
    outOfTurn: state.outOfTurn,
    silentAsked: state.silentAsked,
    lastByteMs: state.lastByteMs,
    strayBytes: state.strayBytes,
    echoless: state.echoless,
    echoed: state.echoed,
    unlocks: state.unlocks,
    strangers: state.strangers,
    openedMs: state.openedMs,
    restless: state.restless,
    lastLifeMs: state.lastLifeMs,
    livenessMs: state.livenessMs,
    wakeAtMs: state.wakeAtMs,
  };
}

/** As `copyBus`. */
export function copyBoard(board: PolledBoard): PolledBoard {
  return {
    health: board.health,
    resync: board.resync,
    resyncs: board.resyncs,
    lateMs: board.lateMs,
    owedUntilMs: board.owedUntilMs,
    notBeforeMs: board.notBeforeMs,
    silentWaitMs: board.silentWaitMs,
    wanted: board.wanted,
    poll: board.poll,
    lastPoll: board.lastPoll,
    looks: board.looks,
    mute: board.mute,
    confirming: board.confirming,
    watch: board.watch,
    unlocked: board.unlocked,
    rates: board.rates,
    cycle: board.cycle,
    askedAtMs: board.askedAtMs,
  };
}

export function initialBus(plan: BusPlan): BusState {
  return {
    phase: { kind: 'down' },
    boards: plan.boards.map(({ polls }) => ({
      health: INITIAL_HEALTH,
      resync: true,
      resyncs: 0,
      lateMs: plan.timing.lateAnswerMs,
      owedUntilMs: 0,
      notBeforeMs: 0,
      silentWaitMs: 0,
      wanted: 0,
      poll: 0,
      lastPoll: 0,
      looks: polls.map(() => undefined),
      mute: polls.map(() => 0),
      confirming: false,
      rates: NO_RATES,
      cycle: -1,
      askedAtMs: Number.NEGATIVE_INFINITY,
    })),
    cycle: 0,
    cycleStartMs: 0,
    lastCycleMs: 0,
    silentTurn: 0,
    asked: 0,
    outOfTurn: false,
    silentAsked: false,
    lastByteMs: Number.NEGATIVE_INFINITY,
    strayBytes: 0,
    echoless: 0,
    echoed: 0,
    unlocks: [],
    strangers: NO_STRANGERS,
    openedMs: 0,
    restless: 0,
    lastLifeMs: 0,
    livenessMs: plan.timing.livenessMs,
    wakeAtMs: undefined,
  };
}
