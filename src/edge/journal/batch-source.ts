/**
 * A log's commits as batches: consecutive small commits together, each batch ending at a note.
 */
import { assert } from '../../base/assert.ts';
import { utf8Text } from '../../base/bytes.ts';
import { type BatchHead, COMMIT_BYTES_MAX, COMMIT_EVENTS_MAX, openBatch } from '../../evidence/batch/batch.ts';
import { LEAF_BYTES_MAX } from '../../evidence/event/leaf.ts';
import { formatNote, parseNote, signaturesOf, type Vkey } from '../../evidence/log/note.ts';
import type { OutboxBatch } from '../contracts/outbox.ts';
import type { Signer } from '../contracts/signer.ts';
import type { HeldLog } from './held-log.ts';

/**
 * Two full commits: a batch costs its sender one signature and its receiver two verifications. Header and signature line
 * have the rest of the 128 KiB, the note in the header being 16 KiB at most.
 */
const BATCH_EVENTS_MAX = 2 * COMMIT_EVENTS_MAX;
const BLOCKS_BYTES_MAX = 2 * COMMIT_BYTES_MAX;

/** What a batch is made from: a held log, or a file that is exported on its own. */
export type BatchLog = Pick<HeldLog, 'database' | 'origin' | 'vkey' | 'isOpen' | 'size' | 'sendableSize'>;

export interface BatchRange {
  readonly first: number;
  /** A note's size. */
  readonly end: number;
  /** The leaves of one commit after the other, each with its newline. */
  readonly blocks: readonly Uint8Array[];
  readonly note: Uint8Array;
}

/**
 * The commit that holds `first` and those after it, as many as fit into 512 events and 96 KiB, up to `end`. Undefined
 * when nothing is noted there, or a body is gone: what was erased can be proved, but not sent again.
 */
export function gatherBatch(log: BatchLog, first: number, end: number): BatchRange | undefined {
  let commit = log.database.linesFrom(first);
  if (commit === undefined || commit.size > end) return undefined;
  // The first commit always goes: its limits were checked when it was made.
  const begin = commit.first;
  const blocks = [commit.lines];
  let bytes = commit.lines.length;
  let last = commit;
  // A commit that ended for lack of room is not followed by one that fits: its row need not be read to know.
  while (last.size < end && last.size - begin < BATCH_EVENTS_MAX && bytes <= BLOCKS_BYTES_MAX - LEAF_BYTES_MAX) {
    commit = log.database.linesFrom(last.size);
    if (commit === undefined || commit.size > end) break;
    bytes += commit.lines.length;
    if (commit.size - begin > BATCH_EVENTS_MAX || bytes > BLOCKS_BYTES_MAX) break;
    blocks.push(commit.lines);
    last = commit;
  }
  return { first: begin, end: last.size, blocks, note: last.note };
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
  const { first, end, blocks } = range;
  const { origin, vkey } = log;
  const noteBytes = signer === undefined ? ownLineOnly(range.note, vkey) : range.note;
  const note = utf8Text(noteBytes);
  const left = withLeft && first > 0 ? log.database.frontierAt(first)?.roots : undefined;
  assert(note !== undefined, 'a stored note is text');
  const count = end - first;
  const size = signer === undefined ? end : Math.max(end, log.isOpen ? log.size : log.sendableSize);
  const head: BatchHead = { origin, first, count, size, note, ...(left !== undefined && { left }) };
  const batch = openBatch(head, blocks);
  if (signer === undefined) return { origin, first, count, bytes: batch.finish(undefined) };
  const signature = await signer.signEnvelope('application/vnd.latchkey.batch.v1+ndjson', batch.payload);
  return { origin, first, count, bytes: batch.finish({ keyId: vkey.keyId, signature }) };
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
