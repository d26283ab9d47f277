/** What can be said of a scan that no door followed: only a door that was watched is known to have stayed shut. */
import { type Compartment, isWatchedSince } from './compartment.ts';
import type { WaitingScan } from './scans.ts';
import type { CustodySettings } from './settings.ts';

export interface KnownDoors {
  stateOf(name: string): Compartment;
  /** It was forced since then, and had no scan. */
  isForced(name: string, sinceMs: number): boolean;
  /** It was opened since then, or stood open: for whoever was let in, or for a technician. */
  isOpened(name: string, sinceMs: number): boolean;
}

/** What can be said of the doors that scans may have been for. */
export type LoneDoors = 'watched' | 'unwatched' | 'forced' | 'others';

/** What is said of several scans together: what proves least first. */
const WEAKEST_FIRST: readonly LoneDoors[] = ['unwatched', 'forced', 'others'];

/**
 * The doors that a scan may have been for. A scan while a door is open is of that door's episode, however long before it was
 * opened; one after it was shut is not: through a shut door nothing is put in, and whoever had it open may scan anything then.
 *
 * `none`: no commissioned one, of which anything could be claimed. `unwatched`: one of them is not commissioned, or could
 * not be read all the time since the scan. `forced`: all were watched, and one was seen to open without having been let open.
 * `others`: it asked for one that did not open for it, while one was opened for somebody else.
 */
function doorsFor(
  scan: WaitingScan,
  start: { readonly settings: CustodySettings; readonly boot: number },
  { stateOf, isForced, isOpened }: KnownDoors,
): 'none' | LoneDoors {
  const doors = start.settings.compartments.filter(({ scanners }) => scanners?.includes(scan.device) ?? true);
  const known = doors.filter(({ polarity }) => polarity !== undefined);
  if (known.length === 0) return 'none';
  if (known.length < doors.length || scan.boot !== start.boot) return 'unwatched';
  if (!known.every(({ name }) => isWatchedSince(stateOf(name), scan.upMs))) return 'unwatched';
  if (known.some(({ name }) => isForced(name, scan.upMs))) return 'forced';
  const isLeft = scan.meant !== undefined && known.some(({ name }) => isOpened(name, scan.upMs));
  return isLeft ? 'others' : 'watched';
}

/** What is told of scans that waited in vain: those that name a parcel. Undefined when there is nothing to tell. */
export function reportOf(
  expired: readonly WaitingScan[],
  more: number,
  start: { readonly settings: CustodySettings; readonly boot: number },
  known: KnownDoors,
): { readonly scans: readonly WaitingScan[]; readonly doors: LoneDoors } | undefined {
  const doors = (scan: WaitingScan) => doorsFor(scan, start, known);
  const scans = expired.filter((scan) => scan.parcel !== undefined && doors(scan) !== 'none');
  if (scans.length + more === 0) return undefined;
  const seen = new Set(scans.map(doors));
  return { scans, doors: WEAKEST_FIRST.find((each) => seen.has(each)) ?? 'watched' };
}
