/**
 * The facts of one refund: all that a decision may look at, as one JSON value.
 *
 * A snapshot is stored with its decision and hashed (RFC 8785), so whoever has it can decide again and must come to the
 * same answer. Hence the rules of a leaf: integers, no null, and what is not known is absent, never zero or `false`.
 * Times are milliseconds since 1970 UTC; money is in minor units of its currency; rates are billionths of a dollar.
 */
import type { ContradictionCode } from './contradictions.ts';
import type { SignalName } from './signals.ts';

export type RefundKind = 'return' | 'not_received' | 'empty' | 'damaged' | 'recall' | 'goodwill';

/**
 * How much the key under a signal proves (FORMAT.md section 9). `declared`: an authenticated message of a source that is
 * no device, such as a warehouse; `unsigned`: anything else.
 */
export type Level = 'unsigned' | 'declared' | 'A0' | 'A1' | 'A2' | 'A3';

/** How far the wall clock beside a signal can be believed; `rollback`: it went back while monotonic time went on. */
export type ClockTrust = 'synced' | 'fair' | 'free' | 'rollback';

/** States of the forward leg, then of the return leg. */
export type ForwardState =
  | 'EXPECTED'
  | 'WITH_COURIER'
  | 'DEPOSIT_OPEN'
  | 'IN_LOCKER'
  | 'PICKUP_OPEN'
  | 'COLLECTED'
  | 'EXPIRED'
  | 'RETRIEVED'
  | 'RETURN_TO_SENDER'
  | 'DISTURBED'
  | 'MISSING'
  | 'EXCEPTION';

export type ReturnState =
  | 'NONE'
  | 'RMA_OPEN'
  | 'R_DEPOSIT_OPEN'
  | 'R_IN_LOCKER'
  | 'R_DISTURBED'
  | 'R_WITH_COURIER'
  | 'R_RECEIVED'
  | 'R_INSPECTED_OK'
  | 'R_INSPECTED_EMPTY'
  | 'R_INSPECTED_WRONG_ITEM'
  | 'R_INSPECTED_DAMAGED';

export type Certainty = 'confirmed' | 'unconfirmed' | 'contradicted';
export type Custodian = 'merchant' | 'courier' | 'locker_operator' | 'customer' | 'warehouse' | 'unknown';

/** `<origin>#<n>` of a verified entry, or `<source>:<id>` of a declared webhook. */
export type EventRef = string;

export interface Signal {
  readonly name: SignalName;
  readonly says: 'supports' | 'contradicts';
  readonly level: Level;
  readonly clock: ClockTrust;
  readonly event: EventRef;
}

export interface Leg<S extends string> {
  readonly state: S;
  readonly certainty: Certainty;
  readonly custodian: Custodian;
  /** When it came into this state. */
  readonly since_ms?: number;
  readonly signals: readonly Signal[];
  /** Entries and claims that it was concluded from. */
  readonly events: readonly EventRef[];
}

export interface Contradiction {
  readonly code: ContradictionCode;
  readonly leg: 'forward' | 'return' | 'both';
  readonly severity: 'hard' | 'soft';
  readonly events: readonly EventRef[];
  /** What was looked for and found to be the innocent cause: the contradiction then counts as soft. */
  readonly innocent?: string;
}

/** A contradiction that was looked for and could not be judged: nothing is held against anybody for it. */
export interface Untold {
  readonly code: ContradictionCode;
  readonly leg: Contradiction['leg'];
  /** For people. */
  readonly why: string;
  readonly events: readonly EventRef[];
}

export interface DeliveryException {
  readonly at_ms: number;
  readonly operator?: string;
  readonly event: EventRef;
}

export interface ParcelFacts {
  readonly ref: string;
  /** Counts up with each entry or claim that was folded in. */
  readonly ledger_version: number;
  readonly forward: Leg<ForwardState>;
  readonly return: Leg<ReturnState>;
  readonly contradictions: readonly Contradiction[];
  readonly cannot_tell?: readonly Untold[];
  /** The last delivery exception, and the operator who raised it. */
  readonly exception?: DeliveryException;
  /** Those before the last one, the newest first. */
  readonly exceptions_before?: readonly DeliveryException[];
  /** Until when the recipient may collect, and when delivery was promised. */
  readonly collect_by_ms?: number;
  readonly promised_by_ms?: number;
  /** A gateway of this parcel's episode is away or quarantined: what it saw may still come. */
  readonly waiting_for?: { readonly gateway: string; readonly since_ms: number };
  /** What of it stands on an operator's word about a gateway, and not on what was proved. */
  readonly assumptions?: readonly Assumption[];
}

export interface RefundFacts {
  readonly refund_id: string;
  readonly kind: RefundKind;
  readonly amount_minor: number;
  readonly currency: string;
  readonly operator: string;
  readonly requested_at_ms: number;
  readonly destination: 'original' | 'other';
  /** The goods are recalled: paid without evidence of their return. */
  readonly recall?: boolean;
  /** The operator asks for a refund to the own household, or approved it (C24). */
  readonly self_dealing?: boolean;
  /** Other refunds of the same parcels that stand before this one. */
  readonly alike?: readonly AlikeRefund[];
}

/** A refund of the same goods: of the same payment, which bounds them together, or of another. */
export interface AlikeRefund {
  readonly refund_id: string;
  readonly payment: 'same' | 'other';
}

/** What the payment side says, in the refund's currency; `refunded` counts paid and promised refunds, this one apart. */
export interface PaymentFacts {
  readonly captured_minor: number;
  readonly refunded_minor: number;
  readonly disputed_minor: number;
  /**
   * Of `refunded_minor`, what is of refunds that are open and not ordered to be paid, so that they may still be denied or
   * cancelled. Absent where there is none, and in what was decided before facts told.
   */
  readonly open_minor?: number;
}

/** Billionths of a US dollar for one whole unit of the currency, from an imported table of that day. */
export interface UsdRate {
  readonly usd_e9: number;
  /** `YYYY-MM-DD` of the table. */
  readonly day: string;
}

/** Another refund of the same operator; cancelled ones are left out. */
export interface RecentRefund {
  readonly refund_id: string;
  readonly at_ms: number;
  readonly amount_minor: number;
  readonly currency: string;
  readonly rate?: UsdRate;
}

export interface OperatorFacts {
  /** Those of the longest window of any rule, this refund apart, in any order. */
  readonly recent: readonly RecentRefund[];
  /** Refunds above the velocity threshold in 24 hours that this operator makes usually, in thousandths (28 days). */
  readonly usual_per_day_milli?: number;
  /** 95th percentile of refund amounts of the tenant, in cents of a dollar. */
  readonly tenant_p95_usd_minor?: number;
  /** Of a maker's approvals in 30 days: how many there were, and how many by the most frequent checker. */
  readonly approvals?: { readonly total: number; readonly top_pair: number };
  /** Share of refunds with no more than weak evidence, and the median of peers, in thousandths. */
  readonly weak_share?: { readonly refunds: number; readonly own_milli: number; readonly peers_milli: number };
}

/** How much more often than expected a courier and an operator meet in refunds with little evidence, in 30 days. */
export interface CourierLift {
  /** Those with little evidence; none where both met in too few refunds of any kind to be counted. */
  readonly refunds: number;
  readonly lift_milli: number;
  /** Adjusted for how many pairs were looked at (Benjamini-Hochberg). */
  readonly p_micro: number;
  /** What was expected of `refunds`, and how many refunds of any evidence there were. */
  readonly expected_milli?: number;
  readonly together?: number;
  /** A pseudonym, as it stands in the entries. */
  readonly courier?: string;
  /** Entries that say that this courier had the parcels in hands. */
  readonly events?: readonly EventRef[];
}

/** Findings of the batch analysis, each as of its own time. */
export interface PatternFacts {
  readonly as_of_ms: number;
  /** One alone, without its courier: in facts that are written by hand. */
  readonly courier_lift?: CourierLift;
  /** Of the couriers who had the parcels in hands, each with this operator. */
  readonly courier_lifts?: readonly CourierLift[];
  /** `unrated`: currencies of orders in several of them, whose rate nobody told: the share is not known then. */
  readonly customer?: {
    readonly orders: number;
    readonly refunded_milli?: number;
    readonly unrated?: readonly string[];
  };
  readonly locker_loss?: { readonly upper_milli: number; readonly fleet_milli: number };
  /** `courier` and its entries about these parcels, where it is a courier that they share. */
  readonly chargebacks?: {
    readonly count: number;
    readonly shared: string;
    readonly courier?: string;
    readonly events?: readonly EventRef[];
  };
  readonly promotion?: boolean;
}

/** The operator's settings vouch for the key, or the clock, of a gateway. */
export interface Assumption {
  readonly gateway: string;
  /** What its entries reach at most by the trial. */
  readonly level?: Exclude<Level, 'unsigned' | 'declared'>;
  /** What the level rests on instead of a hardware TPM. */
  readonly trial?: 'emulated_tpm' | 'software_keys';
  readonly clock?: Extract<ClockTrust, 'synced' | 'fair'>;
}

/** A part of the facts that could not be read: the answer is a hold with a short deadline. */
export type Dependency = 'ledger' | 'payment' | 'operator' | 'usd_rate';

export interface Facts {
  readonly v: 1;
  /**
   * How answers are worded: absent in what was decided before reasons said whether there is a record, and which rate is
   * missing; 2 before counterfactuals told of more than one change. So those decisions are made again to the byte.
   */
  readonly wording?: 2 | 3;
  /**
   * Which edition of the rules decides. Absent in what was decided before a weight that is far off held a refund (C04), and
   * before what is usual of an operator was taken for the window that is counted (R01b).
   */
  readonly edition?: 2;
  /** The answer says of each parcel what its ledger was (`ledgers`); absent in what was decided before it did, and does not. */
  readonly pinned?: true;
  readonly as_of_ms: number;
  readonly refund: RefundFacts;
  readonly rate?: UsdRate;
  readonly payment?: PaymentFacts;
  readonly operator?: OperatorFacts;
  readonly patterns?: PatternFacts;
  readonly parcels: readonly ParcelFacts[];
  /** Dependencies that failed. What is merely absent above counts too. */
  readonly failed: readonly Dependency[];
}
