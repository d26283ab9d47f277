/**
 * A log's commits as batches: consecutive small commits together, each batch ending at a note.
 */
import { assert } from '../../base/assert.ts';
import { utf8Text } from '../../base/bytes.ts';
import { LatchkeyError } from '../../base/errors.ts';
import {
  type BatchHead,
  batchPayload,
  COMMIT_BYTES_MAX,
  COMMIT_EVENTS_MAX,
  finishBatch,
} from '../../evidence/batch/batch.ts';
import { LEAF_BYTES_MAX } from '../../evidence/event/leaf.ts';
import { formatNote, parseNote, signaturesOf, type Vkey } from '../../evidence/log/note.ts';
import type { OutboxBatch } from '../contracts/outbox.ts';
import type { Signer } from '../contracts/signer.ts';
import type { HeldLog } from './held-log.ts';
import type { StoredCommit } from './log-reads.ts';

/** What a batch is made from: a held log, or a file that is exported on its own. */
export type BatchLog = Pick<HeldLog, 'database' | 'origin' | 'vkey' | 'isOpen' | 'size' | 'sendableSize'>;

export interface BatchRange {
  readonly first: number;
  /** A note's size. */
  readonly end: number;
  readonly leaves: readonly Uint8Array[];
  readonly note: Uint8Array;
}

/**
 * The commit that holds `first` and those after it, as many as fit into 256 events and 48 KiB, up to `end`. Undefined
 * when nothing is noted there, or a body is gone: what was erased can be proved, but not sent again.
 */
export function gatherBatch(log: BatchLog, first: number, end: number): BatchRange | undefined {
  let range: BatchRange | undefined;
  let bytes = 0;
  for (const commit of commitsFrom(log, first)) {
    if (commit.note === undefined || commit.size > end) break;
    const leaves = leavesOf(log, commit);
    if (leaves === undefined) break;
    for (const leaf of leaves) bytes += leaf.length + 1;
    // The first commit always goes: its limits were checked when it was made.
    const whole = range === undefined ? leaves : [...range.leaves, ...leaves];
    if (range !== undefined && (whole.length > COMMIT_EVENTS_MAX || bytes > COMMIT_BYTES_MAX)) break;
    range = { first: range?.first ?? commit.first, end: commit.size, leaves: whole, note: commit.note };
    // A commit that ended for lack of room is not followed by one that fits: its row need not be read to know.
    const isFull = whole.length >= COMMIT_EVENTS_MAX || bytes > COMMIT_BYTES_MAX - LEAF_BYTES_MAX;
    if (isFull || commit.size >= end) break;
  }
  return range;
}

/** A few rows at a time: most batches are one or two commits, and some are hundreds. */
function* commitsFrom(log: BatchLog, first: number): Generator<StoredCommit> {
  let at = first;
  for (let limit = 1; ; limit = Math.min(64, limit * 2)) {
    const commits = readCommits(log, at, limit);
    yield* commits;
    const last = commits.at(-1);
    if (last === undefined) return;
    at = last.size;
  }
}

/** Where the next rows are damaged, the one that is asked for may still be sound. */
function readCommits(log: BatchLog, from: number, limit: number): readonly StoredCommit[] {
  try {
    return log.database.commits(from, limit);
  } catch (error) {
    if (limit === 1 || !(error instanceof LatchkeyError) || error.code !== 'JOURNAL_DAMAGED') throw error;
    return log.database.commits(from, 1);
  }
}

function leavesOf(log: BatchLog, commit: StoredCommit): readonly Uint8Array[] | undefined {
  const leaves: Uint8Array[] = [];
  for (const { leaf } of log.database.leaves(commit.first, commit.size)) {
    if (leaf === undefined) return undefined;
    leaves.push(leaf);
  }
  return leaves;
}

/**
 * The batch's bytes. Without a signer (the log's key is gone) in the empty form, which only a closed log may use.
 * Rejects like `Signer.signEnvelope`.
 */
export async function sealBatch(
  log: BatchLog,
  range: BatchRange,
  signer: Signer | undefined,
  withLeft: boolean,
): Promise<OutboxBatch> {
  const { first, end, leaves } = range;
  const { origin, vkey } = log;
  const noteBytes = signer === undefined ? ownLineOnly(range.note, vkey) : range.note;
  const note = utf8Text(noteBytes);
  const left = withLeft && first > 0 ? log.database.frontierAt(first)?.roots : undefined;
  assert(note !== undefined, 'a stored note is text');
  const head: BatchHead = {
    origin,
    first,
    count: leaves.length,
    size: signer === undefined ? end : Math.max(end, log.isOpen ? log.size : log.sendableSize),
    note,
    ...(left !== undefined && { left }),
  };
  const payload = batchPayload(head, leaves);
  if (signer === undefined) return { origin, first, count: leaves.length, bytes: finishBatch(payload, undefined) };
  const signature = await signer.signEnvelope('application/vnd.latchkey.batch.v1+ndjson', payload);
  return { origin, first, count: leaves.length, bytes: finishBatch(payload, { keyId: vkey.keyId, signature }) };
}

/** Nothing but the batch's own signature vouches for further lines, so without one they do not go along. */
function ownLineOnly(note: Uint8Array, vkey: Vkey): Uint8Array {
  const parsed = parseNote(note);
  assert(parsed.ok, 'a stored note parses');
  return formatNote({ text: parsed.value.text, signatures: signaturesOf(parsed.value, vkey).slice(0, 1) });
}

/** Whether the rows of a range are those that were committed. What this run verified or made is not asked again. */
export function isSoundRange(log: HeldLog, range: BatchRange): boolean {
  if (range.first >= log.verifiedFrom && range.end <= log.verifiedSize) return true;
  return log.database.verifyRange(range.first, range.end).ok;
}
