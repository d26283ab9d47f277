/** The lines of the settings: a port and the devices on it. */
import { assert } from '../../base/assert.ts';
import type { Appender } from '../contracts/appender.ts';
import type { Observer } from '../contracts/observed.ts';
import type { ReadingSink } from '../contracts/reading.ts';
import { createLine } from '../drivers/create-line.ts';
import type { Line } from '../drivers/line.ts';
import { lineBaud } from '../drivers/settings.ts';
import { lineUnseenMaxMs } from '../drivers/unseen.ts';
import { createPort } from '../ports/create-port.ts';
import type { GatewayParts } from './gateway.ts';
import type { GatewaySettings } from './settings.ts';

export function createLines(
  parts: GatewayParts,
  sink: ReadingSink,
  observer: Observer,
  appender: Pick<Appender, 'flush'>,
): readonly Line[] {
  // Ports and lines say in each line of theirs which port it is about.
  const { settings, scheduler, logger, metrics } = parts;
  const recorded = (signal: AbortSignal): Promise<void> => appender.flush(signal);
  return settings.ports.map((entry) => {
    const baud = baudOf(entry);
    const port = createPort({ settings: entry, baudDefault: baud, scheduler, logger, metrics });
    return createLine({ port, settings: entry, baud, sink, recorded, observer, scheduler, logger, metrics });
  });
}

/** How long a door can go unseen while every board answers: on the slowest line; undefined without polled boards. */
export function unseenMaxMs({ ports }: Pick<GatewaySettings, 'ports'>): number | undefined {
  const lines = ports.flatMap((entry) => lineUnseenMaxMs(entry, baudOf(entry)) ?? []);
  return lines.length === 0 ? undefined : Math.max(...lines);
}

function baudOf(entry: GatewaySettings['ports'][number]): number {
  const baud = entry.link.baud ?? lineBaud(entry.devices);
  assert(baud !== undefined, 'the settings name a speed where the devices usually speak at different ones');
  return baud;
}
