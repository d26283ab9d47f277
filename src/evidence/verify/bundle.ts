/**
 * The bundle: evidence for one question, checked offline (FORMAT.md section 8). One JSON object in its canonical form
 * (JCS) without a newline at its end.
 *
 *     {"decisions":[{"answer":...,"facts":...,"parameters":...}],"enrolments":[...],
 *      "logs":[{"checkpoints":[{"consistency":[...],"note":...}],"entries":[{"leaf":...,"proof":...}],
 *               "log":...,"searched":{"end":n,"first":n},"trees":[{"consistency":[...],"root":...,"size":n}]}],
 *      "question":...,"seal":...,"successors":[...],"v":1}
 */
import { assert } from '../../base/assert.ts';
import { base64, unbase64, utf8 } from '../../base/bytes.ts';
import { accept, type Result, refuse } from '../../base/result.ts';
import type { Json, JsonObject } from '../event/event.ts';
import { canonicalJson, isObject, parseCanonicalObject } from '../event/json.ts';
import { HASH_BYTES } from '../log/tree.ts';
import { type Envelope, formatEnvelope, parseEnvelopeText } from '../wire/envelope.ts';

export const BUNDLE_TYPE = 'application/vnd.latchkey.bundle.v1+json';
export const BUNDLE_BYTES_MAX = 8_388_608;
export const BUNDLE_LOGS_MAX = 16;
export const BUNDLE_CHECKPOINTS_MAX = 64;
export const BUNDLE_ENTRIES_MAX = 4_096;
/**
 * Statements, and records: each log that goes on after another one needs a statement, so a key that is rotated each month is
 * followed for two decades. A quarter of a megabyte of the usual ones; reading them in the worst order is a second.
 */
export const BUNDLE_ENVELOPES_MAX = 256;
export const BUNDLE_DECISIONS_MAX = 64;
const QUESTION_UNITS_MAX = 1_000;
const CONSISTENCY_MAX = 110;

export interface BundleCheckpoint {
  /** The signed note, verbatim. */
  readonly note: string;
  /** RFC 6962 consistency proof from the checkpoint before; empty for the first. */
  readonly consistency: readonly Uint8Array[];
}

export interface BundleEntry {
  /** The exact event line; or of an entry whose body was erased, its leaf hash. */
  readonly body: { readonly leaf: string } | { readonly hash: Uint8Array };
  /** A C2SP tlog-proof whose note is one of the checkpoints, byte for byte. */
  readonly proof: string;
}

/** A tree whose root somebody else signed or certified, and of which the maker has no note of the log. */
export interface BundleTree {
  readonly size: number;
  readonly root: Uint8Array;
  /** RFC 6962 consistency proof to the first checkpoint that is larger. */
  readonly consistency: readonly Uint8Array[];
}

/** A decision as it was stored: three JSON texts, verbatim. */
export interface BundleDecision {
  readonly answer: string;
  readonly facts: string;
  readonly parameters: string;
}

/** A log; or of one of which entries are missing, a stretch that one tree holds. */
export interface BundleLog {
  readonly log: string;
  /** The range in which the maker looked for entries, and had all that it holds: his word, not proved. */
  readonly searched: { readonly first: number; readonly end: number };
  /** Ascending by size. */
  readonly checkpoints: readonly BundleCheckpoint[];
  /** Ascending by index. */
  readonly entries: readonly BundleEntry[];
  /** Ascending by size: what joins anchors to the checkpoints. */
  readonly trees: readonly BundleTree[];
}

export interface Bundle {
  /** What the bundle answers: its maker's words. */
  readonly question: string;
  readonly logs: readonly BundleLog[];
  /** Statements that vouch for logs which the reader's policy may not name. */
  readonly successors: readonly Envelope[];
  /** Service-signed enrolment summaries of gateways with a TPM. */
  readonly enrolments: readonly Envelope[];
  /** What was decided on these entries: the maker's word, with the facts that it was made of. */
  readonly decisions: readonly BundleDecision[];
  /** The maker's signature over all of the others (bundle-seal.ts). */
  readonly seal?: Envelope;
}

/** The bundle's one spelling. One that `parseBundle` would refuse is an assertion. */
export function formatBundle(bundle: Bundle): Uint8Array {
  const bytes = bundleText(bundle);
  const again = parseBundle(bytes);
  assert(again.ok, `no bundle: ${again.ok ? '' : again.detail}`);
  return bytes;
}

/** The spelling, whether or not it keeps the limits. */
export function bundleText(bundle: Bundle): Uint8Array {
  return utf8(canonicalJson(spell(bundle)));
}

/** What a seal is over: the bundle without it. */
export function bundleBody({ seal: _seal, ...rest }: Bundle): Uint8Array {
  return bundleText(rest);
}

const MEMBERS = ['decisions', 'enrolments', 'logs', 'question', 'seal', 'successors', 'v'];

export function parseBundle(bytes: Uint8Array): Result<Bundle, 'too_long' | 'bundle'> {
  const object = parseCanonicalObject(bytes, BUNDLE_BYTES_MAX);
  if (!object.ok) return refuse(object.reason === 'too_long' ? 'too_long' : 'bundle', object.detail);
  const { value } = object;
  const isKnown = Object.keys(value).every((name) => MEMBERS.includes(name));
  if (value['v'] !== 1 || !isKnown) return refuse('bundle', 'unknown version or member');
  const { question } = value;
  if (typeof question !== 'string' || question.length > QUESTION_UNITS_MAX)
    return refuse('bundle', 'expected `question`');
  const logs = listOf(value['logs'], BUNDLE_LOGS_MAX, parseLog);
  if (logs === undefined || logs.length === 0) return refuse('bundle', 'expected 1 to 16 `logs`');
  if (!isInParts(logs)) return refuse('bundle', 'a log stands twice, and not as parts one behind the other');
  const successors = someOf(value['successors'], BUNDLE_ENVELOPES_MAX, parseEnvelopeMember);
  if (successors === undefined) return refuse('bundle', notEnvelopes('successors', value['successors']));
  const enrolments = someOf(value['enrolments'], BUNDLE_ENVELOPES_MAX, parseEnvelopeMember);
  if (enrolments === undefined) return refuse('bundle', notEnvelopes('enrolments', value['enrolments']));
  const decisions = someOf(value['decisions'], BUNDLE_DECISIONS_MAX, parseDecision);
  if (decisions === undefined) return refuse('bundle', '`decisions` are 1 to 64 of answer, facts and parameters');
  const seal = value['seal'] === undefined ? undefined : parseEnvelopeMember(value['seal']);
  if (value['seal'] !== undefined && seal === undefined) return refuse('bundle', '`seal` is not an envelope');
  return accept({ question, logs, successors, enrolments, decisions, ...(seal !== undefined && { seal }) });
}

function notEnvelopes(name: string, value: Json | undefined): string {
  const found = Array.isArray(value) ? `${value.length}, or what is none` : 'no list';
  return `expected 1 to ${BUNDLE_ENVELOPES_MAX} envelopes as \`${name}\`, or none of that name; found ${found}`;
}

/** Each log once, or in parts of which each was searched behind the one before. */
function isInParts(logs: readonly BundleLog[]): boolean {
  const searchedTo = new Map<string, number>();
  return logs.every(({ log, searched }) => {
    const before = searchedTo.get(log);
    searchedTo.set(log, searched.end);
    return before === undefined || searched.first >= before;
  });
}

function spell(bundle: Bundle): JsonObject {
  const { decisions, enrolments, successors, seal } = bundle;
  const logs = bundle.logs.map((each) => ({
    checkpoints: each.checkpoints.map(({ consistency, note }) => ({ consistency: consistency.map(base64), note })),
    entries: each.entries.map(({ body, proof }) => ('leaf' in body ? { leaf: body.leaf, proof } : erased(body, proof))),
    log: each.log,
    searched: { end: each.searched.end, first: each.searched.first },
    ...(each.trees.length > 0 && { trees: each.trees.map(spellTree) }),
  }));
  // Envelopes and decisions stand as text: their member names are not held to ours.
  return {
    ...(decisions.length > 0 && {
      decisions: decisions.map(({ answer, facts, parameters }) => ({ answer, facts, parameters })),
    }),
    ...(enrolments.length > 0 && { enrolments: enrolments.map(formatEnvelope) }),
    logs,
    question: bundle.question,
    ...(seal !== undefined && { seal: formatEnvelope(seal) }),
    ...(successors.length > 0 && { successors: successors.map(formatEnvelope) }),
    v: 1,
  };
}

function erased({ hash }: { readonly hash: Uint8Array }, proof: string): JsonObject {
  return { hash: base64(hash), proof };
}

function spellTree({ size, root, consistency }: BundleTree): JsonObject {
  return { consistency: consistency.map(base64), root: base64(root), size };
}

function parseLog(value: Json): BundleLog | undefined {
  const { trees: treesMember, ...plain } = isObject(value) ? value : {};
  if (!hasExactly(plain, ['checkpoints', 'entries', 'log', 'searched'])) return undefined;
  const { log, searched } = plain;
  const checkpoints = listOf(plain['checkpoints'], BUNDLE_CHECKPOINTS_MAX, parseCheckpointMember);
  const entries = listOf(plain['entries'], BUNDLE_ENTRIES_MAX, parseEntry);
  const trees = someOf(treesMember, BUNDLE_CHECKPOINTS_MAX, parseTree);
  if (typeof log !== 'string' || checkpoints === undefined || checkpoints.length === 0 || entries === undefined)
    return undefined;
  if (trees === undefined || checkpoints[0]?.consistency.length !== 0 || !hasExactly(searched, ['end', 'first']))
    return undefined;
  const { first, end } = searched;
  if (typeof first !== 'number' || typeof end !== 'number' || first < 0 || end < first) return undefined;
  return { log, searched: { first, end }, checkpoints, entries, trees };
}

function parseCheckpointMember(value: Json): BundleCheckpoint | undefined {
  if (!hasExactly(value, ['consistency', 'note']) || typeof value['note'] !== 'string') return undefined;
  const consistency = listOf(value['consistency'], CONSISTENCY_MAX, parseHash);
  return consistency === undefined ? undefined : { note: value['note'], consistency };
}

function parseTree(value: Json): BundleTree | undefined {
  if (!hasExactly(value, ['consistency', 'root', 'size'])) return undefined;
  const { size } = value;
  const consistency = listOf(value['consistency'], CONSISTENCY_MAX, parseHash);
  const root = parseHash(value['root'] ?? '');
  if (typeof size !== 'number' || size < 1 || root === undefined || consistency === undefined) return undefined;
  return { size, root, consistency };
}

function parseHash(value: Json): Uint8Array | undefined {
  const hash = typeof value === 'string' ? unbase64(value) : undefined;
  return hash?.length === HASH_BYTES ? hash : undefined;
}

function parseEntry(value: Json): BundleEntry | undefined {
  if (hasExactly(value, ['hash', 'proof'])) {
    const { proof } = value;
    const hash = parseHash(value['hash'] ?? '');
    return hash !== undefined && typeof proof === 'string' ? { body: { hash }, proof } : undefined;
  }
  if (!hasExactly(value, ['leaf', 'proof'])) return undefined;
  const { leaf, proof } = value;
  return typeof leaf === 'string' && typeof proof === 'string' ? { body: { leaf }, proof } : undefined;
}

function parseDecision(value: Json): BundleDecision | undefined {
  if (!hasExactly(value, ['answer', 'facts', 'parameters'])) return undefined;
  const { answer, facts, parameters } = value;
  const isText = typeof answer === 'string' && typeof facts === 'string' && typeof parameters === 'string';
  return isText ? { answer, facts, parameters } : undefined;
}

function parseEnvelopeMember(value: Json): Envelope | undefined {
  const envelope = typeof value === 'string' ? parseEnvelopeText(value) : undefined;
  return envelope?.ok ? envelope.value : undefined;
}

function listOf<T>(
  value: Json | undefined,
  most: number,
  parse: (item: Json) => T | undefined,
): readonly T[] | undefined {
  if (!Array.isArray(value) || value.length > most) return undefined;
  const items = value.map(parse).filter((item) => item !== undefined);
  return items.length === value.length ? items : undefined;
}

/** Absent, or at least one: an empty list would be a second spelling of the same. */
function someOf<T>(
  value: Json | undefined,
  most: number,
  parse: (item: Json) => T | undefined,
): readonly T[] | undefined {
  if (value === undefined) return [];
  const items = listOf(value, most, parse);
  return items?.length === 0 ? undefined : items;
}

function hasExactly(value: Json | undefined, names: readonly string[]): value is JsonObject {
  return (
    isObject(value) && Object.keys(value).length === names.length && names.every((name) => Object.hasOwn(value, name))
  );
}
