/**
 * One batch of a believed log: verified against what is held, split into what is known and what is new, and what is new
 * handed to the writer. The order of questions is FORMAT.md's: signature, header, note, tree, then events.
 */
import { base64, concatBytes, equalBytes, utf8 } from '../../base/bytes.ts';
import type { BatchRefusal } from '../../evidence/batch/batch.ts';
import { hintOf } from '../../evidence/batch/batch.ts';
import { type VerifiedBatch, verifyBatch } from '../../evidence/batch/verify-batch.ts';
import { formatNote, verifyLogNote } from '../../evidence/log/note.ts';
import { EMPTY_FRONTIER, type Frontier, rootOf, TreeBuilder } from '../../evidence/log/tree.ts';
import { gapIsOffered } from './asking.ts';
import type { IntakeContext } from './context.ts';
import { storableBatch } from './fork-proof.ts';
import { type CheckedRow, type ClosedBefore, checkRows, placeCarried, plainRows } from './judge-rows.ts';
import type { LogIntake } from './log-intake.ts';
import { type Outcome, STRANGERS_REFUSALS } from './outcome.ts';
import { type Piece, spanAt, splitRange } from './placing.ts';
import { ownNote } from './receipts.ts';
import type { StoredRow } from './store.ts';
import type { TrustedLog } from './trust.ts';

/** Segments beyond which no further gap is opened in a log. */
const SPANS_MAX = 16;
/** Entries that a fork's proof shows of our side when nothing is held where the other side begins. */
const OURS_BEFORE = 256;

export interface BatchCircle extends IntakeContext {
  readonly gateway: string;
  /** Entries of this gateway that stand for another log's. */
  carried: number;
  isClosed(origin: string): boolean;
  /** Parks a copy. */
  parkAhead(log: LogIntake, first: number, bytes: Uint8Array): 'ahead' | 'parking_full';
  parkUnreadable(log: LogIntake, first: number, bytes: Uint8Array): Outcome;
  /** A verified batch is about to be taken; an outcome stops it (frozen, revoked). */
  mayGrow(trusted: TrustedLog, log: LogIntake, end: number): Promise<Outcome | undefined>;
  /** Entry 0 names the log that went before. */
  closes(by: string, before: ClosedBefore): Promise<void>;
}

export interface BatchOptions {
  /** The operator hands in an export: what it offers is taken, also above a gap. */
  readonly imported: boolean;
}

type Circle = BatchCircle;

export async function takeBatch(
  circle: Circle,
  trusted: TrustedLog,
  log: LogIntake,
  bytes: Uint8Array,
  options: BatchOptions,
): Promise<Outcome> {
  const first = hintOf(bytes).first ?? 0;
  const span = spanAt(log.accepted, first);
  const trust = { vkey: trusted.vkey, closedAccepted: circle.isClosed(log.origin) };
  let verified = verifyBatch(circle.crypto, bytes, span?.end.size === first ? { ...trust, before: span.end } : trust);
  if (span !== undefined && span.end.size !== first && (verified.ok || verified.reason === 'tree_unknown')) {
    // An older place: only a sound signature is worth a look at the disk.
    const before = await olderTree(circle, log, first);
    if (before === undefined) return 'store_down';
    verified = verifyBatch(circle.crypto, bytes, { ...trust, before });
  }
  if (!verified.ok) return refusedBatch(circle, trusted, log, bytes, verified.reason, span !== undefined);
  const batch = { ...verified.value, note: ownNote(trusted.vkey, verified.value.note) };
  const isAhead = span === undefined && batch.head.first > 0;
  if (isAhead && !options.imported && !gapIsOffered(log.asked, log.missingBelow(batch.head.first))) {
    return circle.parkAhead(log, batch.head.first, bytes);
  }
  if (isAhead && log.accepted.length >= SPANS_MAX) {
    circle.alarms.raise('too_many_gaps', circle.gateway, log.origin);
    return 'too_many_gaps';
  }
  const refused = await circle.mayGrow(trusted, log, batch.checkpoint.size);
  if (refused !== undefined) return refused;
  return takeVerified(circle, log, batch, bytes);
}

/** The tree at a place that is held. Undefined when the store has dropped it meanwhile: it failed. */
async function olderTree(circle: Circle, log: LogIntake, first: number): Promise<Frontier | undefined> {
  if (first === 0) return EMPTY_FRONTIER;
  await circle.writer.settled();
  return circle.store.frontierAt(log.origin, first);
}

async function refusedBatch(
  circle: Circle,
  trusted: TrustedLog,
  log: LogIntake,
  bytes: Uint8Array,
  reason: BatchRefusal,
  hadTree: boolean,
): Promise<Outcome> {
  const { first = 0, kid } = hintOf(bytes);
  switch (reason) {
    case 'tree_unknown':
      return circle.parkAhead(log, first, bytes);
    case 'parked':
      return circle.parkUnreadable(log, first, bytes);
    case 'fork':
      // Without a tree of ours, or without a signature over the entries, bytes contradict only themselves.
      if (!hadTree || (kid === '' && !(await noteContradicts(circle, trusted, log, bytes)))) break;
      await keepFork(circle, log, first, bytes);
      return 'fork';
    default:
      if (STRANGERS_REFUSALS.has(reason)) return reason;
  }
  if (kid !== '') circle.alarms.raise('refused_signed', circle.gateway, log.origin, `refused: ${reason}`);
  return reason;
}

/** Of a batch without its own signature: whether its signed note names another tree than ours, at a size that we hold. */
async function noteContradicts(
  circle: Circle,
  trusted: TrustedLog,
  log: LogIntake,
  bytes: Uint8Array,
): Promise<boolean> {
  const header: unknown = JSON.parse(Buffer.from(bytes.subarray(0, bytes.indexOf(0x0a))).toString());
  const text = (header as { readonly checkpoint?: unknown }).checkpoint;
  const note = verifyLogNote(circle.crypto, utf8(typeof text === 'string' ? text : ''), trusted.vkey);
  if (!note.ok) return false;
  await circle.writer.settled();
  const tree = await circle.store.frontierAt(log.origin, note.value.checkpoint.size);
  return tree !== undefined && !equalBytes(rootOf(circle.crypto, tree), note.value.checkpoint.root);
}

async function keepFork(circle: Circle, log: LogIntake, first: number, bytes: Uint8Array): Promise<void> {
  circle.alarms.raise('fork', circle.gateway, log.origin);
  await circle.writer.settled();
  const ours = await ourSide(circle, log, first);
  const theirs = storableBatch(circle.crypto, log.origin, first, bytes);
  if ((await circle.writer.keepFork(log.origin, { kind: 'batch', theirs, ours })) === 'kept') log.forks += 1;
}

/** What we hold from there on, or else the entries just before it, and our newest note. */
export async function ourSide(circle: IntakeContext, log: LogIntake, first: number): Promise<Uint8Array> {
  const from = first < log.durableSize ? first : Math.max(0, log.durableSize - OURS_BEFORE);
  const entries = await circle.store.excerpt(log.origin, from, log.durableSize);
  const note = log.newestNote;
  return note === undefined ? entries : concatBytes(entries, utf8(`{"#":"note","note":"${base64(note)}"}\n`));
}

async function takeVerified(circle: Circle, log: LogIntake, batch: VerifiedBatch, bytes: Uint8Array): Promise<Outcome> {
  const { first } = batch.head;
  const end = batch.checkpoint.size;
  const pieces = splitRange(log.accepted, first, end);
  for (const piece of pieces) {
    if (piece.kind === 'compare' && !(await agrees(circle, log, batch, piece))) {
      await keepFork(circle, log, first, bytes);
      return 'fork';
    }
  }
  const fresh = pieces.filter((piece) => piece.kind === 'append');
  if (fresh.length === 0) {
    circle.writer.receiptDue(log);
    return 'known';
  }
  for (const piece of fresh) {
    const outcome = await takePiece(circle, log, batch, bytes, piece);
    if (outcome !== 'accepted') return outcome;
  }
  return 'accepted';
}

/** Whether we hold these very leaves. */
async function agrees(circle: Circle, log: LogIntake, batch: VerifiedBatch, piece: Piece): Promise<boolean> {
  await circle.writer.settled();
  const ours = await circle.store.leafHashes(log.origin, piece.from, piece.to - piece.from);
  // What was accepted and is not there was dropped with the store's failure: nothing contradicts.
  return ours.every((hash, i) => {
    const theirs = batch.leafHashes[piece.from - batch.head.first + i];
    return theirs !== undefined && equalBytes(hash, theirs);
  });
}

async function takePiece(
  circle: Circle,
  log: LogIntake,
  batch: VerifiedBatch,
  bytes: Uint8Array,
  piece: Piece & { readonly kind: 'append' },
): Promise<Outcome> {
  const { first } = batch.head;
  const [from, to] = [piece.from - first, piece.to - first];
  const checked = checkRows({
    origin: log.origin,
    first: piece.from,
    leaves: batch.leaves.slice(from, to),
    leafHashes: batch.leafHashes.slice(from, to),
  });
  if (!checked.ok) {
    circle.alarms.raise('refused_signed', circle.gateway, log.origin, `refused: ${checked.reason}`);
    return 'leaf';
  }
  const rows = await rowsOf(circle, log, checked.value.rows, checked.value.carried);
  if (rows === undefined) return 'carried_full';
  const isWhole = piece.to === batch.checkpoint.size;
  const before = piece.from === first ? batch.before : grown(circle, batch.before, batch.leafHashes.slice(0, from));
  const after = isWhole ? batch.after : grown(circle, batch.before, batch.leafHashes.slice(0, to));
  if (piece.opens && piece.from > 0) circle.alarms.raise('gap_opened', circle.gateway, log.origin);
  log.queue(piece.from, after);
  circle.writer.enqueue({
    log,
    bytes: bytes.length,
    range: {
      origin: log.origin,
      opens: piece.opens,
      before,
      rows,
      after,
      ...(isWhole ? { note: formatNote(batch.note) } : {}),
      storedAtMs: circle.scheduler.wallMs(),
    },
    proof: async () => ({
      kind: 'batch',
      theirs: storableBatch(circle.crypto, log.origin, first, bytes),
      ours: await ourSide(circle, log, piece.to),
    }),
  });
  log.lastProgressMs = circle.scheduler.monotonicMs();
  for (const before of checked.value.closes) await circle.closes(log.origin, before);
  return 'accepted';
}

/** Rows with their uses, or undefined when the gateway has carried over too much. */
async function rowsOf(
  circle: Circle,
  log: LogIntake,
  checked: readonly CheckedRow[],
  carried: number,
): Promise<readonly StoredRow[] | undefined> {
  const { alarms, gateway, store } = circle;
  for (const { use } of checked) if (use.status === 'withheld') alarms.raise('withheld', gateway, log.origin, use.why);
  if (carried === 0 && circle.carried === 0) return plainRows(checked);
  if (circle.carried + carried > circle.limits.carriedMax) {
    alarms.raise('carried_full', gateway, log.origin);
    return undefined;
  }
  // Originals and carriers are looked up in the store, so what is queued must be there first.
  await circle.writer.settled();
  const placed = await placeCarried(gateway, log.origin, checked, {
    heldLeaf: async (origin, n) => (await store.leafHashes(origin, n, 1))[0],
    carriersOf: (hashes) => store.carriersOf(gateway, hashes),
  });
  for (let i = 0; i < placed.differs; i += 1) alarms.raise('carried_differs', gateway, log.origin);
  circle.carried += placed.carries;
  return placed.rows;
}

function grown(circle: Circle, before: Frontier, leafHashes: readonly Uint8Array[]): Frontier {
  const tree = new TreeBuilder(circle.crypto, before);
  for (const leaf of leafHashes) tree.push(leaf);
  return tree.frontier();
}
