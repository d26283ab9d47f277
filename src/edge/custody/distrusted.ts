/**
 * A door whose signed walk says another polarity than its settings: one of both is wrong, so open may be shut.
 *
 * Whatever would be concluded of it could be the opposite of what happened. So nothing is: it is told once, what runs ends
 * with what was seen until then, and what should lie there stays in doubt.
 */
import type { EventBody } from '../../evidence/event/event.ts';
import { type Compartment, EMPTY_COMPARTMENT } from './compartment.ts';
import type { CompartmentSettings } from './settings.ts';

/** What earlier episodes said lies there is all that is left. */
export function withoutSensing({ held, doubted, seal }: Compartment): Compartment {
  return { ...EMPTY_COMPARTMENT, held, doubted: doubted || held.length > 0, seal };
}

export function distrustedBody({ device, name }: CompartmentSettings): EventBody {
  return { compartment: name, data: { what: 'polarity_contradicted' }, device, type: 'exception.reported' };
}
