/**
 * KERONG CU48 boards with Modbus RTU firmware: lock n is coil n - 1, read by function 01 and moved by function 05.
 */
import { z } from 'zod';
import type { BoardFamily } from '../board-family.ts';
import { deviceName } from '../device-name.ts';
import { describeModbus } from '../modbus-rtu/describe.ts';
import { modbusCutter, READ_COILS, request, WRITE_COIL } from '../modbus-rtu/frames.ts';
import { bitPoll, writeUnlock } from '../modbus-rtu/messages.ts';
import { unlockReplySetting } from '../unlock-reply.ts';

const NAME = 'cu48_modbus';
const BAUD = 115_200;
const LOCKS = 48;
/** Slave addresses that a probe asks for. */
const PROBED_ADDRESSES = 10;

export const cu48ModbusSettings = z.strictObject({
  driver: z.literal(NAME),
  name: deviceName,
  /** Slave address. */
  address: z.int().min(1).max(247),
  channels: z.union([z.literal(24), z.literal(LOCKS)]).default(LOCKS),
  /** What function 05 writes to let a lock open: sources contradict each other. */
  unlock_value: z.enum(['FF00', '0000']).default('FF00'),
  /** The standard has the reply repeat the request. */
  unlock_reply: unlockReplySetting('echo'),
});

export const cu48Modbus: BoardFamily = {
  name: NAME,
  wire: 'modbus',
  lineDefaults: { baud: BAUD },
  settingsSchema: cu48ModbusSettings,
  board(settings) {
    const { name, address, channels, unlock_value, unlock_reply } = cu48ModbusSettings.parse(settings);
    const value = Number.parseInt(unlock_value, 16);
    const poll = locksPoll(address, channels);
    return {
      device: name,
      family: NAME,
      address,
      channels,
      polls: [poll],
      unlock: writeUnlock(poll, (channel) => request(address, WRITE_COIL, channel - 1, value), unlock_reply),
    };
  },
  cutter(boards) {
    const sizes = new Map(boards.map((board) => [board.address, board.channels / 8]));
    return modbusCutter((address, func) => (func === READ_COILS ? sizes.get(address) : undefined));
  },
  describe: (frame) => describeModbus(frame, 'sets'),
  probes: () =>
    Array.from({ length: PROBED_ADDRESSES }, (_, index) => {
      return { baud: BAUD, address: index + 1, request: locksPoll(index + 1, LOCKS).request };
    }),
};

function locksPoll(address: number, quantity: number): ReturnType<typeof bitPoll> {
  const channels = Array.from({ length: quantity }, (_, index) => index + 1);
  return bitPoll({ address, func: READ_COILS, start: 0, quantity, channels });
}
