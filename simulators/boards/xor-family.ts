/**
 * Boards of the "8A/80" family: `CMD BOARD CHANNEL PARAM BCC`, BCC the XOR of all bytes before it, 9600 8N1.
 *
 * Source: public integrations of the Shuoming and Kecheng RS-485 lock boards. Query-all answers with the highest group
 * of eight channels first. Feedback code of a single channel: 11 for bit 1, 00 for bit 0; what either means for the
 * door depends on the wiring.
 */
import type { Cell, LockerBank } from './bank.ts';
import {
  type BoardFamily,
  type BoardSettings,
  channelsUpTo,
  doorBit,
  feedbackBit,
  octet,
  type RequestCut,
  type Utterance,
  unlock,
  unlockReplyAfterMs,
} from './board.ts';

const UNLOCK = 0x8a;
const QUERY = 0x80;
const BATCH = 0x90;
const ASK_ADDRESS = 0x99;
/** An unlock may carry the time of its pulse. */
const REQUEST_SIZES: ReadonlyMap<number, readonly number[]> = new Map([
  [UNLOCK, [5, 6]],
  [QUERY, [5]],
  [BATCH, [6]],
]);

export const xorFamily: BoardFamily = {
  name: 'xor_8a80',
  defaultBaud: 9_600,
  cut,
  hear,
  unlocks: ({ address }, request) => request[1] === address && (request[0] === UNLOCK || request[0] === BATCH),
  report,
  hasEndInside,
};

export function withBcc(...bytes: readonly number[]): Uint8Array {
  return Uint8Array.of(...bytes, xorOf(bytes));
}

function xorOf(bytes: Iterable<number>): number {
  let sum = 0;
  for (const byte of bytes) sum ^= byte;
  return sum;
}

function cut(bytes: Uint8Array): RequestCut {
  const first = bytes[0];
  if (first === undefined) return { kind: 'more' };
  for (const sizeBytes of REQUEST_SIZES.get(first) ?? []) {
    if (bytes.length < sizeBytes) return { kind: 'more' };
    if (xorOf(bytes.subarray(0, sizeBytes)) === 0) return { kind: 'request', sizeBytes };
  }
  return { kind: 'skip', sizeBytes: 1 };
}

function hear(board: BoardSettings, bank: LockerBank, request: Uint8Array): readonly Utterance[] {
  const [command, address, channel = 0, parameter] = request;
  if (command === QUERY && parameter === ASK_ADDRESS && channel === 0) {
    return [{ afterMs: board.turnaroundMs, bytes: withBcc(QUERY, 0x01, board.address, ASK_ADDRESS) }];
  }
  if (address !== board.address) return [];
  if (command === BATCH) return hearBatch(board, bank, request);
  if (channel > board.channels) return [];
  if (command === UNLOCK && (parameter === 0x11 || parameter === 0x33)) {
    return hearUnlock(board, bank, channel, request);
  }
  if (command !== QUERY || parameter !== 0x33) return [];
  const bytes =
    channel === 0
      ? withBcc(QUERY, board.address, ...groups(board, bank), 0x33)
      : withBcc(QUERY, board.address, channel, statusOf(feedbackBit(board, bank, channel)));
  return [{ afterMs: board.turnaroundMs, bytes }];
}

function groups(board: BoardSettings, bank: LockerBank): number[] {
  const count = Math.ceil(board.channels / 8);
  const bytes = Array.from({ length: count }, (_, group) =>
    octet(8 * group + 1, (channel) => feedbackBit(board, bank, channel)),
  );
  return bytes.reverse();
}

function hearUnlock(board: BoardSettings, bank: LockerBank, channel: number, request: Uint8Array): Utterance[] {
  const channels = channel === 0 ? channelsUpTo(board.channels) : [channel];
  for (const one of channels) unlock(board, bank, one);
  const afterMs = unlockReplyAfterMs(board);
  if (afterMs === undefined || channel === 0) return [];
  if (board.unlockReply === 'echo') return [{ afterMs, bytes: request.slice() }];
  const status = statusOf(feedbackBit(board, bank, channel));
  return [{ afterMs, bytes: withBcc(UNLOCK, board.address, channel, status) }];
}

/** Unlock by mask: three bytes, the first for channels 1 to 8. No reply is documented. */
function hearBatch(board: BoardSettings, bank: LockerBank, request: Uint8Array): readonly Utterance[] {
  for (let channel = 1; channel <= Math.min(board.channels, 24); channel += 1) {
    const mask = request[2 + Math.floor((channel - 1) / 8)] ?? 0;
    if ((mask >> ((channel - 1) % 8)) & 1) unlock(board, bank, channel);
  }
  return [];
}

function report(board: BoardSettings, cell: Cell): Uint8Array | undefined {
  if (board.reports === undefined || board.reports === 0x85) return undefined;
  return withBcc(board.reports, board.address, cell.channel, statusOf(doorBit(board, cell)));
}

function statusOf(bit: 0 | 1): number {
  return bit === 1 ? 0x11 : 0x00;
}

/** The family has no end byte; what misleads a reader are its own first byte, and the 33 that precedes the BCC. */
function hasEndInside(frame: Uint8Array): boolean {
  const data = frame.subarray(2, frame.length - 2);
  return frame.length > 5 && (data.includes(QUERY) || data.includes(0x33));
}
