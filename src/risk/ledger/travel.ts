/** Whether a parcel can have got from one place to another in time: after taking off what the clocks may be wrong. */
import type { Contradiction } from '../decision/facts.ts';
import type { Surroundings } from './inputs.ts';
import type { LedgerSettings } from './settings.ts';
import type { Place } from './state.ts';

/** Metres of a thousandth of a degree of a great circle. */
const MDEG_M = 111.195;
const HOUR_MS = 3_600_000;

/**
 * Faster than anything (`hard`), or than a road lets it where the two are too near for a flight; `soft` where they are not:
 * which way a parcel went nobody tells. Undefined for a journey that can have been.
 */
export function impossibleJourney(
  from: Place,
  to: Place,
  sites: NonNullable<Surroundings['sites']>,
  { road_kmh, any_kmh, flight_least_km, separation_least_m }: LedgerSettings,
): Contradiction['severity'] | undefined {
  // Own members alone: a gateway may be called "constructor".
  const siteOf = ({ gateway }: Place) => (Object.hasOwn(sites, gateway) ? sites[gateway] : undefined);
  const [a, b] = [siteOf(from), siteOf(to)];
  if (a === undefined || b === undefined || from.gateway === to.gateway) return undefined;
  const metres = separationM(a, b);
  if (metres < separation_least_m) return undefined;
  const hours = Math.max(0, to.sinceMs - from.sinceMs + from.errMs + to.errMs) / HOUR_MS;
  const km = metres / 1_000;
  if (km <= road_kmh * hours) return undefined;
  return km >= flight_least_km && km <= any_kmh * hours ? 'soft' : 'hard';
}

interface Site {
  readonly lat_mdeg: number;
  readonly lon_mdeg: number;
}

/** The shorter of two estimates, so that no journey is called impossible by a rounding. */
function separationM(a: Site, b: Site): number {
  const shrink = Math.cos((Math.max(Math.abs(a.lat_mdeg), Math.abs(b.lat_mdeg)) * Math.PI) / 180_000);
  const east = Math.abs(a.lon_mdeg - b.lon_mdeg);
  const across = Math.min(east, 360_000 - east) * shrink;
  return Math.hypot(a.lat_mdeg - b.lat_mdeg, across) * MDEG_M * 0.99;
}
