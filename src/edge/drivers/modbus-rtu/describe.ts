/** What one frame of Modbus RTU says (Modbus Application Protocol 1.1b3, 6), in either direction. */
import { accept } from '../../../base/result.ts';
import { badCheck, badLength, badShape, hexByte, locksOf } from '../describing.ts';
import type { Described, FrameDescription, FrameEffect } from '../frame-description.ts';
import * as f from './frames.ts';

type Head = Pick<FrameDescription, 'board' | 'command'>;

const COMMANDS: ReadonlyMap<number, string> = new Map([
  [f.READ_COILS, 'read_coils'],
  [f.READ_INPUTS, 'read_inputs'],
  [f.READ_HOLDING, 'read_registers'],
  [f.READ_INPUT_REGISTERS, 'read_input_registers'],
  [f.WRITE_COIL, 'write_coil'],
  [f.WRITE_REGISTER, 'write_register'],
  [f.WRITE_COILS, 'write_coils'],
  [f.WRITE_REGISTERS, 'write_registers'],
]);
const FRAME_BYTES_MIN = 5;
const QUANTITY_MAX = 2_000;

/** `registers` is what a write of registers does to a board of the family: some have relays there. */
export function describeModbus(frame: Uint8Array, registers: Exclude<FrameEffect, 'reads'>): Described {
  const [board = 0, func = 0] = frame;
  if (frame.length < FRAME_BYTES_MIN) return badLength('a Modbus frame', `at least ${FRAME_BYTES_MIN}`, frame.length);
  const command = COMMANDS.get(func & ~f.EXCEPTION);
  if (command === undefined)
    return badShape(`expected function 01 to 06, 0F or 10 as second byte, found ${hexByte(func)}`);
  const fits = sizesOf(frame);
  if (!fits.includes(frame.length)) return badLength(command, fits.join(' or '), frame.length);
  if (!f.hasCrc(frame)) {
    const crc = f.crc16(frame.subarray(0, -2));
    const found = `${hexByte(frame[frame.length - 2])} ${hexByte(frame[frame.length - 1])}`;
    return badCheck('CRC', `${hexByte(crc & 0xff)} ${hexByte(crc >> 8)}`, found);
  }
  const head: Head = { board, command };
  if ((func & f.EXCEPTION) !== 0) {
    return accept({
      ...head,
      direction: 'reply',
      effect: 'reads',
      command: `${command}_refused`,
      registers: [{ value: frame[2] ?? 0 }],
    });
  }
  switch (func) {
    case f.WRITE_COIL:
      return accept({ ...head, direction: 'either', effect: 'opens', registers: [placed(frame)] });
    case f.WRITE_REGISTER:
      return accept({ ...head, direction: 'either', effect: registers, registers: [placed(frame)] });
    case f.WRITE_COILS:
      return accept(several(head, frame, 'opens'));
    case f.WRITE_REGISTERS:
      return accept(several(head, frame, registers));
    default:
      return accept(reading(head, frame));
  }
}

/** The sizes that a frame of this function, with these counts in it, can have. */
function sizesOf(frame: Uint8Array): readonly number[] {
  const [, func = 0, third = 0] = frame;
  if ((func & f.EXCEPTION) !== 0) return [f.EXCEPTION_BYTES];
  if (func === f.WRITE_COIL || func === f.WRITE_REGISTER) return [f.SHORT_BYTES];
  if (func === f.WRITE_COILS || func === f.WRITE_REGISTERS) return [f.SHORT_BYTES, 9 + (frame[6] ?? 0)];
  return third === 0 ? [f.SHORT_BYTES] : [f.SHORT_BYTES, f.READ_REPLY_BYTES + third];
}

function reading(head: Head, frame: Uint8Array): FrameDescription {
  const count = frame[2] ?? 0;
  const quantity = f.word(frame, 4);
  // Eight bytes with 03 as third are a reply of three data bytes, or ask for something from 0300 on: hardly anyone does.
  const isReply =
    frame.length === f.READ_REPLY_BYTES + count &&
    (frame.length !== f.SHORT_BYTES || quantity > QUANTITY_MAX || count === 3);
  if (!isReply) {
    return {
      ...head,
      direction: 'request',
      effect: 'reads',
      registers: [{ address: f.word(frame, 2), value: quantity }],
    };
  }
  const data = frame.subarray(3, -2);
  const reply = { ...head, direction: 'reply', effect: 'reads' } as const;
  const isBits = frame[1] === f.READ_COILS || frame[1] === f.READ_INPUTS;
  if (isBits) return { ...reply, locks: locksOf(data) };
  const values = Array.from({ length: data.length >> 1 }, (_, index) => ({ value: f.word(data, 2 * index) }));
  return { ...reply, registers: values };
}

function placed(frame: Uint8Array): { readonly address: number; readonly value: number } {
  return { address: f.word(frame, 2), value: f.word(frame, 4) };
}

/** The reply only repeats start and quantity. */
function several(head: Head, frame: Uint8Array, effect: FrameEffect): FrameDescription {
  const start = f.word(frame, 2);
  const quantity = f.word(frame, 4);
  if (frame.length === f.SHORT_BYTES) {
    return { ...head, direction: 'reply', effect: 'reads', registers: [{ address: start, value: quantity }] };
  }
  const data = frame.subarray(7, -2);
  const isCoils = frame[1] === f.WRITE_COILS;
  const values = Array.from(
    { length: Math.min(quantity, isCoils ? data.length * 8 : data.length >> 1) },
    (_, index) => {
      const bit = ((data[index >> 3] ?? 0) >> (index & 7)) & 1;
      return { address: start + index, value: isCoils ? bit : f.word(data, 2 * index) };
    },
  );
  return { ...head, direction: 'request', effect, registers: values };
}
