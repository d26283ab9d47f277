import { z } from 'zod';
import type { BoardFamily } from '../board-family.ts';
import { deviceName } from '../device-name.ts';
import { unlockReplySetting } from '../unlock-reply.ts';
import { describe } from './describe.ts';
import { GROUP_FRAME_BYTES, xorCutter } from './frames.ts';
import { groupQuery, interpretFrame, stateBytes, unlocking } from './messages.ts';

const NAME = 'xor_8a80';

export const xorSettings = z.strictObject({
  driver: z.literal(NAME),
  name: deviceName,
  /** Board number on its DIP switch; documents give ranges from 1-32 to 1-200. */
  address: z.int().min(1).max(200),
  /**
   * Channels that the board's reply to "query all" covers. Eight and fewer are not offered: such a reply would be as
   * long as the request and could equal its echo.
   */
  channels: z.union([z.literal(12), z.literal(16), z.literal(24), z.literal(32)]).default(24),
  /** Documents say 11, one of 2025 says 33: its reply cannot be taken for an echo. */
  unlock_param: z.enum(['11', '33']).default('11'),
  /** Boards that take the time of the pulse in the frame; others do not hear the longer frame. */
  unlock_pulse_s: z.int().min(1).max(30).exactOptional(),
  unlock_reply: unlockReplySetting('at_once'),
});

/** Addresses that a probe asks for: DIP switches of five bits. */
const PROBED_ADDRESSES = 32;
/** `80 01 00 99`: a board alone on its line says its address. */
const ASK_ADDRESS = Uint8Array.of(0x80, 0x01, 0x00, 0x99, 0x18);

export const xor8a80: BoardFamily = {
  name: NAME,
  lineDefaults: { baud: 9_600 },
  settingsSchema: xorSettings,
  board(settings) {
    const { name, address, channels, unlock_param, unlock_pulse_s, unlock_reply } = xorSettings.parse(settings);
    const how = { param: Number.parseInt(unlock_param, 16), reply: unlock_reply };
    return {
      device: name,
      family: NAME,
      address,
      channels,
      polls: [
        {
          request: groupQuery(address),
          replyBytes: GROUP_FRAME_BYTES + stateBytes(channels),
          interpret: (frame) => interpretFrame(frame, { address, channels }),
        },
      ],
      unlock: unlocking({ address, channels }, unlock_pulse_s === undefined ? how : { ...how, pulseS: unlock_pulse_s }),
    };
  },
  cutter(boards) {
    const sizes = new Map(boards.map((board) => [board.address, stateBytes(board.channels)]));
    return xorCutter((address) => sizes.get(address));
  },
  describe,
  probes: () => [
    { baud: 9_600, request: ASK_ADDRESS },
    ...Array.from({ length: PROBED_ADDRESSES }, (_, index) => {
      return { baud: 9_600, address: index + 1, request: groupQuery(index + 1) };
    }),
  ],
};
