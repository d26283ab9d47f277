import { z } from 'zod';
import type { Board, BoardFamily } from '../board-family.ts';
import { deviceName } from '../device-name.ts';
import { unlockReplySetting } from '../unlock-reply.ts';
import { describe } from './describe.ts';
import { cu48Cutter, type Layout } from './frames.ts';
import { interpretFrame, replyBytes, statusRequest, unlocking } from './messages.ts';

const NAME = 'kerong_cu48';
const BAUD = 19_200;
/** Addresses that a probe asks for. */
const PROBED_ADDRESSES = 16;

export const cu48Settings = z.strictObject({
  driver: z.literal(NAME),
  name: deviceName,
  /** Board number on its DIP switch. */
  address: z.int().min(0).max(255),
  channels: z.union([z.literal(24), z.literal(48)]).default(48),
  /** How the board replies: `a` 18 bytes with an end mark, `b` with a length byte. */
  layout: z.enum(['a', 'b']).default('a'),
  /** LOCK byte of the status request: 0 as printed for "detect", 48 (30 in hex) for "all locks". */
  status_lock: z.union([z.literal(0), z.literal(48)]).default(0),
  /** True only where item sensors are fitted: boards without them report every compartment as empty. */
  item_sensors: z.boolean().default(false),
  unlock_reply: unlockReplySetting('none'),
});

interface Cu48Board extends Board {
  readonly layout: Layout;
}

export const kerongCu48: BoardFamily = {
  name: NAME,
  lineDefaults: { baud: BAUD },
  settingsSchema: cu48Settings,
  board(settings): Cu48Board {
    const { name, address, channels, layout, ...rest } = cu48Settings.parse(settings);
    const profile = { address, channels, layout, statusLock: rest.status_lock, itemSensors: rest.item_sensors };
    return {
      device: name,
      family: NAME,
      address,
      channels,
      layout,
      polls: [
        {
          request: statusRequest(profile),
          replyBytes: replyBytes(profile),
          interpret: (frame) => interpretFrame(frame, profile),
        },
      ],
      unlock: unlocking(profile, rest.unlock_reply),
    };
  },
  cutter(boards) {
    const layouts = new Map(boards.filter(isOurs).map((board) => [board.address, board.layout]));
    return cu48Cutter((address) => layouts.get(address));
  },
  describe,
  probes: () =>
    Array.from({ length: PROBED_ADDRESSES }, (_, address) => {
      return { baud: BAUD, address, request: statusRequest({ address, statusLock: 0 }) };
    }),
};

function isOurs(board: Board): board is Cu48Board {
  return board.family === NAME && 'layout' in board;
}
