/**
 * Modbus RTU boards with relays and inputs: doors and other switches read as bits, locks on relays.
 *
 * A relay that stays on keeps a lock open and burns its coil, and "off" as a second frame can be lost with the cable, the
 * power or this process. So one frame is all that is ever sent: the board must let go by itself, and where it cannot the
 * profile has no way to unlock.
 */
import type { Board, BoardFamily } from '../board-family.ts';
import { describeModbus } from '../modbus-rtu/describe.ts';
import { modbusCutter, READ_COILS, READ_INPUTS, request, WRITE_COIL, WRITE_REGISTER } from '../modbus-rtu/frames.ts';
import { bitPoll, writeUnlock } from '../modbus-rtu/messages.ts';
import { MODBUS_IO, type ModbusIoSettings, modbusIoSettings } from './settings.ts';

const BAUD = 9_600;
const PROBED_ADDRESSES = 16;
const PROBED_INPUTS = 8;
const FLASH_BASE = 0x0200;
const FLASH_UNIT_MS = 100;
const MOMENTARY = 0x0500;
const ON = 0xff00;

interface ModbusIoBoard extends Board {
  readonly reads: { readonly func: number; readonly dataBytes: number };
}

export const modbusIo: BoardFamily = {
  name: MODBUS_IO,
  wire: 'modbus',
  lineDefaults: { baud: BAUD },
  settingsSchema: modbusIoSettings,
  board(raw): ModbusIoBoard {
    const settings = modbusIoSettings.parse(raw);
    const { name, address, channels, inputs, unlock } = settings;
    const func = settings.feedback === 'coils' ? READ_COILS : READ_INPUTS;
    const doors = Array.from({ length: channels }, (_, index) => index + 1);
    const read = [...doors, ...inputs.map(({ channel }) => channel)].toSorted((a, b) => a - b);
    const quantity = Math.max(...read);
    const poll = bitPoll({ address, func, start: settings.first, quantity, channels: read });
    const board: ModbusIoBoard = {
      device: name,
      family: MODBUS_IO,
      address,
      channels,
      polls: [poll],
      inputs: inputs.map(({ channel, name: input, kind, active }) => ({ channel, name: input, what: kind, active })),
      reads: { func, dataBytes: Math.ceil(quantity / 8) },
    };
    if (unlock === undefined || channels === 0) return board;
    return { ...board, unlock: writeUnlock(poll, (channel) => pull(address, unlock, channel), settings.unlock_reply) };
  },
  cutter(boards) {
    const reads = new Map(boards.filter(isOurs).map((board) => [board.address, board.reads]));
    return modbusCutter((address, func) => {
      const read = reads.get(address);
      return read?.func === func ? read.dataBytes : undefined;
    });
  },
  // Some boards have their relays behind registers.
  describe: (frame) => describeModbus(frame, 'opens'),
  probes: () =>
    Array.from({ length: PROBED_ADDRESSES }, (_, index) => {
      const asked = request(index + 1, READ_INPUTS, 0, PROBED_INPUTS);
      return { baud: BAUD, address: index + 1, request: asked, channelsAsAsked: true };
    }),
};

/** One frame after which the relay pulls and lets go. */
function pull(address: number, unlock: NonNullable<ModbusIoSettings['unlock']>, channel: number): Uint8Array {
  const relay = unlock.first_relay + channel - 1;
  switch (unlock.by) {
    case 'flash':
      return request(address, WRITE_COIL, FLASH_BASE + relay, unlock.pulse_ms / FLASH_UNIT_MS);
    case 'momentary':
      return request(address, WRITE_REGISTER, relay, MOMENTARY);
    case 'self_resetting':
      return request(address, WRITE_COIL, relay, ON);
  }
}

function isOurs(board: Board): board is ModbusIoBoard {
  return board.family === MODBUS_IO && 'reads' in board;
}
