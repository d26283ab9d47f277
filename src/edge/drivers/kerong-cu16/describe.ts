/** What one frame of a KERONG KR-CU12 or KR-CU16 says, in either direction. */
import { accept } from '../../../base/result.ts';
import { badCheck, badLength, badShape, hexByte, locksOf } from '../describing.ts';
import type { Described, FrameDescription, FrameEffect } from '../frame-description.ts';
import { ETX, STX, sum } from './frames.ts';

interface Row {
  readonly command: string;
  readonly effect: FrameEffect;
  readonly sizes: readonly number[];
  readonly reply?: true;
}

const ROWS: ReadonlyMap<number, Row> = new Map<number, Row>([
  [0x30, { command: 'status', effect: 'reads', sizes: [5] }],
  [0x31, { command: 'unlock', effect: 'opens', sizes: [5] }],
  [0x32, { command: 'status_all', effect: 'reads', sizes: [5] }],
  [0x33, { command: 'unlock_all', effect: 'opens', sizes: [5] }],
  [0x35, { command: 'status', effect: 'reads', sizes: [9], reply: true }],
  [0x36, { command: 'status_all', effect: 'reads', sizes: [9], reply: true }],
  [0x37, { command: 'pulse', effect: 'reads', sizes: [5, 7] }],
  [0x38, { command: 'pulse', effect: 'reads', sizes: [7], reply: true }],
  // A delay before locks move: whether this frame already moves one is not told.
  [0x39, { command: 'delayed_unlock', effect: 'opens', sizes: [6] }],
  [0x40, { command: 'set_speed', effect: 'sets', sizes: [6] }],
]);

const SPEEDS: ReadonlyMap<number, number> = new Map([
  [0, 9_600],
  [1, 19_200],
  [2, 57_600],
  [3, 115_200],
]);

export function describe(frame: Uint8Array): Described {
  const [start, address = 0, code] = frame;
  if (start !== STX) return badShape(`expected STX 02 at the beginning, found ${hexByte(start)}`);
  const row = code === undefined ? undefined : ROWS.get(code);
  if (row === undefined) return badShape(`expected a command 30 to 33, 35 to 40 as third byte, found ${hexByte(code)}`);
  if (!row.sizes.includes(frame.length))
    return badLength(`command ${hexByte(code)}`, row.sizes.join(' or '), frame.length);
  const end = frame[frame.length - 2];
  if (end !== ETX) return badShape(`expected ETX 03 before the sum, found ${hexByte(end)}`);
  const own = sum(frame.subarray(0, -1));
  if (frame[frame.length - 1] !== own) return badCheck('SUM', hexByte(own), hexByte(frame[frame.length - 1]));
  const head: FrameDescription = {
    direction: row.reply ? 'reply' : 'request',
    effect: row.effect,
    board: address >> 4,
    command: row.command,
  };
  return accept(withData(head, code ?? 0, address, frame.subarray(3, -2)));
}

function withData(head: FrameDescription, code: number, address: number, data: Uint8Array): FrameDescription {
  switch (code) {
    case 0x31:
      return { ...head, channels: [(address & 0x0f) + 1] };
    case 0x32: {
      // F0 or 00 stands for every board on the line.
      const { board: _everyone, ...rest } = head;
      return rest;
    }
    case 0x35:
    case 0x36:
      return { ...head, locks: locksOf(data.subarray(0, 2), data.subarray(2, 4)) };
    case 0x37:
      return data.length === 0 ? head : { ...head, command: 'set_pulse', effect: 'sets', registers: [pulse(data)] };
    case 0x38:
      return { ...head, registers: [pulse(data)] };
    case 0x39:
      return { ...head, registers: [{ value: data[0] ?? 0 }] };
    case 0x40:
      return { ...head, registers: [{ value: SPEEDS.get(data[0] ?? 0) ?? data[0] ?? 0 }] };
    default:
      return head;
  }
}

/** In units of 10 ms, as the two bytes stand: which of them is the high one is told differently. */
function pulse(data: Uint8Array): { readonly value: string } {
  return { value: `${hexByte(data[0])} ${hexByte(data[1])}` };
}
