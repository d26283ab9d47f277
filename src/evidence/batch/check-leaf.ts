/**
 * The part of acceptance that looks into an event: its line is canonical JSON and stands where it says that it stands.
 * Separate from verify-batch.ts because a tree is verified without reading one event.
 */
import { accept, type Result, refuse } from '../../base/result.ts';
import type { CustodyEvent, JsonObject } from '../event/event.ts';
import { judgeLeaf, type LeafUse } from '../event/guard.ts';
import { parseCanonicalObject } from '../event/json.ts';
import { LEAF_BYTES_MAX, parseLeaf } from '../event/leaf.ts';

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
