import { z } from 'zod';
import type { BoardFamily } from '../board-family.ts';
import { deviceName } from '../device-name.ts';
import { unlockReplySetting } from '../unlock-reply.ts';
import { describe } from './describe.ts';
import { kerongCutter, STATUS_REPLY_BYTES } from './frames.ts';
import { interpretFrame, statusRequest, unlocking } from './messages.ts';

const NAME = 'kerong_cu16';

export const kerongSettings = z.strictObject({
  driver: z.literal(NAME),
  name: deviceName,
  /** Board number on its DIP switch. */
  address: z.int().min(0).max(15),
  channels: z.union([z.literal(12), z.literal(16)]).default(16),
  /** True only where item sensors are fitted: boards without them report every compartment as empty. */
  item_sensors: z.boolean().default(false),
  unlock_reply: unlockReplySetting('none'),
});

const BOARDS = 16;
/** As found in the field, the usual one first. */
const SPEEDS = [19_200, 9_600] as const;

export const kerongCu16: BoardFamily = {
  name: NAME,
  lineDefaults: { baud: 19_200 },
  settingsSchema: kerongSettings,
  board(settings) {
    const { name, address, channels, item_sensors: itemSensors, unlock_reply } = kerongSettings.parse(settings);
    const profile = { address, channels, itemSensors };
    return {
      device: name,
      family: NAME,
      address,
      channels,
      polls: [
        {
          request: statusRequest(address),
          replyBytes: STATUS_REPLY_BYTES,
          interpret: (frame) => interpretFrame(frame, profile),
        },
      ],
      unlock: unlocking(profile, unlock_reply),
    };
  },
  cutter: () => kerongCutter(),
  describe,
  probes: () =>
    SPEEDS.flatMap((baud) =>
      Array.from({ length: BOARDS }, (_, address) => ({ baud, address, request: statusRequest(address) })),
    ),
};
