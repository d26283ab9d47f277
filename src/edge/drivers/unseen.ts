/** How long a door can go unseen, from the settings of its line alone: for the journal, before any line is made. */
import { unseenMaxMs } from './bus/observation.ts';
import { busTiming } from './bus/settings.ts';
import { familyNamed } from './families.ts';
import type { LineSettings } from './settings.ts';

/** Undefined for a line without polled boards. */
export function lineUnseenMaxMs(settings: LineSettings, baud: number): number | undefined {
  const boards = settings.devices.flatMap((device) => familyNamed(device.driver)?.board(device) ?? []);
  return boards.length === 0 ? undefined : unseenMaxMs(boards, busTiming(settings.poll, baud));
}
