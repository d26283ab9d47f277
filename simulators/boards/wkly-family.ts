/**
 * "WKLY" boards: `57 4B 4C 59 LEN BOARD CMD DATA XOR`, 9600 8N1, LEN the whole frame, XOR over every byte before it.
 *
 * Sources: public integrations. Replies begin with 53 on some boards. State of a lock: 00 open, 01 shut, as far as its
 * switch is wired that way; the data of a spontaneous 85 are assumed to be lock and state.
 */
import type { Cell, LockerBank } from './bank.ts';
import {
  type BoardFamily,
  type BoardSettings,
  channelsUpTo,
  doorBit,
  feedbackBit,
  type RequestCut,
  type Utterance,
  unlock,
  unlockReplyAfterMs,
} from './board.ts';

const HEADER = [0x57, 0x4b, 0x4c, 0x59] as const;
const SEVERAL = 0x80;
const UNLOCK = 0x82;
const QUERY = 0x83;
const QUERY_ALL = 0x84;
const REPORT = 0x85;
const UNLOCK_ALL = 0x86;
const IN_TURN = 0x87;
const OK = 0x00;
const MIN_BYTES = 8;
const MAX_BYTES = 64;

export const wklyFamily: BoardFamily = {
  name: 'wkly',
  defaultBaud: 9_600,
  cut,
  hear,
  unlocks: ({ address }, request) =>
    request[5] === address && [SEVERAL, UNLOCK, UNLOCK_ALL, IN_TURN].includes(request[6] ?? 0),
  report,
  hasEndInside: () => false,
};

function framed(header: number, board: number, command: number, ...data: readonly number[]): Uint8Array {
  const bytes = [header, ...HEADER.slice(1), MIN_BYTES + data.length, board, command, ...data];
  return Uint8Array.of(
    ...bytes,
    bytes.reduce((xor, byte) => xor ^ byte),
  );
}

function cut(bytes: Uint8Array): RequestCut {
  const wrong = HEADER.findIndex((byte, index) => index < bytes.length && bytes[index] !== byte);
  if (wrong !== -1) return { kind: 'skip', sizeBytes: 1 };
  const sizeBytes = bytes[4];
  if (sizeBytes === undefined) return { kind: 'more' };
  if (sizeBytes < MIN_BYTES || sizeBytes > MAX_BYTES) return { kind: 'skip', sizeBytes: 1 };
  if (bytes.length < sizeBytes) return { kind: 'more' };
  const xor = bytes.subarray(0, sizeBytes).reduce((value, byte) => value ^ byte, 0);
  return xor === 0 ? { kind: 'request', sizeBytes } : { kind: 'skip', sizeBytes: 1 };
}

function hear(board: BoardSettings, bank: LockerBank, request: Uint8Array): readonly Utterance[] {
  const [, , , , , address, command = 0, channel = 0] = request;
  if (address !== board.address) return [];
  const reply = (...data: readonly number[]): Uint8Array =>
    framed(board.replyHeader ?? HEADER[0], board.address, command, ...data);
  const at = (afterMs: number | undefined, ...data: readonly number[]): readonly Utterance[] =>
    afterMs === undefined ? [] : [{ afterMs, bytes: reply(...data) }];
  const bit = (one: number): 0 | 1 => feedbackBit(board, bank, one);
  switch (command) {
    case UNLOCK: {
      unlock(board, bank, channel);
      const afterMs = unlockReplyAfterMs(board);
      if (board.unlockReply === 'echo' && afterMs !== undefined) return [{ afterMs, bytes: request.slice() }];
      return at(afterMs, OK, channel, bit(channel));
    }
    case QUERY:
      return at(board.turnaroundMs, OK, channel, bit(channel));
    case QUERY_ALL:
      return at(board.turnaroundMs, OK, board.channels, ...channelsUpTo(board.channels).map(bit));
    case UNLOCK_ALL:
      for (const one of channelsUpTo(board.channels)) unlock(board, bank, one);
      return [];
    case SEVERAL:
    case IN_TURN:
      for (const one of request.subarray(8, 8 + channel)) unlock(board, bank, one);
      return [];
    default:
      return [];
  }
}

function report(board: BoardSettings, cell: Cell): Uint8Array | undefined {
  if (board.reports !== REPORT) return undefined;
  return framed(board.replyHeader ?? HEADER[0], board.address, REPORT, cell.channel, doorBit(board, cell));
}
