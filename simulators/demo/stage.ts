/**
 * The site of the demo: two cabinets of different make, a scanner at the desk and one at the dock, a keypad, and a
 * scale under one compartment; on lines that are not perfect.
 */
import type { SiteSettings, SiteSettingsInput } from '../site/settings.ts';
import { siteSchema } from '../site/settings.ts';

export interface StageCompartment {
  readonly name: string;
  readonly board: string;
  readonly channel: number;
  readonly sensor: boolean;
}

export const DESK = 'desk';
/** Reads in whole sacks at the back door, over an Ethernet serial server; opens no compartment. */
export const DOCK = 'dock';
/** At which codes are typed. */
export const KEYPAD = 'pad';
/** Stands under the one compartment that opens for codes alone. */
export const SCALE = 'scale';
export const CODED = 'w6';
/** Opens for codes alone, too, and has an item sensor: here a door is forced. */
export const FORCED = 'e5';
/** A controller in real C firmware that speaks the open wire, outside of the simulated site; where a C compiler is. */
export const FIRMWARE = { name: 'south', address: 1, channels: 12 };
export const FIRMWARE_LINE = 'bus-south';
export const WEST_LINE = 'bus-west';
export const EAST_LINE = 'bus-east';

/** West: an "8A/80" board without item sensors. East: a KERONG CU16 with them, its switches wired the other way. */
export const COMPARTMENTS: readonly StageCompartment[] = [
  ...Array.from({ length: 6 }, (_, i) => ({ name: `w${i + 1}`, board: 'west', channel: i + 1, sensor: false })),
  ...Array.from({ length: 6 }, (_, i) => ({ name: `e${i + 1}`, board: 'east', channel: i + 1, sensor: true })),
];

/** The one compartment behind the firmware. */
export const FIRMWARE_COMPARTMENT: StageCompartment = { name: 's1', board: 'south', channel: 1, sensor: true };

export const WEST = { name: 'west', address: 1, channels: 24 };
export const EAST = { name: 'east', address: 0, channels: 16 };

export function stageSettings(linksDir: string): SiteSettings {
  const input: SiteSettingsInput = {
    name: 'demo',
    seed: 20_261_122,
    links_dir: linksDir,
    lines: [
      {
        name: WEST_LINE,
        pty: { link: 'usb-simulated-west' },
        family: 'xor_8a80',
        boards: [{ ...WEST, shut_reads: 1, unwired_reads: 1 }],
        faults: { rates: { split: 0.2, noise: 0.01, no_reply: 0.01, bit_flip: 0.01, echo: 0.02 } },
      },
      {
        name: EAST_LINE,
        pty: { link: 'usb-simulated-east' },
        family: 'kerong_cu16',
        boards: [{ ...EAST, shut_reads: 0, unwired_reads: 0, item_sensors: true }],
        faults: { rates: { split: 0.2, noise: 0.01, lost_bytes: 0.01, late_reply: 0.01 }, late_ms: 150 },
      },
      {
        name: DESK,
        pty: { link: 'usb-simulated-scanner' },
        scanner: { suffix: '\r\n', aim: true },
        faults: { rates: { split: 0.5 } },
      },
      { name: KEYPAD, pty: { link: 'usb-simulated-keypad' }, keypad: {} },
      { name: SCALE, pty: { link: 'usb-simulated-scale' }, scale: { settle_ms: 100 } },
      { name: DOCK, tcp: {}, scanner: { suffix: '\r\n', aim: true }, faults: { rates: { split: 0.2 } } },
    ],
    compartments: COMPARTMENTS.map(({ name, board, channel }) => ({ name, board, channel })),
  };
  return siteSchema.parse(input);
}
