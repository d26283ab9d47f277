/**
 * Every reason for which a verdict is not "verified": the one table. Names are stable; texts are for people.
 *
 * `refuted`: the bytes are not what they claim to be. `cannot_tell`: this verifier, with this trust, has no answer.
 */
import { ANCHOR_REASONS } from '../anchor/reasons.ts';
import type { BatchRefusal } from '../batch/batch.ts';
import type { LeafCheckRefusal } from '../batch/check-leaf.ts';

export type Outcome = 'verified' | 'refuted' | 'cannot_tell';

/** Exit codes of `latchkey verify` (FORMAT.md section 8). */
export const EXIT_CODES = { verified: 0, refuted: 1, cannot_tell: 2 } as const satisfies Record<Outcome, number>;

interface ReasonRow {
  readonly outcome: Exclude<Outcome, 'verified'>;
  readonly text: string;
}

export const VERIFY_REASONS = {
  empty: { outcome: 'refuted', text: 'the file holds nothing' },
  too_long: { outcome: 'refuted', text: 'a batch, an event or a bundle is longer than the format allows' },
  framing: { outcome: 'refuted', text: 'the lines are not header, events and signature, each ended by a newline' },
  signature_line: { outcome: 'refuted', text: 'the last line of a batch is not a signature line' },
  kid: { outcome: 'refuted', text: "a batch is signed by another key than the log's" },
  unsigned: { outcome: 'refuted', text: 'a batch has no signature, and no verified successor names its log as closed' },
  signature: { outcome: 'refuted', text: 'the signature of a batch does not verify' },
  header: { outcome: 'refuted', text: 'the header of a batch is not the canonical JSON of its members' },
  origin: { outcome: 'refuted', text: 'the header names another log than its key' },
  count: { outcome: 'refuted', text: 'the header counts other events than there are' },
  size: { outcome: 'refuted', text: 'the header names an impossible tree size' },
  left: { outcome: 'refuted', text: 'the subtree roots before the first entry are malformed or contradict the tree' },
  gap: { outcome: 'refuted', text: 'the batches of an export do not follow one another' },
  tree_unknown: {
    outcome: 'refuted',
    text: 'a batch begins in the middle of its log and does not give the tree so far',
  },
  note: { outcome: 'refuted', text: 'the checkpoint of a batch is not a signed note' },
  note_origin: { outcome: 'refuted', text: 'the note is of another log' },
  note_unsigned: { outcome: 'refuted', text: "the note lacks the log key's signature" },
  note_signature: { outcome: 'refuted', text: "the log key's signature on the note does not verify" },
  note_size: { outcome: 'refuted', text: 'the note does not end where its batch ends' },
  fork: { outcome: 'refuted', text: 'the entries give another root than the signed note: keep both' },
  leaf: { outcome: 'refuted', text: 'an event is not canonical JSON' },
  leaf_place: { outcome: 'refuted', text: 'an event names another log or index than its place' },
  cosignature: { outcome: 'refuted', text: 'a cosignature of a witness that the policy names does not verify' },
  revoked_fork: { outcome: 'refuted', text: "the tree contradicts the checkpoint that the policy's revocation names" },
  successor_fork: {
    outcome: 'refuted',
    text: 'the tree contradicts the checkpoint that its successor statement names',
  },
  receipt_fork: { outcome: 'refuted', text: 'a receipt signed by this log names another root for a size: keep both' },
  file_fork: { outcome: 'refuted', text: 'two files of one log have different trees at one size: keep both' },
  anchor_length: { outcome: 'refuted', text: ANCHOR_REASONS.length },
  anchor_magic: { outcome: 'refuted', text: ANCHOR_REASONS.magic },
  anchor_type: { outcome: 'refuted', text: ANCHOR_REASONS.type },
  anchor_structure: { outcome: 'refuted', text: ANCHOR_REASONS.structure },
  anchor_signer: { outcome: 'refuted', text: ANCHOR_REASONS.signer },
  anchor_counter: { outcome: 'refuted', text: ANCHOR_REASONS.counter },
  anchor_offset: { outcome: 'refuted', text: ANCHOR_REASONS.offset },
  anchor_value: { outcome: 'refuted', text: ANCHOR_REASONS.value },
  anchor_checkpoint: { outcome: 'refuted', text: ANCHOR_REASONS.checkpoint },
  anchor_range: { outcome: 'refuted', text: ANCHOR_REASONS.range },
  anchor_signature: { outcome: 'refuted', text: ANCHOR_REASONS.signature },
  anchor_continuity: { outcome: 'refuted', text: 'what the anchors say together is no honest history' },
  bundle: { outcome: 'refuted', text: 'the file is not the canonical JSON of a bundle' },
  bundle_log: { outcome: 'refuted', text: 'the bundle speaks of another log than the key' },
  bundle_checkpoint: { outcome: 'refuted', text: 'a checkpoint of the bundle is not a signed note of its log' },
  bundle_consistency: { outcome: 'refuted', text: 'two checkpoints of the bundle are not proved to be of one tree' },
  bundle_proof: { outcome: 'refuted', text: 'an entry of the bundle is not proved to be in its log' },
  bundle_enrolment: {
    outcome: 'refuted',
    text: 'the enrolment in the bundle names a service of the policy and is not what that service signed',
  },
  bundle_seal: { outcome: 'refuted', text: 'the bundle is not the one that its maker sealed' },
  bundle_decision: {
    outcome: 'refuted',
    text: 'a decision in the bundle is not of its facts, or rests on an entry that is not in the bundle',
  },
  bundle_statement: { outcome: 'refuted', text: 'a successor statement in the bundle does not verify' },
  no_trust: { outcome: 'cannot_tell', text: 'neither a policy nor a verifier key was given' },
  unattributed: { outcome: 'cannot_tell', text: 'the file does not say which log of the policy it is of' },
  unknown_log: {
    outcome: 'cannot_tell',
    text: 'the policy does not name this log, and no log that it names vouches for it',
  },
  parked: { outcome: 'cannot_tell', text: 'validly signed, but of a version that this verifier does not know' },
  revoked: { outcome: 'cannot_tell', text: "the policy's revocation does not cover these entries" },
  beyond_successor: { outcome: 'cannot_tell', text: 'the log goes on above the size at which its successor took over' },
  bundle_unsealed: {
    outcome: 'cannot_tell',
    text: 'nobody whom the policy names as a maker of bundles sealed this one: entries may have been left out of it',
  },
  successor_conflict: { outcome: 'cannot_tell', text: 'two successors of one log: a person must decide' },
  below_least_level: { outcome: 'cannot_tell', text: "verified, but below the policy's least level" },
  crypto_disagree: { outcome: 'cannot_tell', text: 'two implementations of Ed25519 disagree: please report it' },
  internal: { outcome: 'cannot_tell', text: 'a defect of this verifier: please report it' },
} as const satisfies Record<string, ReasonRow>;

export type VerifyReason = keyof typeof VERIFY_REASONS;

/** A batch's refusals keep their names. */
export type BatchVerifyReason = Extract<VerifyReason, BatchRefusal | LeafCheckRefusal>;
