/**
 * The bus master as a pure machine: one question at a time on a half-duplex line that it shares with nobody.
 *
 * An answer counts only if it is sound, comes from the asked board while its question is open, is the only one, and the
 * line then stays quiet for the turnaround time. What is damaged, echoed, late or ambiguous is counted and never
 * becomes a reading. After a question without an answer the line is drained, the board is left alone for longer than
 * an answer can be late, and its next answer only shows that it lives: so a late answer cannot pass for a fresh one.
 */
import { present, unreachable } from '../../../base/assert.ts';
import type { Board, Message, Poll } from '../board-family.ts';
import type { Cut } from '../frame-cutter.ts';
import { judge, type Outcome } from './board-health.ts';
import type {
  BusCount,
  BusInput,
  BusOutput,
  BusPlan,
  BusState,
  BusStep,
  Moment,
  PolledBoard,
  Window,
} from './bus-state.ts';
import { nextQuestion } from './poll-plan.ts';
import { endOfWindow, hearFrame, openWindow, prolong } from './window.ts';

/** No answer is waited out longer than this. */
const LATE_ANSWER_MAX_MS = 20_000;
/** A lost board is asked ever more rarely. */
const SILENT_WAIT_MAX_MS = 10_000;
const DRAIN_QUIET_MS = 40;
const DRAIN_LIMIT_MS = 1_000;
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

/** The state while a step runs: replaced, never written into. */
interface Run {
  readonly plan: BusPlan;
  readonly at: Moment;
  readonly outputs: BusOutput[];
  state: BusState;
}

export function busStep(plan: BusPlan, state: BusState, input: BusInput, at: Moment): BusStep {
  const run: Run = { plan, at, outputs: [], state };
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
      closeWindow(run);
      break;
    case 'written':
      written(run);
      break;
    case 'write_failed':
      // What left is unknown: the answer, if any, is nobody's.
      if (run.state.phase.kind === 'asking') drain(run, DRAIN_QUIET_MS);
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
  const boards = run.state.boards.map((board): PolledBoard => {
    return { ...board, resync: true, owedUntilMs: 0, notBeforeMs: 0, silentWaitMs: 0, wanted: 0, poll: 0 };
  });
  set(run, {
    boards,
    cycleStartMs: nowMs,
    lastLifeMs: nowMs,
    lastByteMs: nowMs,
    strayBytes: 0,
    echoless: 0,
    restless: 0,
  });
  drain(run, run.plan.timing.turnaroundMs);
}

function portLost(run: Run): void {
  set(run, { phase: { kind: 'down' }, wakeAtMs: undefined });
  for (const index of run.state.boards.keys()) judgeBoard(run, index, { kind: 'port_lost' });
}

function written(run: Run): void {
  const { phase } = run.state;
  if (phase.kind !== 'asking' || phase.window.written) return;
  const window = prolong({ ...phase.window, written: true }, pollOf(run, phase.window), run.plan.timing, run.at);
  set(run, { phase: { kind: 'asking', window }, wakeAtMs: window.dueMs });
}

function hear(run: Run, sizeBytes: number, cuts: readonly Cut[]): void {
  const { phase } = run.state;
  if (phase.kind === 'down') return;
  if (sizeBytes > 0) set(run, { lastByteMs: run.at.nowMs });
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
      const heard = hearFrame(window, pollOf(run, window), cut.frame, run.state.echoless, run.at);
      window = heard.window;
      if (heard.count !== undefined) count(run, heard.count);
      if (heard.beside !== undefined) hearBeside(run, board, heard.beside);
    }
  }
  if (sizeBytes > 0) {
    const quietMs = run.at.nowMs + run.plan.timing.turnaroundMs;
    const early = (window.answers > 0 || window.wrongChannels) && !window.owed;
    window = { ...window, dueMs: Math.min(window.limitMs, early ? quietMs : Math.max(window.dueMs, quietMs)) };
  }
  set(run, { phase: { kind: 'asking', window }, wakeAtMs: window.dueMs });
}

/** A frame between questions. */
function hearStray(run: Run, board: Board, frame: Uint8Array): void {
  const message = pollOf(run, { board: run.state.asked, poll: polledOf(run, run.state.asked).lastPoll }).interpret(
    frame,
  );
  if (message.kind === 'states' || message.kind === 'wrong_channels') hearUnasked(run, board.family, board.address);
  else hearBeside(run, board, message);
}

/** A frame that is not about the open question. */
function hearBeside(run: Run, board: Board, message: Message): void {
  if (message.kind === 'hint') {
    count(run, 'hints');
    const index = indexOf(run, board.family, message.address);
    if (index !== undefined) setBoard(run, index, { wanted: boardOf(run, index).polls.length });
  } else if (message.kind === 'other_board') hearUnasked(run, board.family, message.address);
  else if (message.kind === 'echo') count(run, 'echoes');
  else count(run, 'foreign');
}

/** A sound answer from a board whose question is not open. */
function hearUnasked(run: Run, family: string, address: number): void {
  const index = indexOf(run, family, address);
  const board = index === undefined ? undefined : run.state.boards[index];
  if (index === undefined || board === undefined) {
    count(run, 'unasked');
  } else if (run.at.nowMs < board.owedUntilMs) {
    count(run, 'late');
    const lateMs = Math.min(LATE_ANSWER_MAX_MS, Math.max(board.lateMs, 2 * (run.at.nowMs - board.askedAtMs)));
    setBoard(run, index, { lateMs, notBeforeMs: Math.max(board.notBeforeMs, board.askedAtMs + lateMs) });
  } else if (run.at.nowMs - board.askedAtMs <= 2 * run.plan.timing.replyTimeoutMs) {
    // Its question was answered a moment ago: this is the second answer to it.
    count(run, 'doubles');
    judgeBoard(run, index, { kind: 'double' });
  } else {
    count(run, 'unasked');
  }
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
  set(run, { strayBytes: 0 });
  if (end.outcome.kind === 'answer') {
    const echoless = window.echoes > 0 ? 0 : run.state.echoless + 1;
    set(run, { echoless, lastLifeMs: run.at.nowMs, livenessMs: run.plan.timing.livenessMs });
  }
  judgeBoard(run, window.board, end.outcome);
  const { health } = polledOf(run, window.board);
  if (end.outcome.kind === 'answer') {
    setBoard(run, window.board, { resync: false, silentWaitMs: 0 });
    if (end.askAgain) askAgain(run, window);
  }
  if (end.reading !== undefined && health.state === 'found' && health.doubles === 0) {
    run.outputs.push({ kind: 'reading', board: window.board, askedUpMs: window.askedUpMs, ...end.reading });
  }
  if (end.outcome.kind === 'silence' || end.outcome.kind === 'damaged') unanswered(run, window.board, window.sentAtMs);
  else {
    set(run, { phase: { kind: 'idle' } });
    askNext(run);
  }
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

function drain(run: Run, quietMs: number): void {
  set(run, { phase: { kind: 'draining', sinceMs: run.at.nowMs, quietMs } });
  wakeWhenQuiet(run);
}

function wakeWhenQuiet(run: Run): void {
  const { phase, lastByteMs } = run.state;
  if (phase.kind !== 'draining') return;
  const quietAtMs = Math.max(lastByteMs + phase.quietMs, phase.sinceMs);
  set(run, { wakeAtMs: Math.min(quietAtMs, phase.sinceMs + DRAIN_LIMIT_MS) });
}

function drained(run: Run, phase: { readonly sinceMs: number; readonly quietMs: number }): void {
  const { nowMs } = run.at;
  const quiet = nowMs - run.state.lastByteMs >= phase.quietMs;
  if (!quiet && nowMs - phase.sinceMs < DRAIN_LIMIT_MS) {
    wakeWhenQuiet(run);
    return;
  }
  set(run, { phase: { kind: 'idle' }, restless: quiet ? 0 : run.state.restless + 1 });
  if (run.state.restless >= RESTLESS_TO_BABBLE) {
    for (const index of run.state.boards.keys()) judgeBoard(run, index, { kind: 'babbling' });
  }
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
  const next = nextQuestion(run.state, plan.timing, at.nowMs);
  if (next.kind === 'wait') {
    run.state = { ...next.state, phase: { kind: 'idle' }, wakeAtMs: next.untilMs };
    return;
  }
  if (!despiteNoise && at.nowMs - run.state.lastByteMs < plan.timing.turnaroundMs) {
    drain(run, plan.timing.turnaroundMs);
    return;
  }
  run.state = next.state;
  const { owedUntilMs, poll: index, wanted, cycle } = polledOf(run, next.board);
  const poll = pollOf(run, { board: next.board, poll: index });
  const window = { ...openWindow(next.board, index, poll, plan.timing, at), owed: at.nowMs < owedUntilMs };
  const isLast = index + 1 === boardOf(run, next.board).polls.length;
  setBoard(run, next.board, {
    wanted: Math.max(0, wanted - 1),
    poll: isLast ? 0 : index + 1,
    lastPoll: index,
    cycle: isLast ? run.state.cycle : cycle,
    askedAtMs: at.nowMs,
  });
  set(run, { phase: { kind: 'asking', window }, wakeAtMs: window.dueMs });
  run.outputs.push({ kind: 'send', board: next.board, request: poll.request });
}

function judgeBoard(run: Run, index: number, outcome: Outcome): void {
  const { health, change } = judge(polledOf(run, index).health, outcome);
  setBoard(run, index, { health });
  if (change !== undefined) run.outputs.push({ kind: 'device', board: index, change });
}

function count(run: Run, what: BusCount): void {
  run.outputs.push({ kind: 'count', what });
}

function set(run: Run, change: Partial<BusState>): void {
  run.state = { ...run.state, ...change };
}

function setBoard(run: Run, index: number, change: Partial<PolledBoard>): void {
  const boards = run.state.boards.map((board, at) => (at === index ? { ...board, ...change } : board));
  set(run, { boards });
}

function polledOf(run: Run, index: number): PolledBoard {
  return present(run.state.boards[index], 'a polled board');
}

function boardOf(run: Run, index: number): Board {
  return present(run.plan.boards[index], 'a board');
}

function pollOf(run: Run, { board, poll }: Pick<Window, 'board' | 'poll'>): Poll {
  return present(boardOf(run, board).polls[poll], 'a poll');
}

function indexOf(run: Run, family: string, address: number): number | undefined {
  const index = run.plan.boards.findIndex((board) => board.family === family && board.address === address);
  return index === -1 ? undefined : index;
}
