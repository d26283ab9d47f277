/** What can be said of a scan that no door followed: only a door that was watched is known to have stayed shut. */
import { type Compartment, isWatchedSince } from './compartment.ts';
import type { WaitingScan } from './scans.ts';
import type { CustodySettings } from './settings.ts';

/**
 * The doors that a scan may have been for. `none`: no commissioned one, of which anything could be claimed. `unwatched`:
 * one of them is not commissioned, or could not be read all the time since the scan.
 */
function doorsFor(
  scan: WaitingScan,
  start: { readonly settings: CustodySettings; readonly boot: number },
  stateOf: (name: string) => Compartment,
): 'none' | 'watched' | 'unwatched' {
  const doors = start.settings.compartments.filter(({ scanners }) => scanners?.includes(scan.device) ?? true);
  const known = doors.filter(({ polarity }) => polarity !== undefined);
  if (known.length === 0) return 'none';
  if (known.length < doors.length || scan.boot !== start.boot) return 'unwatched';
  return known.every(({ name }) => isWatchedSince(stateOf(name), scan.upMs)) ? 'watched' : 'unwatched';
}

/** What is told of scans that waited in vain: those that name a parcel. Undefined when there is nothing to tell. */
export function reportOf(
  expired: readonly WaitingScan[],
  more: number,
  start: { readonly settings: CustodySettings; readonly boot: number },
  stateOf: (name: string) => Compartment,
): { readonly scans: readonly WaitingScan[]; readonly doors: 'watched' | 'unwatched' } | undefined {
  const doors = (scan: WaitingScan) => doorsFor(scan, start, stateOf);
  const scans = expired.filter((scan) => scan.parcel !== undefined && doors(scan) !== 'none');
  if (scans.length + more === 0) return undefined;
  return { scans, doors: scans.every((scan) => doors(scan) === 'watched') ? 'watched' : 'unwatched' };
}
