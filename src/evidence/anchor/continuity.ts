/**
 * Continuity between anchors: what their counter values, clocks and places say about the history of a gateway, across
 * its logs (FORMAT.md section 5, "Between anchors"). A pure function: the same history gives the same findings.
 *
 * An honest gateway is never refuted, whatever power, disk and network do to it: absence is judged only where every entry
 * that could tell is held, and a gap that entry 0 of the next log states is reported. A lie in entry 0 can therefore
 * turn "refuted" into "reported", and no further.
 */
import { equalBytes, hex } from '../../base/bytes.ts';
import { type ContinuityFinding, type FindingName, findingOf } from './findings.ts';
import type { LogHistory, SeenAnchor, SeenOpening, SeenTime } from './history.ts';

export interface ContinuityVerdict {
  readonly findings: readonly ContinuityFinding[];
  /** The TPM was cleared before it certified each of these counter values, ascending: a life of its own begins there. */
  readonly clears: readonly number[];
}

export const FINDINGS_MAX = 64;
/** Entry 0 of the next log says that the disk was not what it had been: a branch of it may be anchored. */
const DISK_CAUSES: readonly string[] = ['breach', 'quarantine', 'missing'];
/** Time and clock tick together; what a read may differ by. */
const CLOCK_TOLERANCE_MS = 1_000n;

/** `logs`: each log once, in any order; all anchors are of one AK and one counter. */
export function judgeContinuity(logs: readonly LogHistory[]): ContinuityVerdict {
  const judge = new Judge(logs);
  judge.run();
  const { findings, clears } = judge;
  return { findings: findings.slice(0, FINDINGS_MAX), clears };
}

class Judge {
  readonly findings: ContinuityFinding[] = [];
  readonly clears: number[] = [];
  readonly #logs: ReadonlyMap<string, LogHistory>;
  readonly #openings: readonly SeenOpening[];
  /** Reset counts, or reset and restart counts, that a start or a GetTime names. */
  readonly #named: ReadonlySet<string>;
  /** Each text with each counter value once. */
  readonly #texts: SeenAnchor[] = [];
  /** One per counter value, ascending, each with all that certify it over one text. */
  readonly #values: readonly (readonly [SeenAnchor, ...SeenAnchor[]])[];

  constructor(logs: readonly LogHistory[]) {
    this.#logs = new Map(logs.map((log) => [log.origin, log]));
    this.#openings = logs.flatMap((log) => log.opening ?? []);
    const starts = logs.flatMap((log) => log.starts).filter((start) => start.resets !== undefined);
    const times = logs.flatMap((log) => log.times);
    this.#named = new Set([
      ...starts.map(({ resets, restarts }) => (restarts === undefined ? `${resets}` : `${resets} ${restarts}`)),
      ...times.map(({ resetCount, restartCount }) => `${resetCount} ${restartCount}`),
    ]);
    this.#values = this.#byValue(logs.flatMap((log) => log.anchors));
  }

  run(): void {
    for (const anchor of this.#texts) this.#judgeOne(anchor);
    this.#judgeSizes();
    for (const [i, here] of this.#values.entries()) {
      const before = this.#values[i - 1];
      this.#judgeGap(before?.[0], here[0]);
      if (before === undefined) continue;
      this.#judgeClock(before, here);
      if (here[0].counter === before[0].counter + 1) this.#judgeContainment(before[0], here[0]);
    }
    for (const opening of this.#openings) this.#judgeOpening(opening);
    for (const log of this.#logs.values()) this.#judgeStarts(log);
    this.#judgeTimes([...this.#logs.values()].flatMap((log) => log.times));
  }

  #find(name: FindingName, detail: string): void {
    this.findings.push(findingOf(name, detail));
  }

  #byValue(anchors: readonly SeenAnchor[]): readonly (readonly [SeenAnchor, ...SeenAnchor[]])[] {
    const byText = new Map<string, [SeenAnchor, ...SeenAnchor[]]>();
    for (const anchor of [...anchors].sort(inOrder)) {
      const text = `${anchor.counter}\n${anchor.origin}\n${anchor.size}\n${hex(anchor.root)}`;
      const group = byText.get(text);
      if (group === undefined) byText.set(text, [anchor]);
      else group.push(anchor);
    }
    const byValue = new Map<number, readonly [SeenAnchor, ...SeenAnchor[]]>();
    for (const group of [...byText.values()].map(withAllPlaces)) {
      const [anchor] = group;
      const other = byValue.get(anchor.counter);
      if (other === undefined) byValue.set(anchor.counter, group);
      else this.#find('counter_cloned', `${nameOf(other[0])} and ${nameOf(anchor)}`);
      this.#texts.push(anchor);
    }
    return [...byValue.values()];
  }

  #judgeOne(anchor: SeenAnchor): void {
    const found = this.#logs.get(anchor.origin)?.opening?.counter?.found;
    if (found !== undefined && anchor.counter <= found) {
      this.#find('counter_before_opening', `${nameOf(anchor)}; entry 0 had found ${found}`);
    }
    if (anchor.tree === 'other') this.#fork(anchor, `${nameOf(anchor)} has another root than the log`);
  }

  /** Two anchors of one size over two roots, also where the tree is not held. */
  #judgeSizes(): void {
    const seen = new Map<string, SeenAnchor>();
    for (const anchor of this.#texts) {
      const place = `${anchor.origin}\n${anchor.size}`;
      const other = seen.get(place);
      seen.set(place, other ?? anchor);
      if (other === undefined || equalBytes(other.root, anchor.root)) continue;
      if (other.tree !== 'other' && anchor.tree !== 'other')
        this.#fork(anchor, `${nameOf(other)} and ${nameOf(anchor)}`);
    }
  }

  #fork(anchor: SeenAnchor, detail: string): void {
    const isBranch = this.#openings.some(
      ({ after }) => after?.log === anchor.origin && DISK_CAUSES.includes(after.cause),
    );
    this.#find(isBranch ? 'anchored_branch' : 'anchor_fork', detail);
  }

  /** The values missing below `here`, since the anchor before it or since its log began. */
  #judgeGap(before: SeenAnchor | undefined, here: SeenAnchor): void {
    if (before !== undefined && here.counter === before.counter + 1) return;
    if (before !== undefined && this.#holdsBetween(before, here)) {
      this.#find(
        'counter_gap',
        `${values(before.counter + 1, here.counter - 1)} between ${nameOf(before)} and ${nameOf(here)}`,
      );
      return;
    }
    const stated = this.#foundBelow(before?.counter ?? -1, here.counter);
    // Values up to `found` are the opening's to state, and reported there.
    if (before === undefined && stated === undefined) return;
    const from = Math.max(before?.counter ?? -1, stated?.found ?? -1) + 1;
    if (from >= here.counter) return;
    const missing = values(from, here.counter - 1);
    const isHere = stated?.log === here.origin && this.#holds(here, 0);
    const since = stated === undefined ? '' : ` since ${stated.log} opened at ${stated.found}`;
    this.#find(isHere ? 'counter_gap' : 'gap_open', `${missing} below ${nameOf(here)}${since}`);
  }

  /** Of the openings that found a value in [least, below), the one that found the highest. */
  #foundBelow(least: number, below: number): { readonly log: string; readonly found: number } | undefined {
    const found = this.#openings
      .map(({ log, counter }) => ({ log, found: counter?.found ?? -1 }))
      .filter((each) => each.found >= Math.max(least, 0) && each.found < below);
    return found.sort((a, b) => b.found - a.found)[0];
  }

  /** Whether all entries of the log are held in which an anchor between the two would have to stand. */
  #holdsBetween(before: SeenAnchor, here: SeenAnchor): boolean {
    if (before.origin !== here.origin || before.tree === 'other') return false;
    const place = before.places.find((each) => each.log === here.origin)?.index ?? before.size;
    return this.#holds(here, place);
  }

  /** Whether all entries of the anchored tree from `first` on are held, and the tree is the one that is held. */
  #holds(here: SeenAnchor, first: number): boolean {
    const held = this.#logs.get(here.origin)?.held;
    return held !== undefined && here.tree === 'same' && held.first <= first && held.end >= here.size;
  }

  #judgeClock(before: readonly SeenAnchor[], here: readonly SeenAnchor[]): void {
    const a = before.at(-1);
    const [b] = here;
    if (a === undefined || b === undefined) return;
    const detail = `${nameOf(a)}: ${clockOf(a)}; ${nameOf(b)}: ${clockOf(b)}`;
    const sameReset = b.resetCount === a.resetCount;
    const wentBack = b.restartCount < a.restartCount || (b.restartCount === a.restartCount && b.clock < a.clock);
    // After a clear the log key is lost and the counter defined anew, and resets may have counted up to a's again.
    const mayBeCleared = b.origin !== a.origin && b.counter > a.counter + 1;
    if (b.resetCount < a.resetCount || (sameReset && wentBack && mayBeCleared)) {
      this.clears.push(b.counter);
      this.#find('tpm_cleared', detail);
      return;
    }
    if (sameReset && wentBack) this.#find('clock_back', detail);
    if (sameReset && b.restartCount <= a.restartCount) return;
    const isNamed = this.#named.has(`${b.resetCount}`) || this.#named.has(`${b.resetCount} ${b.restartCount}`);
    if (!isNamed) this.#find('reset_unobserved', detail);
  }

  /** `here` follows `before` by one. */
  #judgeContainment(before: SeenAnchor, here: SeenAnchor): void {
    if (before.tree === 'other' || here.tree === 'other') return;
    const detail = `${nameOf(before)}, then ${nameOf(here)}`;
    const inside = before.places.filter((place) => place.log === here.origin);
    if (before.origin !== here.origin) {
      const elsewhere = before.places.length > inside.length;
      const isLate = inside.length > 0 && inside.every((place) => place.index >= here.size);
      if (isLate && !elsewhere) this.#find('not_contained', `${detail}: its entry stands at ${inside[0]?.index}`);
      return;
    }
    if (inside.some((place) => place.index < here.size)) return;
    const isAbsent = inside.length > 0 || here.size <= before.size || this.#holds(here, before.size);
    this.#find(isAbsent ? 'not_contained' : 'containment_open', detail);
  }

  /** What entry 0 says of the counter. A gap up to `found` is reported, whoever made it. */
  #judgeOpening({ log, counter }: SeenOpening): void {
    if (counter === undefined) return;
    const { expected, found } = counter;
    if (expected !== undefined && found < expected) {
      this.#find('counter_behind', `entry 0 of ${log}: expected ${expected}, found ${found}`);
      return;
    }
    const known = this.#values.map(([anchor]) => anchor.counter).filter((value) => value <= found);
    const last = known.at(-1);
    // From the last known anchor, or from what the gateway's own disk expected, up to what was found.
    const from = expected === undefined ? last : Math.min(expected, last ?? expected);
    if (from === undefined) return;
    const missing = found - from - known.filter((value) => value > from).length;
    if (missing === 0) return;
    const said = expected === undefined ? 'expected nothing' : `expected ${expected}`;
    const range = values(from + 1, found);
    this.#find('gap_stated', `entry 0 of ${log} ${said} and found ${found}: ${missing} not here of ${range}`);
  }

  #judgeStarts(log: LogHistory): void {
    for (const { clean, endedCleanly, index } of log.starts) {
      if (clean && endedCleanly === false) this.#find('unclean_end', `the start at ${index} of ${log.origin}`);
    }
  }

  #judgeTimes(times: readonly SeenTime[]): void {
    const sorted = [...times].sort((a, b) => inBoots(a, b) || compare(a.time, b.time));
    for (const [i, here] of sorted.entries()) {
      const before = sorted[i - 1];
      if (before === undefined || inBoots(before, here) !== 0) continue;
      const drift = here.clock - before.clock - (here.time - before.time);
      if (drift > CLOCK_TOLERANCE_MS || drift < -CLOCK_TOLERANCE_MS) {
        this.#find('clock_set', `by ${drift} ms between entries ${before.index} and ${here.index} of ${here.log}`);
      }
    }
  }
}

/** What was certified twice over one text is one anchor with all its places. */
function withAllPlaces(group: readonly [SeenAnchor, ...SeenAnchor[]]): readonly [SeenAnchor, ...SeenAnchor[]] {
  const [first, ...more] = group;
  const places = group.flatMap((anchor) => anchor.places);
  const tree = group.map((anchor) => anchor.tree).find((each) => each !== 'unknown') ?? 'unknown';
  return [{ ...first, places, tree }, ...more];
}

/** By counter value; then by the TPM's time; then by text, so that the order of the input does not matter. */
function inOrder(a: SeenAnchor, b: SeenAnchor): number {
  const byText = a.origin.localeCompare(b.origin, 'en') || a.size - b.size || compareBytes(a.root, b.root);
  return a.counter - b.counter || inBoots(a, b) || compare(a.clock, b.clock) || byText;
}

type Boot = Pick<SeenAnchor, 'resetCount' | 'restartCount'>;

function inBoots(a: Boot, b: Boot): number {
  return a.resetCount - b.resetCount || a.restartCount - b.restartCount;
}

function compare(a: bigint, b: bigint): number {
  return a < b ? -1 : Number(a > b);
}

function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const at = a.findIndex((byte, i) => byte !== b[i]);
  return at < 0 ? 0 : (a[at] ?? 0) - (b[at] ?? 0);
}

function nameOf({ counter, size, origin }: SeenAnchor): string {
  return `anchor ${counter} (${origin} at size ${size})`;
}

function clockOf({ resetCount, restartCount, clock }: SeenAnchor): string {
  return `reset ${resetCount}, restart ${restartCount}, clock ${clock} ms`;
}

function values(from: number, to: number): string {
  return from === to ? `counter value ${from}` : `counter values ${from} to ${to}`;
}
