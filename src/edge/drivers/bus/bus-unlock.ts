/**
 * One unlock frame on the bus: sent once, between two questions, and never again.
 *
 * Nothing that comes back while it is open can become a reading, and no reply proves that a door opened: the board is
 * asked at once and often afterwards, and only its status answers say what happened. What the write did not confirm has
 * perhaps left: the answer is then `sent`, `missing`.
 */
import { equalBytes } from '../../../base/bytes.ts';
import type { Cut } from '../frame-cutter.ts';
import type { UnlockAnswer } from '../line.ts';
import { boardOf, count, drain, polledOf, type Run, set, setBoard, unlockingOf } from './bus-run.ts';
import type { OpenUnlock, UnlockOrder } from './bus-state.ts';
import { gaveNoEcho, givesEcho } from './echo.ts';

export const UNLOCKS_WAITING_MAX = 32;
/** So long a board is asked often after an unlock, unless its lock is seen to change before. */
export const WATCH_MS = 5_000;
/** A reply to an unlock that comes later than expected is known as one for so long. */
export const LATE_REPLY_MS = 10_000;

export function orderUnlock(run: Run, order: UnlockOrder): void {
  const { phase, unlocks } = run.state;
  if (phase.kind === 'down') end(run, order.ticket, { kind: 'not_sent', reason: 'port_not_open' });
  else if (unlocks.length >= UNLOCKS_WAITING_MAX) end(run, order.ticket, { kind: 'not_sent', reason: 'line_busy' });
  else set(run, { unlocks: [...unlocks, order] });
}

/** Whoever ordered it does not want it any more: certain only while it waits. */
export function cancelUnlock(run: Run, ticket: number): void {
  const unlocks = run.state.unlocks.filter((order) => order.ticket !== ticket);
  if (unlocks.length === run.state.unlocks.length) return;
  set(run, { unlocks });
  end(run, ticket, { kind: 'not_sent', reason: 'stopped' });
}

/** The port went away, or the line stops. What had begun to leave may have left. */
export function loseUnlocks(run: Run, reason: 'port_not_open' | 'line_busy' | 'stopped'): void {
  const { phase, unlocks } = run.state;
  if (phase.kind === 'unlocking') {
    end(run, phase.unlock.order.ticket, { kind: 'sent', sentUpMs: phase.unlock.sentUpMs, reply: 'missing' });
  }
  set(run, { unlocks: [] });
  for (const { ticket } of unlocks) end(run, ticket, { kind: 'not_sent', reason });
}

/** The line is quiet and no question is open. True when an unlock left. */
export function sendUnlock(run: Run): boolean {
  const [order, ...unlocks] = run.state.unlocks;
  if (order === undefined) return false;
  const { plan, at } = run;
  const unlocking = unlockingOf(run, order.board);
  const frame = unlocking.frame(order.channel);
  const dueMs = at.nowMs + frame.length * plan.timing.byteMs + plan.timing.turnaroundMs;
  const unlock: OpenUnlock = {
    order,
    frame,
    sentUpMs: at.observed.upMs,
    written: false,
    dueMs,
    limitMs: dueMs,
    same: 0,
    accepted: 0,
    rejected: 0,
  };
  set(run, { unlocks, asked: order.board, phase: { kind: 'unlocking', unlock }, wakeAtMs: undefined });
  run.outputs.push({ kind: 'send_unlock', frame });
  return true;
}

export function unlockWritten(run: Run, unlock: OpenUnlock): void {
  const { timing } = run.plan;
  const { reply, replyBytes, replyTimeoutMs } = unlockingOf(run, unlock.order.board);
  const frameMs = unlock.frame.length * timing.byteMs;
  const waitMs = reply === 'none' ? timing.turnaroundMs : replyTimeoutMs + replyBytes * timing.byteMs;
  const dueMs = Math.max(unlock.dueMs, run.at.nowMs + frameMs + waitMs);
  const limitMs = dueMs + 2 * timing.turnaroundMs + frameMs;
  set(run, { phase: { kind: 'unlocking', unlock: { ...unlock, written: true, dueMs, limitMs } }, wakeAtMs: dueMs });
}

/** The write failed: what left is unknown. */
export function unlockFailed(run: Run, unlock: OpenUnlock): void {
  finish(run, unlock, 'missing');
}

/** Answers `true` when the frame was about the unlock, and is no sign of anything else. */
function hearReply(run: Run, unlock: OpenUnlock, frame: Uint8Array): OpenUnlock | undefined {
  if (equalBytes(frame, unlock.frame)) return { ...unlock, same: unlock.same + 1 };
  const message = unlockingOf(run, unlock.order.board).interpret(frame, unlock.order.channel);
  if (message.kind !== 'unlock') return undefined;
  if (message.accepted) return { ...unlock, accepted: unlock.accepted + 1 };
  return { ...unlock, rejected: unlock.rejected + 1 };
}

/** Frames that are not about the unlock are handed to `beside`. */
export function hearDuringUnlock(
  run: Run,
  open: OpenUnlock,
  cuts: readonly Cut[],
  beside: (frame: Uint8Array) => void,
): void {
  let unlock = open;
  for (const cut of cuts) {
    if (cut.kind === 'skipped') continue;
    const heard = hearReply(run, unlock, cut.frame);
    if (heard === undefined) beside(cut.frame);
    else unlock = heard;
  }
  // A reply ends the wait as soon as the line is quiet; a frame that may be the echo does not.
  const quietMs = run.at.nowMs + run.plan.timing.turnaroundMs;
  const replied = unlock.accepted + unlock.rejected > 0;
  const dueMs = replied ? quietMs : Math.max(unlock.dueMs, quietMs);
  unlock = { ...unlock, dueMs: unlock.written ? Math.min(unlock.limitMs, dueMs) : unlock.dueMs };
  set(run, { phase: { kind: 'unlocking', unlock }, wakeAtMs: unlock.written ? unlock.dueMs : undefined });
}

/** Time is up, and the cutter's rest was heard. */
export function closeUnlock(run: Run, unlock: OpenUnlock): void {
  finish(run, unlock, replyOf(run, unlock));
}

type ReplyWord = Extract<UnlockAnswer, { kind: 'sent' }>['reply'];

function replyOf(run: Run, { order, accepted, rejected, same }: OpenUnlock): ReplyWord {
  const { reply } = unlockingOf(run, order.board);
  if (reply === 'none') return 'none_expected';
  if (reply === 'echo') {
    if (accepted + rejected > 0) return 'ambiguous';
    if (same === 0) return 'missing';
    if (gaveNoEcho(run.state, run.plan.timing)) return same === 1 ? 'accepted' : 'ambiguous';
    if (givesEcho(run.state, run.plan.timing)) return same === 1 ? 'missing' : same === 2 ? 'accepted' : 'ambiguous';
    return 'ambiguous';
  }
  if (accepted + rejected > 1) return 'ambiguous';
  // Of some families the reply can be the request itself: on a line without echo that is the board's word, of no meaning.
  const isReply = same > (gaveNoEcho(run.state, run.plan.timing) ? 0 : 1);
  const mayBeReply = isReply || (same === 1 && !givesEcho(run.state, run.plan.timing));
  if (accepted + rejected === 0) return mayBeReply ? 'ambiguous' : 'missing';
  return accepted === 1 ? 'accepted' : 'rejected';
}

function finish(run: Run, unlock: OpenUnlock, reply: ReplyWord): void {
  const { order, frame, sentUpMs } = unlock;
  const { board, channel } = order;
  count(run, 'unlocks');
  end(run, order.ticket, { kind: 'sent', sentUpMs, reply });
  const { looks } = polledOf(run, board);
  const poll = looks.findIndex((look) => look?.channels.some((each) => each.channel === channel) === true);
  const known = looks[poll]?.channels.find((each) => each.channel === channel)?.feedback;
  const one = boardOf(run, board).polls.length === 1 ? 0 : undefined;
  setBoard(run, board, {
    watch: {
      channel,
      poll: poll === -1 ? one : poll,
      from: known,
      untilMs: run.at.nowMs + WATCH_MS,
    },
    unlocked: { channel, frame, untilMs: run.at.nowMs + LATE_REPLY_MS },
  });
  drain(run, run.plan.timing.turnaroundMs);
}

/** A frame that comes after its unlock was closed, and is the reply to it or its echo. */
export function isLateReply(run: Run, frame: Uint8Array): boolean {
  return run.state.boards.some(({ unlocked }, index) => {
    if (unlocked === undefined || run.at.nowMs > unlocked.untilMs) return false;
    if (equalBytes(frame, unlocked.frame)) return true;
    return unlockingOf(run, index).interpret(frame, unlocked.channel).kind === 'unlock';
  });
}

function end(run: Run, ticket: number, answer: UnlockAnswer): void {
  run.outputs.push({ kind: 'unlock_end', ticket, answer });
}
