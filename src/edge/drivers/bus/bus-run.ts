/** The state of the bus master while one step runs, and what every part of the step does to it. */
import { present } from '../../../base/assert.ts';
import type { Board, Poll, Unlocking } from '../board-family.ts';
import { judge, type Outcome } from './board-health.ts';
import {
  type BusCount,
  type BusOutput,
  type BusPlan,
  type BusState,
  copyBoard,
  copyBus,
  type Moment,
  type PolledBoard,
  type Window,
} from './bus-state.ts';

export interface Run {
  readonly plan: BusPlan;
  readonly at: Moment;
  readonly outputs: BusOutput[];
  /** The step's own copy, written into by `set` and `setBoard` alone, and by nobody once the step has ended. */
  state: BusState & { readonly boards: PolledBoard[] };
}

export function beginRun(plan: BusPlan, state: BusState, at: Moment): Run {
  return { plan, at, outputs: [], state: copyBus(state) };
}

export const DRAIN_LIMIT_MS = 1_000;

/** Goes on with what a part of the step made of the state. */
export function adopt(run: Run, state: BusState): void {
  run.state = copyBus(state);
}

export function set(run: Run, change: Partial<Omit<BusState, 'boards'>>): void {
  Object.assign(run.state, change);
}

export function setBoard(run: Run, index: number, change: Partial<PolledBoard>): void {
  run.state.boards[index] = Object.assign(copyBoard(polledOf(run, index)), change);
}

export function count(run: Run, what: BusCount): void {
  run.outputs.push({ kind: 'count', what });
}

export function judgeBoard(run: Run, index: number, outcome: Outcome): void {
  const { health, change } = judge(polledOf(run, index).health, outcome);
  setBoard(run, index, { health });
  if (change !== undefined) run.outputs.push({ kind: 'device', board: index, change });
}

export function polledOf(run: Run, index: number): PolledBoard {
  return present(run.state.boards[index], 'a polled board');
}

export function boardOf(run: Run, index: number): Board {
  return present(run.plan.boards[index], 'a board');
}

export function pollOf(run: Run, { board, poll }: Pick<Window, 'board' | 'poll'>): Poll {
  return present(boardOf(run, board).polls[poll], 'a poll');
}

export function unlockingOf(run: Run, board: number): Unlocking {
  return present(boardOf(run, board).unlock, 'a board with locks');
}

export function indexOf(run: Run, family: string, address: number): number | undefined {
  const index = run.plan.boards.findIndex((board) => board.family === family && board.address === address);
  return index === -1 ? undefined : index;
}

/** Nothing is asked until the line was silent for so long, or never falls silent. */
export function drain(run: Run, quietMs: number): void {
  set(run, { phase: { kind: 'draining', sinceMs: run.at.nowMs, quietMs } });
  wakeWhenQuiet(run);
}

export function wakeWhenQuiet(run: Run): void {
  const { phase, lastByteMs } = run.state;
  if (phase.kind !== 'draining') return;
  const quietAtMs = Math.max(lastByteMs + phase.quietMs, phase.sinceMs);
  set(run, { wakeAtMs: Math.min(quietAtMs, phase.sinceMs + DRAIN_LIMIT_MS) });
}
