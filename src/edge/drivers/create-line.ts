import { assert } from '../../base/assert.ts';
import { boardReadings } from './board-readings.ts';
import { BusLine } from './bus/bus-line.ts';
import { busTiming } from './bus/settings.ts';
import { BOARD_FAMILIES, familyNamed } from './families.ts';
import { KeypadLine } from './keypad/keypad-line.ts';
import { LatchkeyLine } from './latchkey/latchkey-line.ts';
import type { Line, LineParts } from './line.ts';
import { SicsLine } from './mt-sics/sics-line.ts';
import { NmeaLine } from './nmea/nmea-line.ts';
import {
  type DeviceSettings,
  isLone,
  isWire,
  type LineSettings,
  type LoneDriver,
  type LoneSettings,
} from './settings.ts';
import { SsiLine } from './ssi-scanner/ssi-line.ts';
import { ScannerLine } from './text-scanner/scanner-line.ts';
import { ToledoLine } from './toledo-continuous/toledo-line.ts';

export interface CreateLineParts extends LineParts {
  readonly settings: LineSettings;
  /** Speed of the line, for reply times. */
  readonly baud: number;
}

type LoneLine<D extends LoneDriver> = (
  parts: LineParts,
  settings: Extract<DeviceSettings, { readonly driver: D }>,
) => Line;

/** The lines of devices that need a port for themselves, by driver. */
const LONE_LINES: { readonly [D in LoneDriver]: LoneLine<D> } = {
  text_scanner: (parts, settings) => new ScannerLine({ ...parts, settings }),
  ssi_scanner: (parts, settings) => new SsiLine({ ...parts, settings }),
  mt_sics: (parts, settings) => new SicsLine({ ...parts, settings }),
  toledo_continuous: (parts, settings) => new ToledoLine({ ...parts, settings }),
  nmea: (parts, settings) => new NmeaLine({ ...parts, settings }),
  keypad: (parts, settings) => new KeypadLine({ ...parts, settings }),
};

/** The line of one entry of `ports:`. Nothing happens before `start`. */
export function createLine(parts: CreateLineParts): Line {
  const { settings, baud } = parts;
  const lone = settings.devices.find(isLone);
  if (lone !== undefined) return loneLine(parts, lone);
  const wired = settings.devices.filter(isWire);
  if (wired.length > 0) {
    const { cycle_ms: cycleMs, reply_timeout_ms: marginMs } = settings.poll;
    return new LatchkeyLine({ ...parts, devices: wired, cycleMs, marginMs });
  }
  const boards = settings.devices.map((device) => {
    const family = familyNamed(device.driver);
    assert(family !== undefined, `no board family is named ${device.driver}`);
    return family.board(device);
  });
  const families = BOARD_FAMILIES.filter((family) => boards.some((board) => board.family === family.name));
  const sink = boardReadings(boards, parts.sink);
  return new BusLine({ ...parts, sink, boards, families, timing: busTiming(settings.poll, baud) });
}

/** Each row takes the settings of its own driver, which the compiler cannot see through the table. */
function loneLine(parts: LineParts, settings: LoneSettings): Line {
  const make = LONE_LINES[settings.driver] as (parts: LineParts, settings: LoneSettings) => Line;
  return make(parts, settings);
}
