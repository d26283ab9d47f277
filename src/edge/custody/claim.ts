/** To which of several visited compartments a scan belongs. Pure. */
import type { Compartment } from './compartment.ts';

export interface Claimant {
  readonly name: string;
  /** Several doors stand open: the scan may be of another one. */
  readonly severalOpen: boolean;
}

/**
 * The one whose door stands open; of several, the one that opened last. Those that were shut come after all open ones, and
 * forced doors after those that were let open: they have a scan alone when nobody `isExpected` beside them, either.
 */
export function claimantOf(
  visited: readonly string[],
  stateOf: (name: string) => Pick<Compartment, 'episode'>,
  isExpected: (beside: readonly string[]) => boolean,
): Claimant | undefined {
  const open = visited.filter((name) => stateOf(name).episode?.shutAtMs === undefined);
  const startedMs = (name: string): number => stateOf(name).episode?.startedMs ?? 0;
  const candidates = open.length > 0 ? open : visited;
  const lawful = candidates.filter((name) => stateOf(name).episode?.withoutAccess !== true);
  if (lawful.length === 0 && candidates.length > 0 && isExpected(candidates)) return undefined;
  const [first, ...others] = lawful.length > 0 ? lawful : candidates;
  if (first === undefined) return undefined;
  const name = others.reduce((best, other) => (startedMs(other) >= startedMs(best) ? other : best), first);
  return { name, severalOpen: open.length > 1 };
}
