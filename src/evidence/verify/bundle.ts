/**
 * The bundle: evidence for one question, checked offline (FORMAT.md section 8). One JSON object in its canonical form
 * (JCS) without a newline at its end.
 *
 *     {"logs":[{"checkpoints":[{"consistency":[...],"note":...}],"entries":[{"leaf":...,"proof":...}],
 *               "log":...,"searched":{"end":n,"first":n}}],"question":...,"successors":[...],"v":1}
 */
import { assert, present } from '../../base/assert.ts';
import { base64, unbase64, utf8, utf8Text } from '../../base/bytes.ts';
import { accept, type Result, refuse } from '../../base/result.ts';
import type { EvidenceCrypto } from '../crypto.ts';
import type { Json, JsonObject } from '../event/event.ts';
import { canonicalJson, isObject, parseCanonicalObject } from '../event/json.ts';
import { consistencyProof, inclusionProof, type SubtreeHash } from '../log/proofs.ts';
import { HASH_BYTES } from '../log/tree.ts';
import { type Envelope, formatEnvelope, parseEnvelopeText } from '../wire/envelope.ts';
import { formatTlogProof } from './tlog-proof.ts';

export const BUNDLE_TYPE = 'application/vnd.latchkey.bundle.v1+json';
export const BUNDLE_BYTES_MAX = 8_388_608;
export const BUNDLE_LOGS_MAX = 16;
export const BUNDLE_CHECKPOINTS_MAX = 64;
export const BUNDLE_ENTRIES_MAX = 4_096;
const QUESTION_UNITS_MAX = 1_000;
const STATEMENTS_MAX = 16;
const CONSISTENCY_MAX = 110;

export interface BundleCheckpoint {
  /** The signed note, verbatim. */
  readonly note: string;
  /** RFC 6962 consistency proof from the checkpoint before; empty for the first. */
  readonly consistency: readonly Uint8Array[];
}

export interface BundleEntry {
  /** The exact event line. */
  readonly leaf: string;
  /** A C2SP tlog-proof whose note is one of the checkpoints, byte for byte. */
  readonly proof: string;
}

export interface BundleLog {
  readonly log: string;
  /** The range in which the maker looked for entries: his word, not proved. */
  readonly searched: { readonly first: number; readonly end: number };
  /** Ascending by size. */
  readonly checkpoints: readonly BundleCheckpoint[];
  /** Ascending by index. */
  readonly entries: readonly BundleEntry[];
}

export interface Bundle {
  /** What the bundle answers: its maker's words. */
  readonly question: string;
  readonly logs: readonly BundleLog[];
  /** Statements that vouch for logs which the reader's policy may not name. */
  readonly successors: readonly Envelope[];
  /** The service-signed enrolment summary of a gateway with a TPM. */
  readonly enrolment?: Envelope;
}

/** What the maker of a bundle has of one log. */
export interface BundleSource {
  readonly origin: string;
  readonly searched: { readonly first: number; readonly end: number };
  /** Signed notes of this log, ascending; the last one's size is above every index. */
  readonly checkpoints: readonly { readonly size: number; readonly note: string }[];
  /** Exact event lines, ascending by index. */
  readonly entries: readonly { readonly index: number; readonly leaf: Uint8Array }[];
  /** Subtree hashes of the tree at the last checkpoint's size. */
  readonly subtree: SubtreeHash;
}

/** Proves each entry to the smallest checkpoint above it. */
export function bundleLog(crypto: EvidenceCrypto, source: BundleSource): BundleLog {
  const checkpoints = source.checkpoints.map(({ size, note }, i) => {
    const before = source.checkpoints[i - 1]?.size;
    const consistency = before === undefined ? [] : consistencyProof(crypto, source.subtree, before, size);
    return { note, consistency };
  });
  const entries = source.entries.map(({ index, leaf }) => {
    const above = present(
      source.checkpoints.find((checkpoint) => checkpoint.size > index),
      `checkpoint above ${index}`,
    );
    const hashes = inclusionProof(crypto, source.subtree, index, above.size);
    return { leaf: present(utf8Text(leaf), 'leaf text'), proof: formatTlogProof({ index, hashes, note: above.note }) };
  });
  return { log: source.origin, searched: source.searched, checkpoints, entries };
}

/** The bundle's one spelling. One that `parseBundle` would refuse is an assertion. */
export function formatBundle(bundle: Bundle): Uint8Array {
  const bytes = utf8(spell(bundle));
  const again = parseBundle(bytes);
  assert(again.ok, `no bundle: ${again.ok ? '' : again.detail}`);
  return bytes;
}

export function parseBundle(bytes: Uint8Array): Result<Bundle, 'too_long' | 'bundle'> {
  const object = parseCanonicalObject(bytes, BUNDLE_BYTES_MAX);
  if (!object.ok) return refuse(object.reason === 'too_long' ? 'too_long' : 'bundle', object.detail);
  const { v, question, logs, successors = [], enrolment, ...unknown } = object.value;
  if (v !== 1 || Object.keys(unknown).length > 0) return refuse('bundle', 'unknown version or member');
  if (typeof question !== 'string' || question.length > QUESTION_UNITS_MAX)
    return refuse('bundle', 'expected `question`');
  const parsedLogs = listOf(logs, BUNDLE_LOGS_MAX, parseLog);
  if (parsedLogs === undefined || parsedLogs.length === 0) return refuse('bundle', 'expected 1 to 16 `logs`');
  if (new Set(parsedLogs.map((each) => each.log)).size < parsedLogs.length)
    return refuse('bundle', 'a log stands twice');
  const statements = listOf(successors, STATEMENTS_MAX, parseEnvelopeMember);
  if (statements === undefined || (object.value['successors'] !== undefined && statements.length === 0)) {
    return refuse('bundle', '`successors` are 1 to 16 envelopes, or absent');
  }
  const summary = enrolment === undefined ? undefined : parseEnvelopeMember(enrolment);
  if (enrolment !== undefined && summary === undefined) return refuse('bundle', '`enrolment` is not an envelope');
  return accept({
    question,
    logs: parsedLogs,
    successors: statements,
    ...(summary !== undefined && { enrolment: summary }),
  });
}

function spell(bundle: Bundle): string {
  const logs = bundle.logs.map((each) => ({
    checkpoints: each.checkpoints.map(({ consistency, note }) => ({ consistency: consistency.map(base64), note })),
    entries: each.entries.map(({ leaf, proof }) => ({ leaf, proof })),
    log: each.log,
    searched: { end: each.searched.end, first: each.searched.first },
  }));
  // Envelopes stand as text: their member `payloadType` is no name of ours.
  return canonicalJson({
    ...(bundle.enrolment !== undefined && { enrolment: formatEnvelope(bundle.enrolment) }),
    logs,
    question: bundle.question,
    ...(bundle.successors.length > 0 && { successors: bundle.successors.map(formatEnvelope) }),
    v: 1,
  });
}

function parseLog(value: Json): BundleLog | undefined {
  if (!hasExactly(value, ['checkpoints', 'entries', 'log', 'searched'])) return undefined;
  const { log, searched } = value;
  const checkpoints = listOf(value['checkpoints'], BUNDLE_CHECKPOINTS_MAX, parseCheckpointMember);
  const entries = listOf(value['entries'], BUNDLE_ENTRIES_MAX, parseEntry);
  if (typeof log !== 'string' || checkpoints === undefined || checkpoints.length === 0 || entries === undefined)
    return undefined;
  if (checkpoints[0]?.consistency.length !== 0 || !hasExactly(searched, ['end', 'first'])) return undefined;
  const { first, end } = searched;
  if (typeof first !== 'number' || typeof end !== 'number' || first < 0 || end < first) return undefined;
  return { log, searched: { first, end }, checkpoints, entries };
}

function parseCheckpointMember(value: Json): BundleCheckpoint | undefined {
  if (!hasExactly(value, ['consistency', 'note']) || typeof value['note'] !== 'string') return undefined;
  const consistency = listOf(value['consistency'], CONSISTENCY_MAX, (item) => {
    const hash = typeof item === 'string' ? unbase64(item) : undefined;
    return hash?.length === HASH_BYTES ? hash : undefined;
  });
  return consistency === undefined ? undefined : { note: value['note'], consistency };
}

function parseEntry(value: Json): BundleEntry | undefined {
  if (!hasExactly(value, ['leaf', 'proof'])) return undefined;
  const { leaf, proof } = value;
  return typeof leaf === 'string' && typeof proof === 'string' ? { leaf, proof } : undefined;
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

function hasExactly(value: Json | undefined, names: readonly string[]): value is JsonObject {
  return (
    isObject(value) && Object.keys(value).length === names.length && names.every((name) => Object.hasOwn(value, name))
  );
}
