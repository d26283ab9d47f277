/**
 * The bus master as a pure machine: one question at a time on a half-duplex line that it shares with nobody.
 *
 * An answer counts only if it is sound, comes from the asked board while its question is open, is the only one, and the
 * line then stays quiet for the turnaround time. What is damaged, echoed, late or ambiguous is counted and never
 * becomes a reading. After a question without an answer the line is drained, the board is left alone for longer than
 * an answer can be late, and its next answer only shows that it lives: so a late answer cannot pass for a fresh one.
 */
import { unreachable } from '../../../base/assert.ts';
import type { ChannelState } from '../../contracts/reading.ts';
import type { Cut } from '../frame-cutter.ts';
import type { Outcome } from './board-health.ts';
import { looked, rated } from './board-rates.ts';
import {
  adopt,
  beginRun,
  boardOf,
  count,
  DRAIN_LIMIT_MS,
  drain,
  judgeBoard,
  polledOf,
  pollOf,
  type Run,
  set,
  setBoard,
  wakeWhenQuiet,
} from './bus-run.ts';
import type { BusInput, BusPlan, BusState, BusStep, Look, Moment, Window } from './bus-state.ts';
import {
  cancelUnlock,
  closeUnlock,
  hearDuringUnlock,
  loseUnlocks,
  orderUnlock,
  sendUnlock,
  unlockFailed,
  unlockWritten,
} from './bus-unlock.ts';
import { gaveNoEcho } from './echo.ts';
import { nextQuestion, watched } from './poll-plan.ts';
import { NO_STRANGERS, withTime } from './strangers.ts';
import { hearBeside, hearStray } from './strays.ts';
import { endOfWindow, hearFrame, openWindow, prolong, type Sound } from './window.ts';

/** A lost board is asked ever more rarely. */
const SILENT_WAIT_MAX_MS = 10_000;
const DRAIN_QUIET_MS = 40;
/** Questions in a row that one of a board's polls did not answer, while others did. */
const MUTE_TO_FAULT = 4;
/** Drains in a row without quiet before the line is said to babble. */
export const RESTLESS_TO_BABBLE = 3;
const LIVENESS_MAX_MS = 300_000;
/**
 * Should it be later still: for so many times the lateness a window does not close early, so that the fresh answer
 * shows beside the late one, and neither is believed.
 */
const OWED_WAITS = 2;
/** Pauses of different length after an answer that could not be used. */
const RESYNC_PAUSES = 3;
/** A timer so late says that the event loop stood still: the answer may lie unread in the kernel. */
const LAG_MS = 50;
const LAG_GRACE_MS = 20;

export function busStep(plan: BusPlan, state: BusState, input: BusInput, at: Moment): BusStep {
  const run = beginRun(plan, state, at);
  switch (input.kind) {
    case 'port_open':
      portOpen(run);
      break;
    case 'port_lost':
      portLost(run);
      break;
    case 'cuts':
      hear(run, input.sizeBytes, input.cuts);
      break;
    case 'flushed':
      hear(run, 0, input.cuts);
      if (run.state.phase.kind === 'unlocking') closeUnlock(run, run.state.phase.unlock);
      else closeWindow(run);
      break;
    case 'written':
      written(run);
      break;
    case 'write_failed':
      // What left is unknown: the answer, if any, is nobody's.
      if (run.state.phase.kind === 'asking') drain(run, DRAIN_QUIET_MS);
      else if (run.state.phase.kind === 'unlocking') unlockFailed(run, run.state.phase.unlock);
      break;
    case 'unlock':
      orderUnlock(run, input.order);
      if (run.state.phase.kind === 'idle') askNext(run);
      break;
    case 'cancel_unlock':
      cancelUnlock(run, input.ticket);
      break;
    case 'stop':
      loseUnlocks(run, 'stopped');
      set(run, { phase: { kind: 'down' }, wakeAtMs: undefined });
      break;
    case 'tick':
      tick(run);
      break;
    default:
      return unreachable(input);
  }
  return { state: run.state, outputs: run.outputs };
}

function portOpen(run: Run): void {
  const { nowMs } = run.at;
  const fresh = { resync: true, owedUntilMs: 0, notBeforeMs: 0, silentWaitMs: 0, wanted: 0, poll: 0, watch: undefined };
  for (const index of run.state.boards.keys()) setBoard(run, index, fresh);
  set(run, {
    cycleStartMs: nowMs,
    lastLifeMs: nowMs,
    lastByteMs: nowMs,
    strayBytes: 0,
    echoless: 0,
    echoed: 0,
    restless: 0,
    openedMs: nowMs,
    strangers: NO_STRANGERS,
  });
  drain(run, run.plan.timing.turnaroundMs);
}

function portLost(run: Run): void {
  loseUnlocks(run, 'port_not_open');
  set(run, { phase: { kind: 'down' }, wakeAtMs: undefined });
  for (const index of run.state.boards.keys()) judgeBoard(run, index, { kind: 'port_lost' });
}

function written(run: Run): void {
  const { phase } = run.state;
  if (phase.kind === 'unlocking' && !phase.unlock.written) unlockWritten(run, phase.unlock);
  if (phase.kind !== 'asking' || phase.window.written) return;
  const window = prolong({ ...phase.window, written: true }, pollOf(run, phase.window), run.plan.timing, run.at);
  set(run, { phase: { kind: 'asking', window }, wakeAtMs: window.dueMs });
}

function hear(run: Run, sizeBytes: number, cuts: readonly Cut[]): void {
  const { phase } = run.state;
  if (phase.kind === 'down') return;
  if (sizeBytes > 0) set(run, { lastByteMs: run.at.nowMs });
  if (phase.kind === 'unlocking') {
    const board = boardOf(run, run.state.asked);
    hearDuringUnlock(run, phase.unlock, cuts, (frame) => hearStray(run, board, frame));
    return;
  }
  if (phase.kind !== 'asking') {
    set(run, { strayBytes: run.state.strayBytes + sizeBytes });
    for (const cut of cuts) if (cut.kind === 'frame') hearStray(run, boardOf(run, run.state.asked), cut.frame);
    if (phase.kind === 'draining') wakeWhenQuiet(run);
    else if (run.state.boards.some((polled) => polled.wanted > 0)) set(run, { wakeAtMs: run.at.nowMs });
    return;
  }
  let { window } = phase;
  const board = boardOf(run, window.board);
  for (const cut of cuts) {
    if (cut.kind === 'skipped') window = { ...window, noiseBytes: window.noiseBytes + cut.sizeBytes };
    else {
      const heard = hearFrame(window, pollOf(run, window), cut.frame, gaveNoEcho(run.state, run.plan.timing), run.at);
      window = heard.window;
      if (heard.count !== undefined) count(run, heard.count);
      if (heard.beside !== undefined) hearBeside(run, board, heard.beside, cut.frame);
    }
  }
  if (sizeBytes > 0) {
    const quietMs = run.at.nowMs + run.plan.timing.turnaroundMs;
    const early = (window.answers > 0 || window.wrongChannels) && !window.owed;
    window = { ...window, dueMs: Math.min(window.limitMs, early ? quietMs : Math.max(window.dueMs, quietMs)) };
  }
  set(run, { phase: { kind: 'asking', window }, wakeAtMs: window.dueMs });
}

function tick(run: Run): void {
  const { phase } = run.state;
  const { nowMs } = run.at;
  if (phase.kind === 'asking') {
    const { window } = phase;
    const waits = nowMs < window.dueMs || (!window.written && window.answers === 0);
    // `written` or `write_failed` comes for certain: a port bounds its writes.
    if (waits) set(run, { wakeAtMs: nowMs < window.dueMs ? window.dueMs : undefined });
    else if (nowMs - window.dueMs > LAG_MS && !window.graced) {
      const dueMs = nowMs + LAG_GRACE_MS;
      const graced = { ...window, graced: true, dueMs, limitMs: Math.max(dueMs, window.limitMs) };
      set(run, { phase: { kind: 'asking', window: graced }, wakeAtMs: dueMs });
    } else run.outputs.push({ kind: 'flush' });
  } else if (phase.kind === 'unlocking') {
    const { dueMs, written: left } = phase.unlock;
    // `written` or `write_failed` comes for certain: a port bounds its writes.
    if (!left || nowMs < dueMs) set(run, { wakeAtMs: left ? dueMs : undefined });
    else run.outputs.push({ kind: 'flush' });
  } else if (phase.kind === 'draining') drained(run, phase);
  else if (phase.kind === 'idle') askNext(run);
}

function closeWindow(run: Run): void {
  const { phase } = run.state;
  if (phase.kind !== 'asking') return;
  const { window } = phase;
  const polled = polledOf(run, window.board);
  const end = endOfWindow(window, pollOf(run, window), {
    resync: polled.resync,
    mayBeLate: polled.resync || window.owed,
    quietBefore: run.state.strayBytes === 0,
  });
  for (const what of end.counts) count(run, what);
  set(run, { strayBytes: 0, strangers: withTime(run.state.strangers, run.at.nowMs) });
  if (end.outcome.kind === 'answer') {
    const echoless = window.echoes > 0 ? 0 : run.state.echoless + 1;
    const echoed = window.echoes === 1 ? run.state.echoed + 1 : 0;
    set(run, { echoless, echoed, lastLifeMs: run.at.nowMs, livenessMs: run.plan.timing.livenessMs });
  }
  judgeWindow(run, window, end.outcome);
  if (end.outcome.kind === 'answer') {
    setBoard(run, window.board, { resync: false, silentWaitMs: 0 });
    if (end.askAgain) askAgain(run, window);
  }
  const { health } = polledOf(run, window.board);
  const believed = health.state === 'found' || health.reason === 'partly_silent';
  const reading = believed && health.doubles === 0 && !run.state.strangers.present ? end.reading : undefined;
  const { rates } = polledOf(run, window.board);
  setBoard(run, window.board, { rates: rated(rates, end.outcome.kind, reading !== undefined) });
  if (reading !== undefined) look(run, window, reading);
  if (end.outcome.kind === 'silence' || end.outcome.kind === 'damaged') unanswered(run, window.board, window.sentAtMs);
  else {
    set(run, { phase: { kind: 'idle' } });
    askNext(run);
  }
}

/** What the end of a question says about its board. */
function judgeWindow(run: Run, { board, poll }: Window, outcome: Outcome): void {
  const { mute } = polledOf(run, board);
  const unanswered = outcome.kind === 'silence' || outcome.kind === 'damaged';
  const counted = mute.map((times, index) => (index !== poll ? times : unanswered ? times + 1 : 0));
  setBoard(run, board, { mute: counted });
  if (run.state.strangers.present) {
    // Tangled answers are the other master's doing; silence is the board's own.
    if (outcome.kind === 'answer') judgeBoard(run, board, { ...outcome, doubt: 'second_master' });
    else if (outcome.kind === 'silence') judgeBoard(run, board, outcome);
  } else if (outcome.kind === 'answer' && counted.some((times) => times >= MUTE_TO_FAULT)) {
    judgeBoard(run, board, { ...outcome, doubt: 'partly_silent' });
  } else judgeBoard(run, board, outcome);
}

/** An answer that is believed. */
function look(run: Run, window: Window, sound: Sound): void {
  const { board, poll, askedUpMs } = window;
  const { looks, rates, watch, confirming, wanted } = polledOf(run, board);
  const before = looks[poll];
  const next: Look = { askedUpMs, channels: sound.channels };
  // Custody wants two equal readings: a door that opened for little more than a cycle is seen twice. Only once, or a
  // switch that chatters would starve the board's other polls.
  const confirm = !confirming && before !== undefined && differ(before.channels, sound.channels);
  if (confirm) setBoard(run, board, { poll, wanted: Math.max(1, wanted) });
  setBoard(run, board, {
    looks: looks.map((each, index) => (index === poll ? next : each)),
    rates: before === undefined ? rates : looked(rates, sound.observed.upMs - before.askedUpMs, run.at.nowMs),
    confirming: confirm,
    watch: watch === undefined ? undefined : watched(watch, poll, sound.channels, run.at.nowMs),
  });
  run.outputs.push({ kind: 'reading', board, askedUpMs, ...sound });
}

function differ(before: readonly ChannelState[], now: readonly ChannelState[]): boolean {
  return now.some(({ feedback, item }, index) => before[index]?.feedback !== feedback || before[index]?.item !== item);
}

/**
 * The answer only showed that the board lives. Should it have been a late one, the fresh one must not fall into the next
 * window; and since the pause differs from time to time, a board that is always late cannot keep in step with it.
 */
function askAgain(run: Run, { board, poll, sentAtMs }: Window): void {
  const { resyncs, wanted } = polledOf(run, board);
  const pauseMs = (1 + (resyncs % RESYNC_PAUSES)) * answerMs(run.plan);
  setBoard(run, board, { poll, wanted: Math.max(1, wanted), resyncs: resyncs + 1, notBeforeMs: sentAtMs + pauseMs });
}

/**
 * The pause before the board is asked again is longer than its answer can be late, so that a late answer falls into the
 * pause and not into the next window.
 */
function unanswered(run: Run, index: number, sentAtMs: number): void {
  const board = polledOf(run, index);
  // A broken answer came, so hardly another one is on its way.
  const broken = board.health.damaged > 0;
  const lost = board.health.state === 'lost';
  const longerMs = Math.max(board.lateMs, Math.min(SILENT_WAIT_MAX_MS, 2 * board.silentWaitMs));
  const silentWaitMs = lost ? longerMs : board.lateMs;
  const owedMs = broken ? board.lateMs : OWED_WAITS * board.lateMs;
  setBoard(run, index, {
    resync: true,
    owedUntilMs: Math.max(board.owedUntilMs, sentAtMs + owedMs),
    silentWaitMs: broken ? board.silentWaitMs : silentWaitMs,
    notBeforeMs: sentAtMs + (broken ? 2 * answerMs(run.plan) : silentWaitMs),
  });
  drain(run, DRAIN_QUIET_MS);
}

/** From a question to the end of its answer, wire time apart. */
function answerMs(plan: BusPlan): number {
  return plan.timing.replyTimeoutMs + plan.timing.turnaroundMs;
}

function drained(run: Run, phase: { readonly sinceMs: number; readonly quietMs: number }): void {
  const { nowMs } = run.at;
  // The same sum as the timer's: a difference of fractions can stay a hair below, and the timer would be due for ever.
  const quiet = nowMs >= run.state.lastByteMs + phase.quietMs;
  if (!quiet && nowMs - phase.sinceMs < DRAIN_LIMIT_MS) {
    wakeWhenQuiet(run);
    return;
  }
  set(run, { phase: { kind: 'idle' }, restless: quiet ? 0 : run.state.restless + 1 });
  if (run.state.restless >= RESTLESS_TO_BABBLE) {
    for (const index of run.state.boards.keys()) judgeBoard(run, index, { kind: 'babbling' });
  }
  // An unlock among noise may reach another lock than meant.
  if (!quiet) loseUnlocks(run, 'line_busy');
  // A line that never falls silent is asked all the same: noise may let an answer through.
  askNext(run, !quiet);
}

function askNext(run: Run, despiteNoise = false): void {
  const { plan, at } = run;
  const sinceLifeMs = at.nowMs - run.state.lastLifeMs;
  if (sinceLifeMs >= run.state.livenessMs) {
    const livenessMs = Math.min(LIVENESS_MAX_MS, run.state.livenessMs * 2);
    set(run, { phase: { kind: 'idle' }, lastLifeMs: at.nowMs, livenessMs, wakeAtMs: at.nowMs + plan.timing.cycleMs });
    run.outputs.push({ kind: 'reopen', reason: `no board answered for ${Math.round(sinceLifeMs / 1_000)} s` });
    return;
  }
  if (run.state.unlocks.length > 0) {
    if (at.nowMs < run.state.lastByteMs + plan.timing.turnaroundMs) drain(run, plan.timing.turnaroundMs);
    else sendUnlock(run);
    return;
  }
  const next = nextQuestion(run.state, plan.timing, at.nowMs);
  if (next.kind === 'wait') {
    adopt(run, next.state);
    set(run, { phase: { kind: 'idle' }, wakeAtMs: next.untilMs });
    return;
  }
  if (!despiteNoise && at.nowMs < run.state.lastByteMs + plan.timing.turnaroundMs) {
    drain(run, plan.timing.turnaroundMs);
    return;
  }
  adopt(run, next.state);
  const { owedUntilMs } = polledOf(run, next.board);
  const poll = pollOf(run, next);
  const window = { ...openWindow(next.board, next.poll, poll, plan.timing, at), owed: at.nowMs < owedUntilMs };
  set(run, { phase: { kind: 'asking', window }, wakeAtMs: window.dueMs });
  run.outputs.push({ kind: 'send', board: next.board, request: poll.request });
}
