/**
 * The leaf: an event's exact bytes, which the tree hashes and the batch carries.
 */
import { assert } from '../../base/assert.ts';
import { accept, type Result, refuse } from '../../base/result.ts';
import type { CustodyEvent, Json, JsonObject } from './event.ts';
import { HEAD_REQUIRED } from './event-fields.ts';
import { canonicalJson, isObject, type JsonRefusal, parseCanonicalObject } from './json.ts';
import { isEventType } from './vocabulary.ts';

export const LEAF_BYTES_MAX = 4096;

/**
 * The line without its newline. Events whose members are written in the order of their names are encoded fastest.
 * `guardBody` keeps a body small enough; a longer leaf is an assertion.
 */
export function encodeLeaf(event: CustodyEvent): Uint8Array {
  const text = canonicalJson(event as unknown as JsonObject);
  const { read, written } = encoder.encodeInto(text, scratch);
  assert(
    read === text.length && written <= LEAF_BYTES_MAX,
    `a leaf of ${event.type} is longer than ${LEAF_BYTES_MAX} bytes`,
  );
  return scratch.slice(0, written);
}

const encoder = new TextEncoder();
/** Every call overwrites it and hands out a copy: one exact allocation instead of the encoder's two. */
const scratch = new Uint8Array(LEAF_BYTES_MAX + 4);

export type LeafRefusal =
  | JsonRefusal
  /** `v` is missing or no positive integer, or a version 1 leaf lacks a member of the envelope or has one of another JSON type. */
  | 'schema';

export interface ParsedLeaf {
  /**
   * For an unknown version this is whatever object it was: look at `kind` first. Only JSON types are checked here;
   * grammar, lengths and vocabulary are judged by `judgeLeaf`, because they decide use and not acceptance.
   */
  readonly event: CustodyEvent;
  readonly kind: 'known' | 'unknown_type' | 'unknown_version';
}

/** Accepts what equals its own canonical form to the byte and has the shape of an event. */
export function parseLeaf(bytes: Uint8Array): Result<ParsedLeaf, LeafRefusal> {
  const parsed = parseCanonicalObject(bytes, LEAF_BYTES_MAX);
  if (!parsed.ok) return parsed;
  const { value } = parsed;
  const version = value['v'];
  if (typeof version !== 'number' || version < 1) return refuse('schema', '"v" must be a positive integer');
  const event = value as unknown as CustodyEvent;
  if (version !== 1) return accept({ event, kind: 'unknown_version' });
  const wrong = wrongMember(value);
  if (wrong !== undefined) return refuse('schema', `member "${wrong}" is missing or of another JSON type`);
  return accept({ event, kind: isEventType(event.type) ? 'known' : 'unknown_type' });
}

type Shape = (value: Json | undefined) => boolean;

const isString: Shape = (value) => typeof value === 'string';
const isCount: Shape = (value) => typeof value === 'number' && value >= 0;
const hasStrings =
  (...names: readonly string[]): Shape =>
  (value) =>
    isObject(value) && names.every((name) => typeof value[name] === 'string');

/** What a reader may rely on before any judgement: `CustodyEvent` as TypeScript sees it. */
const SHAPES: ReadonlyMap<string, Shape> = new Map<string, Shape>([
  ['log', isString],
  ['n', isCount],
  ['salt', isString],
  ['type', isString],
  ['at', isString],
  ['clock', hasStrings('src')],
  ['boot', isCount],
  ['up_ms', isCount],
  ['data', isObject],
  ['device', isString],
  ['compartment', isString],
  ['parcel', hasStrings('ref', 'scheme')],
  ['actor', hasStrings('kind', 'ref')],
  ['seen', (value) => isObject(value) && isCount(value['from_ms']) && isCount(value['to_ms'])],
  [
    'carried',
    (value) =>
      hasStrings('log', 'leaf')(value) &&
      isObject(value) &&
      isCount(value['n']) &&
      isCount(value['boot']) &&
      isCount(value['up_ms']),
  ],
  ['withheld', (value) => Array.isArray(value) && value.every(isString)],
]);

function wrongMember(value: JsonObject): string | undefined {
  for (const name of HEAD_REQUIRED) if (value[name] === undefined) return name;
  for (const [name, fits] of SHAPES) if (value[name] !== undefined && !fits(value[name])) return name;
  return undefined;
}
