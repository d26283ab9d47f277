/**
 * Frames that are not about the open question: late answers, second answers, boards that speak by themselves, late
 * replies to an unlock, and what only a second master explains. None of them becomes a reading.
 */
import type { Board, Message } from '../board-family.ts';
import { boardOf, count, indexOf, judgeBoard, polledOf, pollOf, type Run, set, setBoard } from './bus-run.ts';
import { isLateReply } from './bus-unlock.ts';
import { addSign } from './strangers.ts';

/** No answer is waited out longer than this. */
const LATE_ANSWER_MAX_MS = 20_000;

/** A frame between questions. */
export function hearStray(run: Run, board: Board, frame: Uint8Array): void {
  const message = pollOf(run, { board: run.state.asked, poll: polledOf(run, run.state.asked).lastPoll }).interpret(
    frame,
  );
  if (message.kind === 'states' || message.kind === 'wrong_channels') hearUnasked(run, board.family, board.address);
  else hearBeside(run, board, message, frame);
}

/** A frame that is not about the open question. */
export function hearBeside(run: Run, board: Board, message: Message, frame: Uint8Array): void {
  if (message.kind === 'hint') {
    count(run, 'hints');
    const index = indexOf(run, board.family, message.address);
    if (index !== undefined) setBoard(run, index, { wanted: boardOf(run, index).polls.length });
  } else if (message.kind === 'other_board') hearUnasked(run, board.family, message.address);
  else if (message.kind === 'echo') count(run, 'echoes');
  else if (isLateReply(run, frame)) count(run, 'late_unlock_replies');
  else {
    count(run, 'foreign');
    noteStranger(run);
  }
}

/** A frame that no question of this gateway explains. */
function noteStranger(run: Run): void {
  const { nowMs } = run.at;
  // A serial server may still hold what came before this connection.
  if (nowMs - run.state.openedMs < run.plan.timing.lateAnswerMs) return;
  const before = run.state.strangers.present;
  set(run, { strangers: addSign(run.state.strangers, nowMs) });
  if (before || !run.state.strangers.present) return;
  for (const index of run.state.boards.keys()) judgeBoard(run, index, { kind: 'second_master' });
}

/** A sound answer from a board whose question is not open. */
function hearUnasked(run: Run, family: string, address: number): void {
  const index = indexOf(run, family, address);
  const board = index === undefined ? undefined : run.state.boards[index];
  if (index === undefined || board === undefined) {
    count(run, 'unasked');
    noteStranger(run);
  } else if (run.at.nowMs < board.owedUntilMs) {
    count(run, 'late');
    const lateMs = Math.min(LATE_ANSWER_MAX_MS, Math.max(board.lateMs, 2 * (run.at.nowMs - board.askedAtMs)));
    setBoard(run, index, { lateMs, notBeforeMs: Math.max(board.notBeforeMs, board.askedAtMs + lateMs) });
  } else if (run.at.nowMs - board.askedAtMs <= 2 * run.plan.timing.replyTimeoutMs) {
    // Its question was answered a moment ago: this is the second answer to it.
    count(run, 'doubles');
    if (!run.state.strangers.present) judgeBoard(run, index, { kind: 'double' });
  } else {
    count(run, 'unasked');
    noteStranger(run);
  }
}
