/**
 * KERONG KR-CU12 and KR-CU16: `02 ADDR CMD [DATA] 03 SUM`, SUM the low byte of the sum of all bytes before it,
 * 19200 8N1, ADDR = board << 4 | lock index from 0.
 *
 * Source: public integrations of these boards. Command 32 ("all boards on the bus") is answered by every board in turn
 * with code 36; its layout is printed nowhere and assumed here to be that of code 35. Commands that set the unlock
 * pulse, a delay or the baud rate are heard and not answered.
 */
import type { LockerBank } from './bank.ts';
import {
  type BoardFamily,
  type BoardSettings,
  feedbackBit,
  itemBit,
  octet,
  type RequestCut,
  type Utterance,
  unlock,
  unlockReplyAfterMs,
} from './board.ts';

const STX = 0x02;
const ETX = 0x03;
const STATUS = 0x30;
const UNLOCK = 0x31;
const STATUS_ALL = 0x32;
const UNLOCK_ALL = 0x33;
const STATUS_REPLY = 0x35;
const STATUS_ALL_REPLY = 0x36;
const BROADCAST = 0xf0;

/** Data bytes that may follow each command; 37 asks without and sets with two. */
const DATA_SIZES: ReadonlyMap<number, readonly number[]> = new Map([
  [STATUS, [0]],
  [UNLOCK, [0]],
  [STATUS_ALL, [0]],
  [UNLOCK_ALL, [0]],
  [0x37, [0, 2]],
  [0x39, [1]],
  [0x40, [1]],
]);

export const kerongFamily: BoardFamily = {
  name: 'kerong_cu16',
  defaultBaud: 19_200,
  cut,
  hear,
  unlocks,
  report: () => undefined,
  hasEndInside,
};

export function withSum(...body: readonly number[]): Uint8Array {
  const bytes = [STX, ...body, ETX];
  return Uint8Array.of(...bytes, sumOf(bytes));
}

export function sumOf(bytes: Iterable<number>): number {
  let sum = 0;
  for (const byte of bytes) sum += byte;
  return sum & 0xff;
}

function cut(bytes: Uint8Array): RequestCut {
  if (bytes.length === 0) return { kind: 'more' };
  if (bytes[0] !== STX) return { kind: 'skip', sizeBytes: 1 };
  const command = bytes[2];
  if (command === undefined) return { kind: 'more' };
  const dataSizes = DATA_SIZES.get(command);
  if (dataSizes === undefined) return { kind: 'skip', sizeBytes: 1 };
  for (const dataSize of dataSizes) {
    const sizeBytes = 5 + dataSize;
    if (bytes.length < sizeBytes) return { kind: 'more' };
    if (isSound(bytes.subarray(0, sizeBytes))) return { kind: 'request', sizeBytes };
  }
  return { kind: 'skip', sizeBytes: 1 };
}

function isSound(frame: Uint8Array): boolean {
  return frame[frame.length - 2] === ETX && frame[frame.length - 1] === sumOf(frame.subarray(0, -1));
}

function hear(board: BoardSettings, bank: LockerBank, request: Uint8Array): readonly Utterance[] {
  const [, address = 0, command] = request;
  const lock = (address & 0x0f) + 1;
  if (command === STATUS_ALL && (address === BROADCAST || address === 0)) {
    return [{ afterMs: inTurnMs(board), bytes: statusFrame(board, bank, STATUS_ALL_REPLY) }];
  }
  if (address >> 4 !== board.address) return [];
  switch (command) {
    case STATUS:
      return [{ afterMs: board.turnaroundMs, bytes: statusFrame(board, bank, STATUS_REPLY) }];
    case UNLOCK:
      if (lock <= board.channels) unlock(board, bank, lock);
      return unlockReply(board, bank, request);
    case UNLOCK_ALL:
      for (let channel = 1; channel <= board.channels; channel += 1) unlock(board, bank, channel);
      return [];
    default:
      return [];
  }
}

function unlocks(board: BoardSettings, request: Uint8Array): boolean {
  const [, address = 0, command] = request;
  return address >> 4 === board.address && (command === UNLOCK || command === UNLOCK_ALL);
}

function statusFrame(board: BoardSettings, bank: LockerBank, code: number): Uint8Array {
  const hook = (first: number): number => octet(first, (channel) => feedbackBit(board, bank, channel));
  const item = (first: number): number => octet(first, (channel) => itemBit(board, bank, channel));
  return withSum(board.address << 4, code, hook(1), hook(9), item(1), item(9));
}

function unlockReply(board: BoardSettings, bank: LockerBank, request: Uint8Array): Utterance[] {
  const afterMs = unlockReplyAfterMs(board);
  if (afterMs === undefined) return [];
  const bytes = board.unlockReply === 'echo' ? request.slice() : statusFrame(board, bank, STATUS_REPLY);
  return [{ afterMs, bytes }];
}

/** Boards answer a broadcast one after the other: 9 bytes at 19200 baud take 4.7 ms. */
function inTurnMs(board: BoardSettings): number {
  return board.turnaroundMs + board.address * (board.turnaroundMs + 5);
}

function hasEndInside(frame: Uint8Array): boolean {
  return frame.length > 5 && frame.subarray(3, frame.length - 2).includes(ETX);
}
