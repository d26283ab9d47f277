/**
 * Boards that speak Modbus RTU: KERONG CU48 with that firmware (115200 8N1, locks as coils), and boards of relays and
 * inputs (9600 8N1, doors and switches as inputs).
 *
 * Sources: the Modbus specifications; an emulator of the CU48 written around a vendor's document; the makers' pages of
 * relay boards for what a "flash" (function 05 to 0200 + relay, tenths of a second) and a "momentary" (function 06, 0500)
 * are. A switch that is no door is a compartment of the site on its channel: open it, and its bit turns.
 */
import type { LockerBank } from './bank.ts';
import {
  type BoardFamily,
  type BoardSettings,
  channelsUpTo,
  feedbackBit,
  type RequestCut,
  type Utterance,
  unlock,
  unlockReplyAfterMs,
} from './board.ts';

type Answer = readonly number[] | 'repeat' | undefined;

const ON = 0xff00;
const FLASH_BASE = 0x0200;
const MOMENTARY = 0x0500;
const ILLEGAL_FUNCTION = 1;
const ILLEGAL_ADDRESS = 2;
const EXCEPTION = 0x80;
/** Registers of a CU48: pulse of the locks in ms, and three that name the firmware. */
const REGISTERS: ReadonlyMap<number, number> = new Map([
  [0x0003, 550],
  [0x000f, 0xe230],
  [0x00f5, 0x0002],
  [0x00f6, 0x0004],
]);

export const cu48ModbusFamily: BoardFamily = {
  name: 'cu48_modbus',
  defaultBaud: 115_200,
  cut,
  hear: (board, bank, request) => hear(board, bank, request, answerOfCu48),
  unlocks: (board, request) => request[0] === board.address && (request[1] === 5 || request[1] === 15),
  report: () => undefined,
  hasEndInside: () => false,
};

export const modbusIoFamily: BoardFamily = {
  name: 'modbus_io',
  defaultBaud: 9_600,
  cut,
  hear: (board, bank, request) => hear(board, bank, request, answerOfRelays),
  unlocks: (board, request) => request[0] === board.address && (request[1] === 5 || request[1] === 6),
  report: () => undefined,
  hasEndInside: () => false,
};

export function withCrc(bytes: readonly number[]): Uint8Array {
  let crc = 0xffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit += 1) crc = crc & 1 ? (crc >>> 1) ^ 0xa001 : crc >>> 1;
  }
  return Uint8Array.of(...bytes, crc % 256, Math.floor(crc / 256));
}

function cut(bytes: Uint8Array): RequestCut {
  const [address, func, , , , , count] = bytes;
  if (address === undefined || func === undefined) return { kind: 'more' };
  const isSeveral = func === 15 || func === 16;
  if (!isSeveral && (func < 1 || func > 6)) return { kind: 'skip', sizeBytes: 1 };
  if (isSeveral && count === undefined) return { kind: 'more' };
  const sizeBytes = isSeveral ? 9 + (count ?? 0) : 8;
  if (bytes.length < sizeBytes) return { kind: 'more' };
  const sound = withCrc([...bytes.subarray(0, sizeBytes - 2)]);
  const isSound = sound.every((byte, index) => bytes[index] === byte);
  return isSound ? { kind: 'request', sizeBytes } : { kind: 'skip', sizeBytes: 1 };
}

function hear(
  board: BoardSettings,
  bank: LockerBank,
  request: Uint8Array,
  answerOf: (board: BoardSettings, bank: LockerBank, request: Uint8Array) => Answer,
): readonly Utterance[] {
  const [address = 0, func = 0] = request;
  if (address !== board.address) return [];
  const answer = answerOf(board, bank, request);
  if (answer === undefined) return [];
  // The reply to a writing repeats the request; by the board's habit it comes late or never.
  const afterMs = func >= 5 ? unlockReplyAfterMs(board) : board.turnaroundMs;
  if (afterMs === undefined) return [];
  const bytes = answer === 'repeat' ? withCrc([...request.subarray(0, 6)]) : withCrc([address, ...answer]);
  return [{ afterMs, bytes }];
}

function answerOfCu48(board: BoardSettings, bank: LockerBank, request: Uint8Array): Answer {
  const [, func = 0] = request;
  const [first, second] = words(request);
  const opens = board.unlockValue ?? ON;
  switch (func) {
    case 1:
      // No quantity stands for all of them.
      return bits(func, board, bank, first, second === 0 ? board.channels : second);
    case 3:
      return registers(first, second);
    case 5:
      if (first >= board.channels) return [func + EXCEPTION, ILLEGAL_ADDRESS];
      if (second === opens) unlock(board, bank, first + 1);
      return 'repeat';
    case 15:
      if (first + second > board.channels) return [func + EXCEPTION, ILLEGAL_ADDRESS];
      for (let index = 0; index < second; index += 1) {
        const bit = ((request[7 + (index >> 3)] ?? 0) >> (index & 7)) & 1;
        if ((bit === 1) === (opens === ON)) unlock(board, bank, first + index + 1);
      }
      return 'repeat';
    default:
      return [func + EXCEPTION, ILLEGAL_FUNCTION];
  }
}

function answerOfRelays(board: BoardSettings, bank: LockerBank, request: Uint8Array): Answer {
  const [, func = 0] = request;
  const [first, second] = words(request);
  const { relay = 'flash' } = board;
  if (func === 1 || func === 2) return bits(func, board, bank, first, second);
  if (func !== 5 && func !== 6) return [func + EXCEPTION, ILLEGAL_FUNCTION];
  const flashes = func === 5 && first >= FLASH_BASE;
  const channel = func === 6 ? first : flashes ? first - FLASH_BASE + 1 : first + 1;
  if (channel < 1 || channel > board.channels) return [func + EXCEPTION, ILLEGAL_ADDRESS];
  const plain = func === 5 && !flashes && second === ON && (relay === 'self_resetting' || relay === 'latching');
  const pulls =
    (flashes && relay === 'flash') || (func === 6 && relay === 'momentary' && second === MOMENTARY) || plain;
  if (pulls) unlock(board, bank, channel);
  return 'repeat';
}

function bits(func: number, board: BoardSettings, bank: LockerBank, first: number, quantity: number): Answer {
  const last = first + quantity;
  if (quantity === 0 || last > Math.max(board.channels, wiredTo(board, bank)))
    return [func + EXCEPTION, ILLEGAL_ADDRESS];
  const data = new Array<number>(Math.ceil(quantity / 8)).fill(0);
  for (const channel of channelsUpTo(quantity)) {
    const at = (channel - 1) >> 3;
    data[at] = (data[at] ?? 0) | (feedbackBit(board, bank, first + channel) << ((channel - 1) & 7));
  }
  return [func, data.length, ...data];
}

/** Inputs that are no doors may stand above them. */
function wiredTo(board: BoardSettings, bank: LockerBank): number {
  return Math.max(0, ...bank.cells().map((cell) => (cell.board === board.name ? cell.channel : 0)));
}

function registers(first: number, quantity: number): Answer {
  const values = channelsUpTo(Math.min(quantity, 16)).map((index) => REGISTERS.get(first + index - 1) ?? 0);
  return [3, 2 * values.length, ...values.flatMap((value) => [value >> 8, value & 255])];
}

function words(request: Uint8Array): readonly [number, number] {
  const [, , a = 0, b = 0, c = 0, d = 0] = request;
  return [256 * a + b, 256 * c + d];
}
