/** What became of one batch, as a stable word for metrics and tests. */
import type { BatchRefusal } from '../../evidence/batch/batch.ts';

export type Outcome =
  /** New entries are queued for the disk. */
  | 'accepted'
  /** Everything in it is held; its receipt is sent again. */
  | 'known'
  /** It waits for its predecessors. */
  | 'ahead'
  /** Nobody vouches for its log. */
  | 'unknown_origin'
  /** Signed, of an unknown header version or member. */
  | 'unreadable'
  /** No room to park it. */
  | 'parking_full'
  | 'no_origin'
  | 'foreign_origin'
  /** Two branches claim to go on; neither is believed. */
  | 'frozen'
  | 'revoked'
  | 'fork'
  /** A signed line that is no event, or stands at another place. */
  | 'leaf'
  | 'too_many_gaps'
  | 'carried_full'
  /** The store cannot write; the batch comes again. */
  | 'store_down'
  | Exclude<BatchRefusal, 'fork' | 'parked' | 'tree_unknown'>;

/** Refusals that anybody may cause who can write to the topic: they raise no alarm. */
export const STRANGERS_REFUSALS: ReadonlySet<BatchRefusal> = new Set([
  'too_long',
  'framing',
  'signature_line',
  'kid',
  'unsigned',
  'signature',
]);
