/**
 * Whether bytes are a batch of a log, to the last byte (FORMAT.md section 4). Decides acceptance only: what the events
 * say, and whether they may be used, is another question (evidence/event/guard.ts).
 */
import { equalBytes, hex, utf8 } from '../../base/bytes.ts';
import { accept, type Refused, type Result, refuse } from '../../base/result.ts';
import type { EvidenceCrypto } from '../crypto.ts';
import type { Checkpoint } from '../log/checkpoint.ts';
import { type NoteRefusal, type VerifiedNote, type Vkey, verifyLogNote } from '../log/note.ts';
import { EMPTY_FRONTIER, type Frontier, TreeBuilder } from '../log/tree.ts';
import {
  BATCH_TYPE,
  type BatchFrame,
  type BatchHead,
  type BatchRefusal,
  frameBatch,
  type ParsedBatch,
  parseHead,
} from './batch.ts';
import { pae } from './pae.ts';

export interface BatchTrust {
  readonly vkey: Vkey;
  /** The tree so far, when it is held. Without it `left` must give the tree. */
  readonly before?: Frontier;
  /** A verified successor names this log as closed, so a batch may lack the signature of a lost key. */
  readonly closedAccepted?: boolean;
}

export interface VerifiedBatch extends ParsedBatch {
  readonly checkpoint: Checkpoint;
  /** All signature lines of the batch's note, as sent; only the log's own is verified here. */
  readonly note: VerifiedNote['note'];
  readonly leafHashes: readonly Uint8Array[];
  /** The tree before the first entry, held or from `left`. */
  readonly before: Frontier;
  readonly after: Frontier;
}

const NOTE_REASONS = {
  note: 'note',
  checkpoint: 'note',
  origin: 'note_origin',
  unsigned: 'note_unsigned',
  signature: 'note_signature',
} as const satisfies Record<NoteRefusal, BatchRefusal>;

/** Signature first, then header, note and tree: nothing that a stranger wrote is looked into further than framing. */
export function verifyBatch(
  crypto: EvidenceCrypto,
  bytes: Uint8Array,
  trust: BatchTrust,
): Result<VerifiedBatch, BatchRefusal> {
  const framed = frameBatch(bytes);
  if (!framed.ok) return framed;
  const frame = framed.value;
  const signed = checkSignature(crypto, frame, trust);
  if (signed !== undefined) return signed;
  const parsed = parseHead(frame.header);
  if (!parsed.ok) {
    // Only the key's owner may ask for his bytes to be kept unread.
    return parsed.reason === 'parked' && frame.kid === '' ? refuse('header', parsed.detail) : parsed;
  }
  const head = parsed.value;
  const range = checkRange(head, frame, trust.vkey);
  if (range !== undefined) return range;
  const note = verifyLogNote(crypto, utf8(head.note), trust.vkey);
  if (!note.ok) return refuse(NOTE_REASONS[note.reason], note.detail);
  const { checkpoint } = note.value;
  if (checkpoint.size !== head.first + head.count) {
    return refuse('note_size', `the note's size is ${checkpoint.size}, expected ${head.first + head.count}`);
  }
  if (frame.kid === '' && note.value.note.signatures.length !== 1) {
    return refuse('note', 'without a batch signature the note has exactly one signature line');
  }
  const before = treeBefore(head, trust.before);
  if (!before.ok) return before;
  const leafHashes = hashLeaves(crypto, frame);
  const tree = new TreeBuilder(crypto, before.value);
  for (const leaf of leafHashes) tree.push(leaf);
  if (!equalBytes(tree.root(), checkpoint.root)) {
    return refuse('fork', `the entries give another root than the signed note at size ${checkpoint.size}`);
  }
  if (head.left !== undefined && !sameRoots(head.left, before.value.roots)) {
    return refuse('left', '`left` contradicts the tree that is held');
  }
  const { payload, leaves, kid, signature } = frame;
  return accept({
    head,
    payload,
    leaves,
    kid,
    signature,
    checkpoint,
    note: note.value.note,
    leafHashes,
    before: before.value,
    after: tree.frontier(),
  });
}

function checkSignature(
  crypto: EvidenceCrypto,
  frame: BatchFrame,
  trust: BatchTrust,
): Refused<'kid' | 'unsigned' | 'signature'> | undefined {
  if (frame.kid === '') {
    return trust.closedAccepted === true ? undefined : refuse('unsigned', 'no successor names this log as closed');
  }
  if (frame.kid !== hex(trust.vkey.keyId) || trust.vkey.type !== 1) {
    return refuse('kid', `expected key id ${hex(trust.vkey.keyId)}, found ${frame.kid}`);
  }
  const sound = crypto.verifyEd25519(trust.vkey.publicKey, pae(BATCH_TYPE, frame.payload), frame.signature);
  return sound ? undefined : refuse('signature', 'the batch signature does not verify');
}

function checkRange(head: BatchHead, frame: BatchFrame, vkey: Vkey): Refused<'origin' | 'count' | 'size'> | undefined {
  if (head.origin !== vkey.name) return refuse('origin', `expected log ${vkey.name}`);
  if (head.count !== frame.leaves.length) {
    return refuse('count', `the header says ${head.count} events, found ${frame.leaves.length}`);
  }
  const end = head.first + head.count;
  if (head.size < end || (frame.kid === '' && head.size !== end)) {
    return refuse('size', `the header says size ${head.size} with entries up to ${end}`);
  }
  return undefined;
}

function treeBefore(head: BatchHead, held: Frontier | undefined): Result<Frontier, 'gap' | 'tree_unknown'> {
  if (held !== undefined) {
    if (held.size === head.first) return accept(held);
    return refuse('gap', `the held tree ends at ${held.size}, the batch begins at ${head.first}`);
  }
  if (head.first === 0) return accept(EMPTY_FRONTIER);
  if (head.left === undefined) return refuse('tree_unknown', 'no tree is held and `left` is absent');
  return accept({ size: head.first, roots: head.left });
}

/**
 * Leaf hashes without a copy per leaf: in one copy of the payload the newline before each event becomes the 0x00 that
 * RFC 6962 puts before it.
 */
function hashLeaves(crypto: EvidenceCrypto, frame: BatchFrame): Uint8Array[] {
  const copy = new Uint8Array(frame.payload);
  const hashes: Uint8Array[] = [];
  let at = frame.header.length;
  for (const leaf of frame.leaves) {
    copy[at] = 0x00;
    hashes.push(crypto.sha256(copy.subarray(at, at + 1 + leaf.length)));
    at += 1 + leaf.length;
  }
  return hashes;
}

function sameRoots(a: readonly Uint8Array[], b: readonly Uint8Array[]): boolean {
  return a.length === b.length && a.every((root, i) => equalBytes(root, b[i] ?? new Uint8Array(0)));
}
