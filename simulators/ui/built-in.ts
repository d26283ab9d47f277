/** The site that "latchkey simulate --ui" plays when no other is given: six doors, a scanner and a keypad. */
import { type SiteSettings, siteSchema } from '../site/settings.ts';

const BOARD = 'cabinet-1';
/** Those that open for the gateway alone. */
const CONTROLLED: ReadonlySet<string> = new Set(['A05', 'A06']);
const DOORS = ['A01', 'A02', 'A03', 'A04', 'A05', 'A06'];

export function builtInSite(): SiteSettings {
  return siteSchema.parse({
    name: 'six-doors',
    lines: [
      {
        name: 'cabinet',
        pty: {},
        family: 'kerong_cu16',
        boards: [{ name: BOARD, address: 0, channels: 16, item_sensors: true }],
      },
      { name: 'desk', pty: {}, scanner: { suffix: '\r\n', aim: true } },
      { name: 'pad', pty: {}, keypad: {} },
    ],
    compartments: DOORS.map((name, i) => ({ name, board: BOARD, channel: i + 1, controlled: CONTROLLED.has(name) })),
  });
}
