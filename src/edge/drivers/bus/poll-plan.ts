/**
 * Who is asked next: each answering board once per cycle, with all of its polls, in the order of the settings. Pure.
 *
 * A silent board costs a whole reply timeout, so the silent ones come last in a cycle, one each time in rotation, and
 * each waits ever longer: the cycle of the others does not grow with the number of dead boards. A board that spoke by
 * itself is asked out of turn, between two in turn.
 */
import type { BusState, PolledBoard } from './bus-state.ts';
import type { BusTiming } from './settings.ts';

export type NextQuestion =
  | { readonly kind: 'ask'; readonly board: number; readonly state: BusState }
  | { readonly kind: 'wait'; readonly untilMs: number; readonly state: BusState };

export function nextQuestion(state: BusState, timing: BusTiming, nowMs: number): NextQuestion {
  if (!state.outOfTurn) {
    const wanted = findWanted(state, nowMs);
    if (wanted !== undefined) return ask(state, wanted, true);
  }
  const inTurn = findInTurn(state, nowMs);
  if (inTurn !== undefined) return ask(state, inTurn, false);
  const wanted = findWanted(state, nowMs);
  if (wanted !== undefined) return ask(state, wanted, true);
  const endMs = state.cycleStartMs + timing.cycleMs;
  if (nowMs < endMs) return { kind: 'wait', untilMs: Math.min(endMs, dueFromMs(state, nowMs)), state };
  return firstOfCycle(state, timing, nowMs);
}

function firstOfCycle(state: BusState, timing: BusTiming, nowMs: number): NextQuestion {
  const endMs = state.cycleStartMs + timing.cycleMs;
  // A cycle that is late is not made up for by faster ones.
  const startMs = nowMs - endMs < timing.cycleMs ? endMs : nowMs;
  const next: BusState = {
    ...state,
    cycle: state.cycle + 1,
    cycleStartMs: startMs,
    lastCycleMs: startMs - state.cycleStartMs,
    silentAsked: false,
  };
  const board = findInTurn(next, nowMs);
  if (board !== undefined) return ask(next, board, false);
  return { kind: 'wait', untilMs: Math.min(startMs + timing.cycleMs, dueFromMs(next, nowMs)), state: next };
}

function ask(state: BusState, board: number, outOfTurn: boolean): NextQuestion {
  const asked = state.boards[board];
  const silent = asked !== undefined && isSilent(asked);
  return {
    kind: 'ask',
    board,
    state: {
      ...state,
      asked: board,
      outOfTurn,
      silentTurn: silent ? board : state.silentTurn,
      silentAsked: state.silentAsked || silent,
    },
  };
}

function findInTurn(state: BusState, nowMs: number): number | undefined {
  const { boards, cycle, silentTurn } = state;
  const due = (board: PolledBoard): boolean => board.cycle < cycle && board.notBeforeMs <= nowMs;
  const living = boards.findIndex((board) => !isSilent(board) && due(board));
  if (living !== -1) return living;
  // Where nobody answers there is no cycle to protect.
  if (state.silentAsked && boards.some((board) => !isSilent(board))) return undefined;
  for (let step = 1; step <= boards.length; step += 1) {
    const index = (silentTurn + step) % boards.length;
    const board = boards[index];
    if (board !== undefined && isSilent(board) && due(board)) return index;
  }
  return undefined;
}

/** When the first board that must wait may be asked. */
function dueFromMs(state: BusState, nowMs: number): number {
  const waiting = state.boards.filter(
    (board) => board.notBeforeMs > nowMs && (board.wanted > 0 || board.cycle < state.cycle),
  );
  return Math.min(...waiting.map((board) => board.notBeforeMs));
}

function findWanted(state: BusState, nowMs: number): number | undefined {
  const index = state.boards.findIndex((board) => board.wanted > 0 && board.notBeforeMs <= nowMs);
  return index === -1 ? undefined : index;
}

/** Its last question had no answer: the next one probably costs a timeout too. */
function isSilent(board: PolledBoard): boolean {
  return board.health.misses > 0 && board.health.damaged === 0;
}
