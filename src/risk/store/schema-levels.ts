/** Tables of leases of replicas, of jobs, of the order of a gateway's entries, of what anchors prove of a log, and of who cosigned it (m0005, m0007, m0009, m0011, m0022, m0023, m0027, m0030, m0032). */
import type { Generated } from 'kysely';
import type { ProvedStretch } from '../../evidence/verify/entry-levels.ts';
import type { Bytes, Json, Owned, Time } from './columns.ts';

/** A receiver that lives, by the database's clock. */
export interface ReplicaTable extends Owned {
  readonly fleet: string;
  readonly holder: string;
  until: Time;
}

/** Who may write for the gateways of a partition. */
export interface LeaseTable extends Owned {
  readonly fleet: string;
  readonly partition: string;
  epoch: number;
  holder: string;
  replica: string;
  until: Time;
}

/** What the anchors of a log prove, as far as it was read. */
export interface AssuranceTable extends Owned {
  readonly origin: string;
  readonly gateway: string;
  position: number;
  held_first: number;
  trust: string;
  sealed: boolean;
  anchored_size: number;
  /** Entries from here on count for nothing more than a software key's; null while the key is not revoked. */
  revoked_size: number | null;
  /** Nor do those before: behind a gap stands the tree that the revocation names (m0027). */
  revoked_first: Generated<number>;
  refuted: string | null;
  why: string;
  /** The policy, or a record of its services, says so of its TPM, and no other statement disputes the log. */
  emulated: boolean;
  /** Entries below are inside an anchored checkpoint that an independent witness cosigned too (m0011). */
  witnessed_size: Generated<number>;
  /** Where the newest stretch without a gap begins, of which both sizes are; and what is proved of those before (m0022). */
  segment_first: Generated<number>;
  below: Json<readonly ProvedStretch[]> | null;
  /** Newest size that counted when `witnessed_size` was judged. */
  cosigned_size: Generated<number>;
  /** Grows with each cosignature that is stored, and what of it was looked at. */
  cosigned_due: Generated<number>;
  cosigned_judged: Generated<number>;
}

/** An independent witness, by its verifier key. */
export interface WitnessTable extends Owned {
  readonly id: Generated<number>;
  readonly vkey: string;
}

/** One cosignature over the note of the range that ends at `size`. */
export interface CosignatureTable extends Owned {
  readonly origin: string;
  readonly witness: number;
  readonly size: number;
  /** The witness's clock. */
  readonly at: Time;
  /** Timestamp and signature, as they follow the key id in the line. */
  readonly signature: Bytes;
  readonly stored_at: Time;
}

/** What one entry says about anchors, verified under the keys that `trust` names. */
export interface AttestationTable extends Owned {
  readonly origin: string;
  readonly n: number;
  readonly trust: string;
  readonly body: Json<unknown>;
}

/** Entries of a log that count for more, or less, than when they were stored (m0023): written by triggers alone. */
export interface FreshLevelTable extends Owned {
  readonly origin: string;
  readonly first: number;
  /** Up to the end of the log when null. */
  readonly end_n: number | null;
  /** Also parcels that no entry of this log names. */
  readonly whole_gateway: boolean;
  /** Grows with each change: what was looked at is taken away only where nothing came since. */
  readonly changes: number;
}

/** What was erased, or kept long enough (m0004). */
export interface ErasureTable extends Owned {
  readonly id: string;
  readonly at: Time;
  readonly kind: 'erasure' | 'retention';
  readonly actor: string;
  readonly reason: string;
  readonly counts: Json<Readonly<Record<string, number>>>;
  /** The signed statement: a DSSE envelope. */
  readonly statement: string;
}

/** Whose turn a job is, and when it was last done (m0030). */
export interface JobTable extends Owned {
  readonly name: string;
  epoch: number;
  held_until: Time;
  done_at: Time | null;
  failing_since: Time | null;
}

/** The last of a gateway's entries in their order, and up to where some came out of their turn (m0032). */
export interface GatewayOrderTable extends Owned {
  readonly gateway: string;
  log: number;
  n: number;
  at_ms: number;
  upset_log: number;
  upset_n: number;
}
