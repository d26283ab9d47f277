import { z } from 'zod';
import type { BoardFamily } from '../board-family.ts';
import { deviceName } from '../device-name.ts';
import { GROUP_FRAME_BYTES, xorCutter } from './frames.ts';
import { groupQuery, interpretFrame, stateBytes } from './messages.ts';

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
});

export const xor8a80: BoardFamily = {
  name: NAME,
  lineDefaults: { baud: 9_600 },
  settingsSchema: xorSettings,
  board(settings) {
    const { name, address, channels } = xorSettings.parse(settings);
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
    };
  },
  cutter(boards) {
    const sizes = new Map(boards.map((board) => [board.address, stateBytes(board.channels)]));
    return xorCutter((address) => sizes.get(address));
  },
};
