/**
 * The batch: entries of a log as they are sent, exported and disputed (FORMAT.md section 4).
 *
 *     header\n  event\n ... event\n  signature\n
 *
 * This file builds batches and takes them apart. Nothing that it parses is believed yet: that is verify-batch.ts.
 */
import { assert } from '../../base/assert.ts';
import { base64, concatBytes, hex, unbase64, utf8, utf8Text } from '../../base/bytes.ts';
import { accept, type Result, refuse } from '../../base/result.ts';
import type { JsonObject } from '../event/event.ts';
import { canonicalJson, parseCanonicalObject } from '../event/json.ts';
import { LEAF_BYTES_MAX } from '../event/leaf.ts';
import { KEY_ID_BYTES, SIGNATURE_BYTES } from '../log/note.ts';
import { ORIGIN_BYTES_MAX } from '../log/origin.ts';
import { frontierLength, HASH_BYTES } from '../log/tree.ts';

export const BATCH_TYPE = 'application/vnd.latchkey.batch.v1+ndjson';
/** Hard limit of a whole batch, signature line included. */
export const BATCH_BYTES_MAX = 131_072;
/** A commit's limits; a batch is one or more commits. */
export const COMMIT_EVENTS_MAX = 256;
export const COMMIT_BYTES_MAX = 49_152;

export type BatchRefusal =
  /** More than 128 KiB, or an event line of more than 4,096 bytes. */
  | 'too_long'
  /** Not header, one or more events and a signature line, each ended by one newline, none blank. */
  | 'framing'
  /** The last line is not `{"kid":"<8 hex>","sig":"<base64 of 64 bytes>"}` or the empty form. */
  | 'signature_line'
  /** `kid` is not the key id of the log key. */
  | 'kid'
  /** The empty signature form, for a log that no verified successor names as closed. */
  | 'unsigned'
  | 'signature'
  /** The header is not the canonical JSON of its members. */
  | 'header'
  /** An unknown header version or member under a valid signature: keep it, raise an alarm, do not accept it. */
  | 'parked'
  /** The header names another log than the key. */
  | 'origin'
  /** `count` is not the number of event lines. */
  | 'count'
  /** `size` lies below first + count, or above it without a signature. */
  | 'size'
  /** `left` does not fit `first`, or contradicts the tree that is held. */
  | 'left'
  /** The batch does not begin where the held tree ends. */
  | 'gap'
  /** `first` > 0, no tree is held and `left` is absent. */
  | 'tree_unknown'
  /** `checkpoint` is not a signed note of a checkpoint; without a batch signature: not of exactly one line. */
  | 'note'
  | 'note_origin'
  | 'note_unsigned'
  | 'note_signature'
  /** The note's size is not first + count. */
  | 'note_size'
  /** The tree over the entries has another root than the signed note: keep both byte strings. */
  | 'fork';

export interface BatchHead {
  readonly origin: string;
  /** Index of the first entry. */
  readonly first: number;
  readonly count: number;
  /** Tree size at the box when this was sent. */
  readonly size: number;
  /** The signed note at size first + count. */
  readonly note: string;
  /** Roots of the complete subtrees of [0, first), largest first, for a receiver that may not hold the tree. */
  readonly left?: readonly Uint8Array[];
}

export interface ParsedBatch {
  readonly head: BatchHead;
  /** All bytes before the signature line. */
  readonly payload: Uint8Array;
  readonly leaves: readonly Uint8Array[];
  /** 8 hex digits, or empty when the log's key was gone. */
  readonly kid: string;
  readonly signature: Uint8Array;
}

/** All bytes before the signature line: what goes into the PAE. A head that does not fit its leaves is an assertion. */
export function batchPayload(head: BatchHead, leaves: readonly Uint8Array[]): Uint8Array {
  assert(leaves.length === head.count, `${leaves.length} leaves for count ${head.count}`);
  const lines = new Uint8Array(leaves.reduce((size, leaf) => size + leaf.length + 1, 0));
  let at = 0;
  for (const leaf of leaves) {
    lines.set(leaf, at);
    lines[at + leaf.length] = NEWLINE;
    at += leaf.length + 1;
  }
  return openBatch(head, [lines]).payload;
}

/** Appends the signature line; the empty form when the log's key is gone. */
export function finishBatch(payload: Uint8Array, signed: BatchSignature | undefined): Uint8Array {
  return concatBytes(payload, signatureLine(signed));
}

export interface BatchSignature {
  readonly keyId: Uint8Array;
  readonly signature: Uint8Array;
}

/** A batch that waits for its signature, in memory that has room for it. */
export interface OpenBatch {
  readonly payload: Uint8Array;
  /** As `finishBatch`, without another copy. Once. */
  finish(signed: BatchSignature | undefined): Uint8Array;
}

/** `blocks` hold the leaves in their order, each with its newline; whoever gives them has counted `head.count` of them. */
export function openBatch(head: BatchHead, blocks: readonly Uint8Array[]): OpenBatch {
  assert(head.count > 0 && head.size >= head.first + head.count, 'the tree is at least as large as its last entry');
  assert(head.left === undefined || leftFits(head.first, head.left), '`left` is the frontier at `first` > 0');
  const header: JsonObject = {
    checkpoint: head.note,
    count: head.count,
    first: head.first,
    ...(head.left === undefined ? {} : { left: head.left.map(base64) }),
    log: head.origin,
    size: head.size,
    v: 1,
  };
  const headerLine = utf8(`${canonicalJson(header)}\n`);
  const payloadEnd = blocks.reduce((size, block) => size + block.length, headerLine.length);
  const whole = new Uint8Array(payloadEnd + SIGNATURE_LINE_BYTES);
  whole.set(headerLine);
  let at = headerLine.length;
  for (const block of blocks) {
    whole.set(block, at);
    at += block.length;
  }
  return {
    payload: whole.subarray(0, payloadEnd),
    finish: (signed) => {
      const line = signatureLine(signed);
      whole.set(line, payloadEnd);
      return whole.subarray(0, payloadEnd + line.length);
    },
  };
}

function signatureLine(signed: BatchSignature | undefined): Uint8Array {
  if (signed === undefined) return utf8('{"kid":"","sig":""}\n');
  assert(signed.keyId.length === KEY_ID_BYTES && signed.signature.length === SIGNATURE_BYTES, 'a log key signature');
  return utf8(`{"kid":"${hex(signed.keyId)}","sig":"${base64(signed.signature)}"}\n`);
}

/** Lines and signature line of a batch, the header not yet read. */
export interface BatchFrame {
  readonly payload: Uint8Array;
  readonly header: Uint8Array;
  readonly leaves: readonly Uint8Array[];
  readonly kid: string;
  readonly signature: Uint8Array;
}

const NEWLINE = 0x0a;
/** `{"kid":"<8>","sig":"<88>"}` and its newline. */
const SIGNATURE_LINE_BYTES = 116;
const SIGNATURE_LINE = /^\{"kid":"((?:[0-9a-f]{8})?)","sig":"([A-Za-z0-9+/=]*)"\}$/;

export function frameBatch(bytes: Uint8Array): Result<BatchFrame, 'too_long' | 'framing' | 'signature_line'> {
  if (bytes.length > BATCH_BYTES_MAX) return refuse('too_long', `expected at most ${BATCH_BYTES_MAX} bytes`);
  if (bytes[bytes.length - 1] !== NEWLINE) return refuse('framing', 'the batch does not end with a newline');
  const lines: Uint8Array[] = [];
  let lastStart = 0;
  for (let at = 0; at < bytes.length; ) {
    const end = bytes.indexOf(NEWLINE, at);
    if (end === at) return refuse('framing', `line ${lines.length + 1} is blank`);
    lines.push(bytes.subarray(at, end));
    lastStart = at;
    at = end + 1;
  }
  const header = lines[0];
  const last = lines.at(-1);
  if (header === undefined || last === undefined || lines.length < 3) {
    return refuse('framing', `expected a header, events and a signature line, found ${lines.length} lines`);
  }
  const leaves = lines.slice(1, -1);
  const long = leaves.findIndex((leaf) => leaf.length > LEAF_BYTES_MAX);
  if (long >= 0) return refuse('too_long', `event line ${long + 1} has more than ${LEAF_BYTES_MAX} bytes`);
  const signed = parseSignatureLine(last);
  if (signed === undefined) return refuse('signature_line', 'expected {"kid":"<8 hex>","sig":"<base64>"}');
  return accept({ payload: bytes.subarray(0, lastStart), header, leaves, ...signed });
}

export function parseSignatureLine(
  line: Uint8Array,
): { readonly kid: string; readonly signature: Uint8Array } | undefined {
  const match = SIGNATURE_LINE.exec(utf8Text(line) ?? '');
  if (match === null) return undefined;
  const [, kid = '', sig = ''] = match;
  const signature = unbase64(sig);
  if (signature === undefined || signature.length !== (kid === '' ? 0 : SIGNATURE_BYTES)) return undefined;
  return { kid, signature };
}

/** The header, not believed. `parked` says that its version or a member is unknown; only a signature makes that true. */
export function parseHead(line: Uint8Array): Result<BatchHead, 'header' | 'parked' | 'left'> {
  const object = parseCanonicalObject(line, BATCH_BYTES_MAX);
  if (!object.ok) return refuse('header', object.detail);
  const { v, log, first, count, size, checkpoint, left, ...unknown } = object.value;
  if (!isCount(v)) return refuse('header', 'expected a version `v`');
  if (v !== 1 || Object.keys(unknown).length > 0) return refuse('parked', 'unknown header version or member');
  if (typeof log !== 'string' || log.length > ORIGIN_BYTES_MAX) return refuse('header', '`log` is not an origin');
  if (!isCount(first) || !isCount(count) || !isCount(size) || count < 1) {
    return refuse('header', '`first`, `count` and `size` are not counts');
  }
  if (typeof checkpoint !== 'string') return refuse('header', '`checkpoint` is missing');
  const head = { origin: log, first, count, size, note: checkpoint };
  if (left === undefined) return accept(head);
  const roots = Array.isArray(left) ? left.map((item) => (typeof item === 'string' ? unbase64(item) : undefined)) : [];
  const sound = roots.filter((root) => root !== undefined);
  if (sound.length !== roots.length || !leftFits(first, sound)) {
    return refuse('left', '`left` is not the canonical base64 of the subtree roots of [0, first), first > 0');
  }
  return accept({ ...head, left: sound });
}

/** Framing and header of a batch, nothing verified. */
export function parseBatch(bytes: Uint8Array): Result<ParsedBatch, BatchRefusal> {
  const frame = frameBatch(bytes);
  if (!frame.ok) return frame;
  const head = parseHead(frame.value.header);
  if (!head.ok) return head;
  const { payload, leaves, kid, signature } = frame.value;
  if (leaves.length !== head.value.count) {
    return refuse('count', `the header says ${head.value.count} events, found ${leaves.length}`);
  }
  return accept({ head: head.value, payload, leaves, kid, signature });
}

/** What unverified bytes say of themselves, to choose the key with which to verify them. Only hints. */
export interface BatchHint {
  readonly origin?: string;
  readonly first?: number;
  /** 8 hex digits, or empty. */
  readonly kid?: string;
}

/** Works on any bytes, also on a batch whose header has an unknown version. */
export function hintOf(bytes: Uint8Array): BatchHint {
  const headerEnd = bytes.subarray(0, BATCH_BYTES_MAX).indexOf(NEWLINE);
  const lastStart = bytes.lastIndexOf(NEWLINE, bytes.length - 2) + 1;
  const header = headerEnd < 0 ? undefined : parseCanonicalObject(bytes.subarray(0, headerEnd), BATCH_BYTES_MAX);
  const { log, first } = header?.ok ? header.value : {};
  const kid = parseSignatureLine(
    bytes.subarray(lastStart, lastStart + 128).subarray(0, bytes.length - lastStart - 1),
  )?.kid;
  return {
    ...(typeof log === 'string' && { origin: log }),
    ...(typeof first === 'number' && { first }),
    ...(kid !== undefined && { kid }),
  };
}

function leftFits(first: number, left: readonly Uint8Array[]): boolean {
  return first > 0 && left.length === frontierLength(first) && left.every((root) => root.length === HASH_BYTES);
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}
