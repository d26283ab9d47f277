/**
 * Who is asked next: each answering board once per cycle, with all of its polls, in the order of the settings. Pure.
 *
 * A silent board costs a whole reply timeout, so the silent ones come last in a cycle, one each time in rotation, and
 * each waits ever longer: the cycle of the others does not grow with the number of dead boards. A board that spoke by
 * itself, and one whose lock was told to open, is asked out of turn, between two in turn: nobody starves.
 */
import { present } from '../../../base/assert.ts';
import type { ChannelState } from '../../contracts/reading.ts';
import { type BusState, copyBoard, copyBus, type PolledBoard, type Watch } from './bus-state.ts';
import type { BusTiming } from './settings.ts';

/** Between two questions to a board whose lock was told to open, when nobody else is due. */
export const WATCH_EVERY_MS = 50;
/** Custody wants two equal readings: the board is asked often for a moment longer. */
const WATCH_AFTER_CHANGE_MS = 500;

export type NextQuestion =
  | { readonly kind: 'ask'; readonly board: number; readonly poll: number; readonly state: BusState }
  | { readonly kind: 'wait'; readonly untilMs: number; readonly state: BusState };

export function nextQuestion(before: BusState, timing: BusTiming, nowMs: number): NextQuestion {
  const state = endWatches(before, nowMs);
  const extra = (): NextQuestion | undefined => {
    const wanted = findWanted(state, nowMs);
    if (wanted !== undefined) return ask(state, wanted, true, nowMs);
    const seen = state.boards.findIndex((board) => watchDueMs(board) <= nowMs);
    return seen === -1 ? undefined : ask(state, seen, true, nowMs, state.boards[seen]?.watch?.poll);
  };
  const first = state.outOfTurn ? undefined : extra();
  if (first !== undefined) return first;
  const inTurn = findInTurn(state, nowMs);
  if (inTurn !== undefined) return ask(state, inTurn, false, nowMs);
  const second = state.outOfTurn ? extra() : undefined;
  if (second !== undefined) return second;
  const endMs = state.cycleStartMs + timing.cycleMs;
  if (nowMs < endMs) return { kind: 'wait', untilMs: Math.min(endMs, dueFromMs(state, nowMs)), state };
  return firstOfCycle(state, timing, nowMs);
}

/** A reading of a board whose lock was told to open. */
export function watched(watch: Watch, poll: number, channels: readonly ChannelState[], nowMs: number): Watch {
  const now = channels.find(({ channel }) => channel === watch.channel)?.feedback;
  if (now === undefined) return watch;
  if (watch.from === undefined) return { ...watch, poll, from: now };
  if (now === watch.from) return { ...watch, poll };
  return { ...watch, poll, untilMs: Math.min(watch.untilMs, nowMs + WATCH_AFTER_CHANGE_MS) };
}

function endWatches(state: BusState, nowMs: number): BusState {
  if (!state.boards.some(({ watch }) => watch !== undefined && watch.untilMs <= nowMs)) return state;
  const boards = state.boards.map((board) =>
    board.watch !== undefined && board.watch.untilMs <= nowMs ? { ...board, watch: undefined } : board,
  );
  return { ...state, boards };
}

function watchDueMs(board: PolledBoard): number {
  if (board.watch === undefined) return Number.POSITIVE_INFINITY;
  return Math.max(board.askedAtMs + WATCH_EVERY_MS, board.notBeforeMs);
}

function firstOfCycle(state: BusState, timing: BusTiming, nowMs: number): NextQuestion {
  const endMs = state.cycleStartMs + timing.cycleMs;
  // A cycle that is late is not made up for by faster ones.
  const startMs = nowMs - endMs < timing.cycleMs ? endMs : nowMs;
  const next: BusState = Object.assign(copyBus(state), {
    cycle: state.cycle + 1,
    cycleStartMs: startMs,
    lastCycleMs: startMs - state.cycleStartMs,
    silentAsked: false,
  });
  const board = findInTurn(next, nowMs);
  if (board !== undefined) return ask(next, board, false, nowMs);
  return { kind: 'wait', untilMs: Math.min(startMs + timing.cycleMs, dueFromMs(next, nowMs)), state: next };
}

/** `only` names a poll that is asked beside the rotation. */
function ask(state: BusState, index: number, outOfTurn: boolean, nowMs: number, only?: number): NextQuestion {
  const board = present(state.boards[index], 'a polled board');
  const silent = isSilent(board);
  const poll = only ?? board.poll;
  const rotated = only === undefined || only === board.poll;
  const isLast = poll + 1 === board.looks.length;
  const asked: PolledBoard = Object.assign(copyBoard(board), {
    wanted: Math.max(0, board.wanted - 1),
    poll: rotated ? (isLast ? 0 : poll + 1) : board.poll,
    lastPoll: poll,
    cycle: rotated && isLast ? state.cycle : board.cycle,
    askedAtMs: nowMs,
  });
  const next = Object.assign(copyBus(state), {
    asked: index,
    outOfTurn,
    silentTurn: silent ? index : state.silentTurn,
    silentAsked: state.silentAsked || silent,
  });
  next.boards[index] = asked;
  return { kind: 'ask', board: index, poll, state: next };
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
  const watches = state.boards.map(watchDueMs).filter((dueMs) => dueMs > nowMs);
  return Math.min(...waiting.map((board) => board.notBeforeMs), ...watches);
}

function findWanted(state: BusState, nowMs: number): number | undefined {
  const index = state.boards.findIndex((board) => board.wanted > 0 && board.notBeforeMs <= nowMs);
  return index === -1 ? undefined : index;
}

/** Its last question had no answer: the next one probably costs a timeout too. */
function isSilent(board: PolledBoard): boolean {
  return board.health.misses > 0 && board.health.damaged === 0;
}
