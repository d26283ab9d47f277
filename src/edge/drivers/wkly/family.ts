import { z } from 'zod';
import type { BoardFamily } from '../board-family.ts';
import { deviceName } from '../device-name.ts';
import { unlockReplySetting } from '../unlock-reply.ts';
import { describe } from './describe.ts';
import { frameOf, wklyCutter } from './frames.ts';
import { interpretFrame, QUERY_ALL, replyBytes, unlocking } from './messages.ts';

const NAME = 'wkly';
const BAUD = 9_600;
const BOARDS = 32;

export const wklySettings = z.strictObject({
  driver: z.literal(NAME),
  name: deviceName,
  /** Board number. */
  address: z
    .int()
    .min(0)
    .max(BOARDS - 1),
  /** Locks that the board's reply to "query all" counts. */
  channels: z.int().min(1).max(48),
  /** Some boards never answer an unlock. */
  unlock_reply: unlockReplySetting('at_once'),
});

export const wkly: BoardFamily = {
  name: NAME,
  lineDefaults: { baud: BAUD },
  settingsSchema: wklySettings,
  board(settings) {
    const { name, address, channels, unlock_reply } = wklySettings.parse(settings);
    const profile = { address, channels };
    return {
      device: name,
      family: NAME,
      address,
      channels,
      polls: [
        {
          request: frameOf(address, QUERY_ALL),
          replyBytes: replyBytes(profile),
          interpret: (frame) => interpretFrame(frame, profile),
        },
      ],
      unlock: unlocking(profile, unlock_reply),
    };
  },
  cutter: () => wklyCutter(),
  describe,
  probes: () =>
    Array.from({ length: BOARDS }, (_, address) => ({ baud: BAUD, address, request: frameOf(address, QUERY_ALL) })),
};
