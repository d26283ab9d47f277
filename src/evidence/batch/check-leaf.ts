/**
 * The part of acceptance that looks into an event: its line is canonical JSON and stands where it says that it stands.
 * Separate from verify-batch.ts because a tree is verified without reading one event.
 */
import { utf8Text } from '../../base/bytes.ts';
import { accept, type Result, refuse } from '../../base/result.ts';
import type { CustodyEvent, JsonObject } from '../event/event.ts';
import { judgeLeaf, type LeafUse } from '../event/guard.ts';
import { parseCanonicalObject } from '../event/json.ts';
import { LEAF_BYTES_MAX, parseLeaf } from '../event/leaf.ts';
import { LeafScanner } from '../event/leaf-scan.ts';

export type LeafCheckRefusal =
  /** Not the canonical JSON of one object. */
  | 'leaf'
  /** A leaf of version 1 whose `log` and `n` are not its place. */
  | 'leaf_place';

export interface CheckedLeaf {
  /** What may be done with it. `accepted` only for a leaf of version 1 that fits the vocabulary. */
  readonly use: LeafUse;
  /** The event, when it has the shape of one; absent for an unknown version and for a shape that does not fit. */
  readonly event?: CustodyEvent;
}

/** What a reader of many entries needs of each: the event itself only where it says something about other entries. */
export interface GlancedLeaf {
  readonly use: LeafUse;
  /** The wall clock that an accepted event claims. */
  readonly at?: string;
  /** As `checkLeaf` gives it, but absent for an accepted event that is neither entry 0 nor carried over. */
  readonly event?: CustodyEvent;
}

const ACCEPTED: LeafUse = { use: 'accepted' };

/** `checkLeaf` for the entries of one log, several times faster over those that are plainly usable, as nearly all are. */
export class LeafChecker {
  readonly #origin: string;
  readonly #scanner: LeafScanner;

  constructor(origin: string) {
    this.#origin = origin;
    this.#scanner = new LeafScanner(origin);
  }

  check(index: number, bytes: Uint8Array): Result<GlancedLeaf, LeafCheckRefusal> {
    const text = index > 0 && bytes.length <= LEAF_BYTES_MAX ? utf8Text(bytes) : undefined;
    const at = text === undefined ? undefined : this.#scanner.timeOf(text, index);
    if (at !== undefined) return accept({ use: ACCEPTED, at });
    const checked = checkLeaf(this.#origin, index, bytes);
    if (!checked.ok) return checked;
    const { use, event } = checked.value;
    if (use.use !== 'accepted' || event === undefined) return checked;
    const isRead = index === 0 || event.carried !== undefined;
    return accept({ use, at: event.at, ...(isRead && { event }) });
  }
}

/** `origin` and `index` are those of a verified batch. Refusals refute the batch; `use` never does. */
export function checkLeaf(origin: string, index: number, bytes: Uint8Array): Result<CheckedLeaf, LeafCheckRefusal> {
  const leaf = parseLeaf(bytes);
  if (!leaf.ok) return leaf.reason === 'schema' ? checkShapeless(origin, index, bytes) : refuse('leaf', leaf.detail);
  const { event, kind } = leaf.value;
  // Nobody knows how another version says its place.
  if (kind === 'unknown_version') return accept({ use: judgeLeaf(leaf.value) });
  if (event.log !== origin || event.n !== index) return wrongPlace(index);
  return accept({ use: judgeLeaf(leaf.value), event });
}

/** An envelope that does not fit is a fault of the box: the entry is receipted and nothing of it is used. */
function checkShapeless(origin: string, index: number, bytes: Uint8Array): Result<CheckedLeaf, LeafCheckRefusal> {
  const object = parseCanonicalObject(bytes, LEAF_BYTES_MAX);
  const { log, n }: JsonObject = object.ok ? object.value : {};
  if (log !== origin || n !== index) return wrongPlace(index);
  return accept({ use: { use: 'withheld', why: 'vocabulary', paths: [''] } });
}

function wrongPlace(index: number): Result<never, 'leaf_place'> {
  return refuse('leaf_place', `the event at index ${index} names another log or index`);
}
