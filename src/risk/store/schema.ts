/**
 * The tables as Kysely sees them. Three schemas and three roles, so that nobody who reads custody sees a payment, and
 * nobody who pays can touch evidence. Every table names its tenant and region from the first migration on.
 */
import type { ColumnType, Generated } from 'kysely';
import type { Bytes, Json, Owned, Time } from './columns.ts';
import type {
  AssuranceTable,
  AttestationTable,
  CosignatureTable,
  ErasureTable,
  FreshLevelTable,
  GatewayOrderTable,
  JobTable,
  LeaseTable,
  ReplicaTable,
  WitnessTable,
} from './schema-levels.ts';

/** One log, and the tree that was cosigned last. The row is what appends to the log are compared and swapped on. */
export interface LogTable extends Owned {
  readonly origin: string;
  readonly gateway: string;
  positions: number; // entries stored so far: the next in the use stream
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
  readonly stored_at: ColumnType<Date | null, string, never>; // of the entry, to the microsecond: names its partition
  /** Of a parcel: empty where the entry names none; null where nobody knows (m0032). */
  readonly compartment: ColumnType<string | null, string | null | undefined, never>;
  /** Of a parcel: the entry puts it there, or takes it out; null where it does neither. */
  readonly lies: ColumnType<boolean | null, boolean | null | undefined, never>;
}

/** That a courier had a parcel in hands, as an entry says (m0024). */
export interface HandTable extends Owned {
  readonly parcel: string;
  readonly origin: string;
  readonly n: number;
  readonly courier: string;
  readonly deed: string;
  readonly gateway: string;
  readonly stored_at: ColumnType<Date, string, never>; // of the entry
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
  /** `unsigned` when its source did not sign: it then weighs a tenth. */
  readonly level: Generated<'declared' | 'unsigned'>;
}

export interface PaymentTable extends Owned {
  readonly payment_ref: string;
  readonly currency: string;
  captured_minor: number;
  disputed_minor: number;
  /** What refunds of it are paid, and ordered to be paid: written by triggers alone (m0015). */
  readonly paid_minor: ColumnType<number, never, never>;
  readonly ordered_minor: ColumnType<number, never, never>;
}

/** Whose a payment is (m0021): a pseudonym under the key of the service, as the two below. */
export interface CustomerPaymentTable extends Owned {
  readonly payment_ref: string;
  readonly customer: string;
  readonly captured_at: Time;
}

/** That an operator lives with a customer. */
export interface HouseholdTable extends Owned {
  readonly operator: string;
  readonly customer: string;
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
  readonly recall: boolean | null;
  /** What the caller said, where windows count from another time. */
  readonly stated_at: Time | null;
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
  readonly little_evidence: ColumnType<boolean | null, never, never>; // made of the answer (m0029)
}

export interface RequestTable extends Owned {
  readonly idempotency_key: string;
  readonly body_hash: string;
  readonly decision_id: string;
}

// What follows from a decision (m0003): holds, the outbox, settlements; cases and verdicts of people.
export interface RefundParcelTable extends Owned {
  readonly parcel: string;
  readonly refund_id: string;
}

export interface HoldTable extends Owned {
  readonly hold_id: string;
  readonly decision_id: string;
  readonly refund_id: string;
  readonly outcome: string;
  readonly codes: Json<readonly string[]>;
  readonly release_when: Json<readonly string[]>;
  readonly approvals: number;
  readonly blocked: boolean;
  /** When the refund was asked for: the legal clock runs from there. */
  readonly started_at: Time;
  readonly placed_at: Time;
  next_check_at: Time;
  readonly answer_by: Time;
  readonly deadline_at: Time;
  readonly on_deadline: 'pay' | 'escalate';
  readonly basis: string;
  /** Warnings that were given, each once. */
  steps: Json<readonly string[]>;
  /** The next moment at which anything is to be done. */
  due_at: Time;
  state: 'open' | 'paid' | 'released' | 'deadline_paid' | 'denied' | 'cancelled' | 'superseded';
  ended_at: Time | null;
}

/** What happened to a hold or a case, and by whom; `system` for the service itself. */
export interface HistoryTable extends Owned {
  readonly id: Generated<number>;
  readonly at: Time;
  readonly what: string;
  readonly actor: string;
  readonly detail: string | null;
}

export interface HoldEventTable extends HistoryTable {
  readonly hold_id: string;
}

/** One command to the payment side, for good under its idempotency key. */
export interface OutboxTable extends Owned {
  readonly seq: Generated<number>;
  readonly key: string;
  readonly action: string;
  /** Commands of one lane and refund leave in their order. */
  readonly lane: string;
  readonly refund_id: string;
  readonly decision_id: string;
  /** The bytes that are sent. */
  readonly body: string;
  readonly created_at: Time;
  due_at: Time;
  attempts: number;
  state: 'waiting' | 'delivered' | 'dead';
  lease_until: Time | null;
  /** Grows with every lease: who comes back with an older one is too late. */
  token: number;
  ended_at: Time | null;
  said: string | null;
}

export interface SettlementTable extends Owned {
  readonly refund_id: string;
  readonly reference: string;
  readonly amount_minor: number;
  readonly currency: string;
  readonly settled_at: Time;
  readonly recorded_at: Time;
}

export interface CaseTable extends Owned {
  readonly case_id: string;
  readonly kind: 'refund' | 'late_fact' | 'settlement' | 'given_up';
  readonly refund_id: string;
  decision_id: string;
  /** SHA-256 of the parcels' ledgers that opened it. */
  readonly ledger: string | null;
  readonly opened_at: Time;
  contain_by: Time;
  contained_at: Time | null;
  evidence_due_at: Time;
  evidence_by: Time;
  evidence_at: Time | null;
  steps: Json<readonly string[]>;
  due_at: Time | null;
  state: 'open' | 'closed';
  closed_at: Time | null;
  owner: string | null;
}

export interface CaseEventTable extends HistoryTable {
  readonly case_id: string;
}

/** What a person said about a decision: each word of each person once. */
export interface VerdictTable extends Owned {
  readonly decision_id: string;
  readonly actor: string;
  readonly refund_id: string;
  readonly hold_id: string;
  readonly verdict: 'release' | 'deny';
  readonly reason: string;
  readonly at: Time;
}

/* What decisions are looked at again for, until it was done: each log's entries up to a position, and the rest by queues. */

export interface LookedToTable extends Owned {
  readonly origin: string;
  position: number;
}

export interface FreshClaimTable extends Owned {
  readonly id: Generated<number>;
  readonly parcel: string;
}

export interface FreshDecisionTable extends Owned {
  readonly decision_id: string;
}

/* Webhooks of declared sources, and what retention and erasure did (m0004). */

/** An event of a source, taken once. */
export interface SourceEventTable extends Owned {
  readonly source: string;
  readonly event_id: string;
  readonly type: string;
  /** SHA-256 of what it said. */
  readonly digest: Bytes;
  readonly occurred_at: Time;
  readonly received_at: Time;
}

/** A message that was taken, until its timestamp is refused anyway. */
export interface SourceSeenTable extends Owned {
  readonly source: string;
  readonly digest: Bytes;
  readonly until: Time;
}

/** Closed before it was opened: payment, amount and currency are not known yet. */
export interface DisputeTable extends Owned {
  readonly source: string;
  readonly dispute_ref: string;
  payment_ref: string | null;
  amount_minor: number;
  currency: string | null;
  result: 'won' | 'lost' | null;
  opened_at: Time | null;
  closed_at: Time | null;
}

/** What the batch analysis found, for decisions to read (m0020). */
export interface FindingTable extends Owned {
  readonly id: string;
  readonly as_of_ms: number;
  readonly body: Json<unknown>;
}

export interface Database {
  readonly 'custody.source_event': SourceEventTable;
  readonly 'custody.source_seen': SourceSeenTable;
  readonly 'payments.source_event': SourceEventTable;
  readonly 'payments.source_seen': SourceSeenTable;
  readonly 'payments.dispute': DisputeTable;
  readonly 'custody.erasure': ErasureTable;
  readonly 'custody.job': JobTable;
  readonly 'custody.replica': ReplicaTable;
  readonly 'custody.lease': LeaseTable;
  readonly 'custody.assurance': AssuranceTable;
  readonly 'custody.attestation': AttestationTable;
  readonly 'custody.witness': WitnessTable;
  readonly 'custody.cosignature': CosignatureTable;
  readonly 'custody.mention': MentionTable;
  readonly 'custody.hand': HandTable;
  readonly 'custody.read_to': ReadToTable;
  readonly 'custody.gateway_order': GatewayOrderTable;
  readonly 'custody.claim': ClaimTable;
  readonly 'payments.payment': PaymentTable;
  readonly 'payments.customer_payment': CustomerPaymentTable;
  readonly 'payments.household': HouseholdTable;
  readonly 'payments.usd_rate': UsdRateTable;
  readonly 'payments.refund': RefundTable;
  readonly 'payments.decision': DecisionTable;
  readonly 'payments.request': RequestTable;
  readonly 'payments.refund_parcel': RefundParcelTable;
  readonly 'payments.hold': HoldTable;
  readonly 'payments.hold_event': HoldEventTable;
  readonly 'payments.outbox': OutboxTable;
  readonly 'payments.settlement': SettlementTable;
  readonly 'payments.fresh_decision': FreshDecisionTable;
  readonly 'payments.finding': FindingTable;
  readonly 'cases.case': CaseTable;
  readonly 'cases.case_event': CaseEventTable;
  readonly 'cases.verdict': VerdictTable;
  readonly 'custody.looked_to': LookedToTable;
  readonly 'custody.fresh_claim': FreshClaimTable;
  readonly 'custody.fresh_level': FreshLevelTable;
  readonly 'custody.log': LogTable;
  readonly 'custody.range': RangeTable;
  readonly 'custody.entry': EntryTable;
  readonly 'custody.trust': TrustTable;
  readonly 'custody.fork': ForkTable;
}

/** Which role a room's statements run under. */
export const ROLES = {
  custody: 'latchkey_custody',
  payments: 'latchkey_payments',
  cases: 'latchkey_cases',
  retention: 'latchkey_retention',
  patterns: 'latchkey_patterns',
} as const;
export type Role = keyof typeof ROLES;
