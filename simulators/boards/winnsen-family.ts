/**
 * Winnsen boards: `90 LEN FUNC ST LK 03`, 9600 8N1, LEN the whole frame, no check value.
 *
 * Source: one public integration. Replies: `90 07 85 ST LK STATUS 03` to an unlock (01 done), `90 07 92 ST STATUS LK 03`
 * to a question (01 open, 00 shut, as far as the switch is wired that way).
 */
import type { LockerBank } from './bank.ts';
import {
  type BoardFamily,
  type BoardSettings,
  feedbackBit,
  type RequestCut,
  type Utterance,
  unlock,
  unlockReplyAfterMs,
} from './board.ts';

const START = 0x90;
const END = 0x03;
const SIZE = 6;
const UNLOCK = 0x05;
const STATUS = 0x12;

export const winnsenFamily: BoardFamily = {
  name: 'winnsen',
  defaultBaud: 9_600,
  cut,
  hear,
  unlocks: ({ address }, request) => request[2] === UNLOCK && request[3] === address,
  report: () => undefined,
  hasEndInside: (frame) => frame.subarray(3, frame.length - 1).includes(END),
};

function cut(bytes: Uint8Array): RequestCut {
  const head = [START, SIZE];
  if (head.some((byte, index) => index < bytes.length && bytes[index] !== byte)) return { kind: 'skip', sizeBytes: 1 };
  if (bytes.length < SIZE) return { kind: 'more' };
  const isRequest = (bytes[2] === UNLOCK || bytes[2] === STATUS) && bytes[SIZE - 1] === END;
  return isRequest ? { kind: 'request', sizeBytes: SIZE } : { kind: 'skip', sizeBytes: 1 };
}

function hear(board: BoardSettings, bank: LockerBank, request: Uint8Array): readonly Utterance[] {
  const [, , func, station = 0, lock = 0] = request;
  if (station !== board.address) return [];
  if (func === STATUS) {
    if (lock < 1 || lock > board.channels) return [];
    const bytes = Uint8Array.of(START, 7, 0x92, station, feedbackBit(board, bank, lock), lock, END);
    return [{ afterMs: board.turnaroundMs, bytes }];
  }
  const isThere = lock >= 1 && lock <= board.channels;
  if (isThere) unlock(board, bank, lock);
  const afterMs = unlockReplyAfterMs(board);
  if (afterMs === undefined) return [];
  const done = Uint8Array.of(START, 7, 0x85, station, lock, isThere ? 1 : 0, END);
  return [{ afterMs, bytes: board.unlockReply === 'echo' ? request.slice() : done }];
}
