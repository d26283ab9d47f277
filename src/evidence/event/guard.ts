/**
 * The privacy guard: what may be written at the gateway, and what may be used at a consumer.
 *
 * Both sides ask the same descriptions (`vocabulary.ts`). The gateway drops what does not fit and lists its path; the
 * event stands. A consumer uses nothing of an event that does not fit: it keeps the hash and raises an alarm.
 */
import { assert } from '../../base/assert.ts';
import { utf8 } from '../../base/bytes.ts';
import type { CustodyEvent, EventBody, Json, JsonObject } from './event.ts';
import { BODY_FIELDS, HEAD_FIELDS, WITHHELD_PATH_MAX } from './event-fields.ts';
import { type Field, type Finding, holdsCard, ITEMS_MAX } from './field.ts';
import { canonicalJson } from './json.ts';
import type { ParsedLeaf } from './leaf.ts';
import { dataField } from './vocabulary.ts';
import { LOG_DATA } from './vocabulary-log.ts';

/** Canonical bytes of a body; with the largest envelope, `carried` and `withheld` a leaf stays below its 4,096. */
export const BODY_BYTES_MAX = 2_600;

export interface GuardedBody {
  readonly body: EventBody;
  /** JSON Pointers of what was dropped; at most 16, the last then `/data` for all others. */
  readonly withheld: readonly string[];
}

const NOTHING: readonly string[] = [];

/**
 * The body as it may be written. Dropped are strings with a card number (no hash of them is kept), members outside of
 * the allow-list, and, largest first, what makes the leaf too long. An unknown type and a required member that the
 * caller left out are assertions.
 */
export function guardBody(body: EventBody): GuardedBody {
  const data = dataField(body.type);
  assert(data !== undefined, `the vocabulary knows no type ${body.type.slice(0, 48)}`);
  if (bodyFits(body, data) && isShort(body)) return { body, withheld: NOTHING };
  const findings: Finding[] = [];
  const cleaned = shorten(cleanBody(body, data, findings), findings);
  const missing = findings.find((finding) => finding.reason === 'missing');
  assert(missing === undefined, `${body.type} needs ${missing?.path ?? ''}`);
  return { body: cleaned, withheld: pathsOf(findings) };
}

export type LeafUse =
  | { readonly use: 'accepted' }
  | { readonly use: 'opaque'; readonly why: 'unknown_type' | 'unknown_version' }
  /** Keep the leaf hash, raise an alarm, store no byte of the body. */
  | { readonly use: 'withheld'; readonly why: 'card_number' | 'vocabulary'; readonly paths: readonly string[] };

/** Whether a consumer may use, store opaque, or must withhold a leaf. The answer never changes what is receipted. */
export function judgeLeaf(leaf: ParsedLeaf): LeafUse {
  const { event, kind } = leaf;
  if (kind === 'unknown_version') {
    if (holdsCard(event as unknown as JsonObject)) return { use: 'withheld', why: 'card_number', paths: [''] };
    return { use: 'opaque', why: kind };
  }
  const data = kind === 'known' ? dataField(event.type) : undefined;
  const findings: Finding[] = [];
  for (const name in event) {
    const value = (event as unknown as JsonObject)[name] as Json;
    const field = name === 'data' ? data : (HEAD_FIELDS.get(name) ?? BODY_FIELDS.get(name));
    if (field !== undefined) {
      if (!field.fits(value)) field.clean(value, `/${name}`, findings);
    } else if (name !== 'data')
      findings.push({ path: '', reason: holdsCard({ [name]: value }) ? 'card_number' : 'vocabulary' });
    else if (holdsCard(value)) findings.push({ path: '/data', reason: 'card_number' });
  }
  findings.push(...strangersWithCards(event));
  const open = findings.filter((finding) => finding.reason !== 'missing' || !isExplained(finding.path, event));
  if (open.length > 0) {
    const why = open.some((finding) => finding.reason === 'card_number') ? 'card_number' : 'vocabulary';
    return { use: 'withheld', why, paths: pathsOf(open) };
  }
  return kind === 'known' ? { use: 'accepted' } : { use: 'opaque', why: 'unknown_type' };
}

/** `<origin>`, `<key name>+<key id>+<key>` or a signature line of a note: everything before the number of the log. */
const KEY_NAME = /^(?:\u2014 )?([^ +]*?)(?:\/[0-9]{1,9}-[0-9a-f]{8})?(?:[ +]|$)/;

/**
 * Names of logs and keys have a grammar that a card number fits. This log's own place is trusted already, and may be any
 * serial number; another's is not.
 */
function strangersWithCards(event: CustodyEvent): readonly Finding[] {
  const findings: Finding[] = [];
  const own = KEY_NAME.exec(event.log)?.[1];
  const look = (value: Json, path: string): void => {
    if (typeof value === 'string') {
      const place = /[/+\u2014]/.test(value) ? (KEY_NAME.exec(value)?.[1] ?? '') : '';
      if (place !== own && holdsCard(place)) findings.push({ path, reason: 'card_number' });
    } else if (typeof value === 'object') for (const member of Object.values(value) as Json[]) look(member, path);
  };
  if (event.carried !== undefined) look(event.carried.log, '/carried');
  if (Object.hasOwn(LOG_DATA, event.type)) look(event.data, '/data');
  return findings;
}

function bodyFits(body: EventBody, data: Field): boolean {
  for (const name in body) {
    if (name === 'type') continue;
    const field = name === 'data' ? data : BODY_FIELDS.get(name);
    if (field === undefined || !field.fits((body as unknown as JsonObject)[name])) return false;
  }
  return true;
}

function cleanBody(body: EventBody, data: Field, findings: Finding[]): EventBody {
  const kept: Record<string, Json> = {};
  for (const [name, value] of Object.entries(body as unknown as JsonObject)) {
    const field = name === 'data' ? data : BODY_FIELDS.get(name);
    if (name === 'type') kept[name] = value;
    else if (field === undefined) findings.push({ path: '/data', reason: 'vocabulary' });
    else {
      const rest = field.fits(value) ? value : field.clean(value, `/${name}`, findings);
      // A reference without its text, or an interval without an end, says nothing: the whole member goes.
      if (rest !== undefined && (name === 'data' || field.fits(rest))) kept[name] = rest;
    }
  }
  return { ...kept, data: kept['data'] ?? {} } as unknown as EventBody;
}

/** Exact only where a cheap bound is not enough: nearly every body is far below the limit. */
function isShort(body: EventBody): boolean {
  const value = body as unknown as JsonObject;
  return bytesAtMost(value) <= BODY_BYTES_MAX || sizeOf(value) <= BODY_BYTES_MAX;
}

/** Upper bound of the canonical form: an escape takes six bytes, a unit outside of ASCII at most three. */
function bytesAtMost(value: Json): number {
  if (typeof value === 'string') return 2 + 6 * value.length;
  if (typeof value !== 'object') return 17;
  let sum = 2;
  if (Array.isArray(value)) for (const item of value as readonly Json[]) sum += 1 + bytesAtMost(item);
  else for (const name in value) sum += name.length + 4 + bytesAtMost((value as JsonObject)[name] as Json);
  return sum;
}

function shorten(body: EventBody, findings: Finding[]): EventBody {
  let data = body.data;
  while (sizeOf({ ...body, data } as unknown as JsonObject) > BODY_BYTES_MAX) {
    const sizes = Object.entries(data).map(([name, value]) => ({ name, size: sizeOf(value) }));
    const largest = sizes.sort((a, b) => b.size - a.size)[0];
    assert(largest !== undefined, `a body of ${body.type} is too long without data`);
    const { [largest.name]: _dropped, ...rest } = data;
    data = rest;
    findings.push({ path: `/data/${largest.name}`, reason: 'vocabulary' });
  }
  return data === body.data ? body : { ...body, data };
}

function sizeOf(value: Json): number {
  return utf8(canonicalJson(value)).length;
}

function pathsOf(findings: readonly Finding[]): readonly string[] {
  const paths = new Set(findings.map(({ path }) => (path.length <= WITHHELD_PATH_MAX ? path : parentOf(path))));
  const all = [...paths];
  return all.length <= ITEMS_MAX ? all : [...all.slice(0, ITEMS_MAX - 1), '/data'];
}

function parentOf(path: string): string {
  const cut = path.slice(0, path.lastIndexOf('/'));
  return cut.length <= WITHHELD_PATH_MAX ? cut : parentOf(cut);
}

/** A required member may be missing when `withheld` names it; indices shift where an array lost items. */
function isExplained(path: string, event: CustodyEvent): boolean {
  const wanted = withoutIndices(path);
  return (event.withheld ?? []).some((each) => {
    const named = withoutIndices(each);
    return wanted === named || wanted.startsWith(`${named}/`);
  });
}

function withoutIndices(path: string): string {
  return path.replace(/\/[0-9]+(?=\/|$)/g, '/*');
}
