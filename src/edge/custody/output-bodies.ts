/** What a read of one compartment gives to say, in its order. */
import type { EventBody } from '../../evidence/event/event.ts';
import type { BoardReading } from '../contracts/reading.ts';
import { doorBody, firstLookBody, forcedBody, occupancyBody } from './bodies.ts';
import type { Compartment, CompartmentOutput } from './compartment.ts';
import type { CompartmentSettings } from './settings.ts';

export interface Said {
  readonly body: EventBody | undefined;
  readonly urgent?: boolean;
}

export function outputBodies(
  settings: CompartmentSettings,
  reading: BoardReading,
  state: Compartment,
  output: CompartmentOutput,
): readonly Said[] {
  switch (output.kind) {
    case 'first_look':
      return [{ body: firstLookBody(settings, state) }];
    case 'item':
      return [{ body: occupancyBody(settings, state, output) }];
    case 'door':
      return [
        { body: doorBody(settings, reading, output) },
        { body: forcedBody(settings, state, output), urgent: true },
      ];
  }
}
