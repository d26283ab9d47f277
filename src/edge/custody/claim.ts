/** To which of several visited compartments a scan belongs. Pure. */
import type { Compartment } from './compartment.ts';

export interface Claimant {
  readonly name: string;
  /** Several doors stand open: the scan may be of another one. */
  readonly severalOpen: boolean;
}

/** The one whose door stands open; of several, the one that opened last. Those that were shut come after all open ones. */
export function claimantOf(
  visited: readonly string[],
  stateOf: (name: string) => Pick<Compartment, 'episode'>,
): Claimant | undefined {
  const open = visited.filter((name) => stateOf(name).episode?.shutAtMs === undefined);
  const startedMs = (name: string): number => stateOf(name).episode?.startedMs ?? 0;
  const [first, ...others] = open.length > 0 ? open : visited;
  if (first === undefined) return undefined;
  const name = others.reduce((best, other) => (startedMs(other) >= startedMs(best) ? other : best), first);
  return { name, severalOpen: open.length > 1 };
}
