/** The lines of the settings: a port and the devices on it. */
import { assert } from '../../base/assert.ts';
import type { Observer } from '../contracts/observed.ts';
import type { ReadingSink } from '../contracts/reading.ts';
import { createLine } from '../drivers/create-line.ts';
import type { Line } from '../drivers/line.ts';
import { lineBaud } from '../drivers/settings.ts';
import { createPort } from '../ports/create-port.ts';
import type { GatewayParts } from './gateway.ts';

export function createLines(parts: GatewayParts, sink: ReadingSink, observer: Observer): readonly Line[] {
  // Ports and lines say in each line of theirs which port it is about.
  const { settings, scheduler, logger, metrics } = parts;
  return settings.ports.map((entry) => {
    const baud = entry.link.baud ?? lineBaud(entry.devices);
    assert(baud !== undefined, 'the settings name a speed where the devices usually speak at different ones');
    const port = createPort({ settings: entry, baudDefault: baud, scheduler, logger, metrics });
    return createLine({ port, settings: entry, baud, sink, observer, scheduler, logger, metrics });
  });
}
