/**
 * KERONG CU24 and CU48: requests `02 ADDR LOCK CMD 03 SUM`, 19200 8N1, LOCK counted from 0, 30 for all.
 *
 * Sources (public integrations) know two generations. `a` replies with 18 bytes: six of locks, six of items, 03, SUM. `b`
 * replies with a length byte, the locks (and items, where sensors are wired), and SUM without an end mark; to an unlock
 * with length 0. What `a` says to an unlock is printed nowhere: here its status.
 */
import type { LockerBank } from './bank.ts';
import {
  type BoardFamily,
  type BoardSettings,
  channelsUpTo,
  feedbackBit,
  itemBit,
  octet,
  type RequestCut,
  type Utterance,
  unlock,
  unlockReplyAfterMs,
} from './board.ts';
import { sumOf } from './kerong-family.ts';

const STX = 0x02;
const ETX = 0x03;
const STATUS = 0x60;
const UNLOCK = 0x61;
const REPLY = 0x75;
const ALL = 0x30;
const REQUEST_BYTES = 6;

export const kerong48Family: BoardFamily = {
  name: 'kerong_cu48',
  defaultBaud: 19_200,
  cut,
  hear,
  unlocks: ({ address }, request) => request[1] === address && request[3] === UNLOCK,
  report: () => undefined,
  hasEndInside: (frame) => frame.length > REQUEST_BYTES && frame.subarray(4, frame.length - 2).includes(ETX),
};

function cut(bytes: Uint8Array): RequestCut {
  if (bytes.length === 0) return { kind: 'more' };
  if (bytes[0] !== STX) return { kind: 'skip', sizeBytes: 1 };
  if (bytes.length < REQUEST_BYTES) return { kind: 'more' };
  const isCommand = bytes[3] === STATUS || bytes[3] === UNLOCK;
  const isSound = isCommand && bytes[4] === ETX && bytes[5] === sumOf(bytes.subarray(0, 5));
  return isSound ? { kind: 'request', sizeBytes: REQUEST_BYTES } : { kind: 'skip', sizeBytes: 1 };
}

function hear(board: BoardSettings, bank: LockerBank, request: Uint8Array): readonly Utterance[] {
  const [, address, lock = 0, command] = request;
  if (address !== board.address) return [];
  if (command === STATUS) return [{ afterMs: board.turnaroundMs, bytes: states(board, bank) }];
  const locks = lock === ALL ? channelsUpTo(board.channels) : [lock + 1];
  for (const channel of locks) if (channel <= board.channels) unlock(board, bank, channel);
  const afterMs = unlockReplyAfterMs(board);
  if (afterMs === undefined) return [];
  if (board.unlockReply === 'echo') return [{ afterMs, bytes: request.slice() }];
  const bytes = board.layout === 'b' ? summed([STX, address, lock, REPLY, 0]) : states(board, bank);
  return [{ afterMs, bytes }];
}

function states(board: BoardSettings, bank: LockerBank): Uint8Array {
  const groups = (count: number, bitOf: (channel: number) => 0 | 1): number[] =>
    Array.from({ length: count }, (_, group) => octet(8 * group + 1, bitOf));
  const locked = (channel: number): 0 | 1 => (channel > board.channels ? 1 : feedbackBit(board, bank, channel));
  const item = (channel: number): 0 | 1 => itemBit(board, bank, channel);
  if (board.layout !== 'b')
    return summed([STX, board.address, 0, REPLY, ...groups(6, locked), ...groups(6, item), ETX]);
  const size = board.channels / 8;
  const data = [...groups(size, locked), ...(board.itemSensors ? groups(size, item) : [])];
  return summed([STX, board.address, 0, REPLY, data.length, ...data]);
}

function summed(bytes: readonly number[]): Uint8Array {
  return Uint8Array.of(...bytes, sumOf(bytes));
}
