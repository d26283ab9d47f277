import { z } from 'zod';
import { present } from '../../../base/assert.ts';
import type { BoardFamily } from '../board-family.ts';
import { deviceName } from '../device-name.ts';
import { unlockReplySetting } from '../unlock-reply.ts';
import { describe } from './describe.ts';
import { request, STATUS, winnsenCutter } from './frames.ts';
import { statusPoll, unlocking } from './messages.ts';

const NAME = 'winnsen';
const BAUD = 9_600;
/** Two DIP switches. */
const STATIONS = 4;

export const winnsenSettings = z.strictObject({
  driver: z.literal(NAME),
  name: deviceName,
  /** Station number on its DIP switch. */
  address: z
    .int()
    .min(0)
    .max(STATIONS - 1),
  /** Locks that are asked, each by a question of its own: 16 take about 0.7 s. */
  channels: z.int().min(1).max(16).default(16),
  unlock_reply: unlockReplySetting('at_once'),
});

export const winnsen: BoardFamily = {
  name: NAME,
  lineDefaults: { baud: BAUD },
  settingsSchema: winnsenSettings,
  board(settings) {
    const { name, address, channels, unlock_reply } = winnsenSettings.parse(settings);
    const [first, ...others] = Array.from({ length: channels }, (_, index) => statusPoll(address, index + 1));
    return {
      device: name,
      family: NAME,
      address,
      channels,
      polls: [present(first, 'a poll'), ...others],
      unlock: unlocking(address, unlock_reply),
      equalReads: true,
    };
  },
  cutter: () => winnsenCutter(),
  describe,
  probes: () =>
    Array.from({ length: STATIONS }, (_, address) => ({ baud: BAUD, address, request: request(STATUS, address, 1) })),
};
