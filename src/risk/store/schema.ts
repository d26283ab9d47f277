/**
 * The tables as Kysely sees them. Three schemas and three roles, so that nobody who reads custody sees a payment, and
 * nobody who pays can touch evidence. Every table names its tenant and region from the first migration on.
 */
import type { ColumnType, Generated } from 'kysely';

/** Written once; the driver gives back what PostgreSQL has. */
type Bytes = Uint8Array;
type Json<T> = ColumnType<T, string, string>;
type Time = ColumnType<Date, Date, Date>;

interface Owned {
  readonly tenant: string;
  readonly region: string;
}

/** One log, and the tree that was cosigned last. The row is what appends to the log are compared and swapped on. */
export interface LogTable extends Owned {
  readonly origin: string;
  readonly gateway: string;
  /** Entries stored so far: the next position in the use stream. */
  positions: number;
  carried: number;
  cosigned_size: number | null;
  cosigned_root: Bytes | null;
  cosigned_note: Bytes | null;
}

/** A run of entries that was stored at once: its tree before and after (roots of 32 bytes, largest subtree first). */
export interface RangeTable extends Owned {
  readonly origin: string;
  readonly first: number;
  readonly end_size: number;
  readonly before_roots: Bytes;
  readonly after_roots: Bytes;
  readonly note: Bytes | null;
  readonly position: number;
}

/** One entry, in the partition of the day on which it was stored. */
export interface EntryTable extends Owned {
  readonly stored_at: Time;
  readonly origin: string;
  readonly n: number;
  readonly position: number;
  readonly gateway: string;
  readonly leaf_hash: Bytes;
  readonly leaf: Bytes | null;
  readonly status: string;
  readonly why: string | null;
  readonly paths: Json<readonly string[]> | null;
  readonly of_origin: string | null;
  readonly of_n: number | null;
  /** Why the body of a duplicate is not kept, when it is not. */
  readonly withheld_why: string | null;
  readonly carries: Bytes | null;
}

export interface TrustTable extends Owned {
  readonly id: Generated<number>;
  readonly gateway: string;
  readonly record: string;
}

export interface ForkTable extends Owned {
  readonly origin: string;
  readonly digest: Bytes;
  readonly kind: string;
  readonly theirs: Bytes;
  readonly ours: Bytes;
}

/** That an entry names a parcel (`parcel <ref>`), or says something about the gateway where parcels lie (`around <gateway>`). */
export interface MentionTable extends Owned {
  readonly key: string;
  readonly origin: string;
  readonly n: number;
  readonly gateway: string;
}

/** How far the use stream of a log was read. */
export interface ReadToTable extends Owned {
  readonly origin: string;
  position: number;
}

export interface ClaimTable extends Owned {
  readonly ref: string;
  readonly parcel: string;
  readonly at: Time;
  readonly received_at: Time;
  readonly body: Json<unknown>;
}

export interface PaymentTable extends Owned {
  readonly payment_ref: string;
  readonly currency: string;
  captured_minor: number;
  disputed_minor: number;
}

export interface UsdRateTable extends Owned {
  readonly currency: string;
  readonly day: ColumnType<Date, string, string>;
  readonly usd_e9: number;
}

export interface RefundTable extends Owned {
  readonly refund_id: string;
  readonly payment_ref: string;
  readonly operator: string;
  readonly kind: string;
  readonly amount_minor: number;
  readonly currency: string;
  readonly destination: string;
  readonly requested_at: Time;
  readonly parcel_refs: Json<readonly string[]>;
  state: 'open' | 'paid' | 'denied' | 'cancelled';
}

/** A decision for good, with all that it was made of: facts, parameters and answer as canonical JSON. */
export interface DecisionTable extends Owned {
  readonly decision_id: string;
  readonly refund_id: string;
  readonly decided_at: Time;
  readonly outcome: string;
  readonly facts: string;
  readonly ruleset: string;
  readonly parameters: string;
  readonly answer: string;
}

export interface RequestTable extends Owned {
  readonly idempotency_key: string;
  readonly body_hash: string;
  readonly decision_id: string;
}

export interface Database {
  readonly 'custody.mention': MentionTable;
  readonly 'custody.read_to': ReadToTable;
  readonly 'custody.claim': ClaimTable;
  readonly 'payments.payment': PaymentTable;
  readonly 'payments.usd_rate': UsdRateTable;
  readonly 'payments.refund': RefundTable;
  readonly 'payments.decision': DecisionTable;
  readonly 'payments.request': RequestTable;
  readonly 'custody.log': LogTable;
  readonly 'custody.range': RangeTable;
  readonly 'custody.entry': EntryTable;
  readonly 'custody.trust': TrustTable;
  readonly 'custody.fork': ForkTable;
}

/** Which role a room's statements run under. */
export const ROLES = { custody: 'latchkey_custody', payments: 'latchkey_payments', cases: 'latchkey_cases' } as const;
export type Role = keyof typeof ROLES;
