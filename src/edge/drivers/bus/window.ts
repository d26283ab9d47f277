/**
 * One question and what the line gave back while it was open. Pure.
 */
import { equalBytes } from '../../../base/bytes.ts';
import type { Observed } from '../../contracts/observed.ts';
import type { ChannelState } from '../../contracts/reading.ts';
import type { Message, Poll } from '../board-family.ts';
import type { Outcome } from './board-health.ts';
import type { BusCount, Moment, Window } from './bus-state.ts';
import type { BusTiming } from './settings.ts';

/** RS-485 drivers add a byte or two when they turn around. An answer among more noise than that is not believed. */
export const NOISE_TOLERATED_BYTES = 3;

export function openWindow(board: number, index: number, poll: Poll, timing: BusTiming, at: Moment): Window {
  const window: Window = {
    board,
    poll: index,
    sentAtMs: at.nowMs,
    askedUpMs: at.observed.upMs,
    written: false,
    dueMs: at.nowMs,
    owed: false,
    limitMs: at.nowMs,
    graced: false,
    noiseBytes: 0,
    echoes: 0,
    answers: 0,
    wrongChannels: false,
    ambiguous: false,
  };
  return prolong(window, poll, timing, at, poll.request.length);
}

/** The reply time begins when the last byte of the request has left. */
export function prolong(window: Window, poll: Poll, timing: BusTiming, at: Moment, unsentBytes = 0): Window {
  if (window.answers > 0) return window;
  const wireMs = (unsentBytes + poll.replyBytes) * timing.byteMs;
  const dueMs = Math.max(window.dueMs, at.nowMs + timing.replyTimeoutMs + wireMs);
  return { ...window, dueMs, limitMs: dueMs + timing.replyTimeoutMs + 2 * timing.turnaroundMs };
}

export interface HeardFrame {
  readonly window: Window;
  readonly count?: BusCount;
  /** Not about this question. */
  readonly beside?: Message;
}

export function hearFrame(window: Window, poll: Poll, frame: Uint8Array, noEcho: boolean, at: Moment): HeardFrame {
  const message = poll.interpret(frame);
  if (message.kind === 'echo') return { window: { ...window, echoes: window.echoes + 1 }, count: 'echoes' };
  if (message.kind === 'wrong_channels') return { window: { ...window, wrongChannels: true }, count: 'wrong_channels' };
  // Nobody else asks on this line, so a frame that no question explains is damage that happens to look sound.
  if (message.kind === 'foreign') {
    return { window: { ...window, noiseBytes: window.noiseBytes + frame.length }, beside: message };
  }
  if (message.kind !== 'states') return { window, beside: message };
  const answered: Window = {
    ...window,
    answers: window.answers + 1,
    ambiguous: window.ambiguous || mayBeEcho(window, poll, frame, noEcho),
  };
  if (window.answers > 0) return { window: answered };
  return { window: { ...answered, sound: { observed: at.observed, channels: message.channels } } };
}

/** The answer begins like the request, and it is not known that this line gives no echo. */
function mayBeEcho(window: Window, poll: Poll, frame: Uint8Array, noEcho: boolean): boolean {
  const { request } = poll;
  if (window.echoes > 0 || noEcho || frame.length < request.length) return false;
  return equalBytes(frame.subarray(0, request.length), request);
}

export interface Sound {
  readonly observed: Observed;
  readonly channels: readonly ChannelState[];
}

export interface WindowEnd {
  readonly outcome: Outcome;
  readonly counts: readonly BusCount[];
  /** Only with outcome `answer`. */
  readonly reading?: Sound;
  readonly askAgain: boolean;
}

export interface WindowContext {
  /** The last question had no answer: this answer only shows that the board lives. */
  readonly resync: boolean;
  /** Of two answers the first may belong to an older question. */
  readonly mayBeLate: boolean;
  /** Nothing came on the line between the question before and this one. */
  readonly quietBefore: boolean;
}

export function endOfWindow(window: Window, poll: Poll, context: WindowContext): WindowEnd {
  const { answers, noiseBytes, sound } = window;
  const crowded = noiseBytes > NOISE_TOLERATED_BYTES;
  if (answers === 0 || sound === undefined) {
    if (window.wrongChannels) return { outcome: { kind: 'wrong_channels' }, counts: [], askAgain: false };
    if (noiseBytes === 0) return { outcome: { kind: 'silence' }, counts: ['timeouts'], askAgain: false };
    const collision = context.quietBefore && noiseBytes > poll.replyBytes;
    return { outcome: { kind: 'damaged', collision }, counts: ['timeouts'], askAgain: false };
  }
  const life: Outcome = { kind: 'answer', upMs: sound.observed.upMs };
  if (answers > 1 || window.wrongChannels) {
    if (context.mayBeLate) return { outcome: life, counts: ['late', 'resyncs'], askAgain: true };
    return { outcome: { kind: 'double' }, counts: ['doubles'], askAgain: false };
  }
  if (crowded) {
    const collision = context.quietBefore && noiseBytes >= poll.replyBytes - NOISE_TOLERATED_BYTES;
    return { outcome: { kind: 'damaged', collision }, counts: ['noisy_answers'], askAgain: false };
  }
  if (window.ambiguous)
    return { outcome: { kind: 'damaged', collision: false }, counts: ['ambiguous'], askAgain: false };
  if (context.resync) return { outcome: life, counts: ['resyncs'], askAgain: true };
  return { outcome: life, counts: [], reading: sound, askAgain: false };
}
