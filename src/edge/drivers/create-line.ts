import { assert } from '../../base/assert.ts';
import { BusLine } from './bus/bus-line.ts';
import { busTiming } from './bus/settings.ts';
import { BOARD_FAMILIES, familyNamed } from './families.ts';
import type { Line, LineParts } from './line.ts';
import type { DeviceSettings, LineSettings } from './settings.ts';
import { ScannerLine } from './text-scanner/scanner-line.ts';
import { type ScannerSettings, TEXT_SCANNER } from './text-scanner/settings.ts';

export interface CreateLineParts extends LineParts {
  readonly settings: LineSettings;
  /** Speed of the line, for reply times. */
  readonly baud: number;
}

/** The line of one entry of `ports:`. Nothing happens before `start`. */
export function createLine(parts: CreateLineParts): Line {
  const { settings, baud } = parts;
  const scanner = settings.devices.find(isScanner);
  if (scanner !== undefined) return new ScannerLine({ ...parts, settings: scanner });
  const boards = settings.devices.map((device) => {
    const family = familyNamed(device.driver);
    assert(family !== undefined, `no board family is named ${device.driver}`);
    return family.board(device);
  });
  const families = BOARD_FAMILIES.filter((family) => boards.some((board) => board.family === family.name));
  return new BusLine({ ...parts, boards, families, timing: busTiming(settings.poll, baud) });
}

function isScanner(device: DeviceSettings): device is ScannerSettings {
  return device.driver === TEXT_SCANNER;
}
