/**
 * What the API stands on. The rooms that do the work are put in by the composition root; here stands what each owes.
 */
import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import type { Result } from '../../base/result.ts';
import type { RefundDesk } from '../casework/refund-desk.ts';
import type { LedgerStore } from '../ledger/ledger-store.ts';
import type { CustodyRates } from './custody-rates.ts';
import type { ApiSettings } from './settings.ts';
import type { TokenKeys } from './token-keys.ts';

export interface ApiParts {
  readonly settings: ApiSettings;
  readonly tokenKeys: TokenKeys;
  readonly desk: Pick<RefundDesk, 'decide' | 'decision' | 'replay'>;
  readonly ledger: Pick<LedgerStore, 'ledger'>;
  readonly holds: HoldBook;
  readonly settlements: Settlements;
  readonly bundles: BundleMaker;
  readonly epcis: EpcisMaker;
  readonly rates: RatesOf;
  /** Text exposition format 0.0.4 of Prometheus. */
  readonly metricsText: () => string | Promise<string>;
  readonly health: HealthChecks;
  readonly clock: Clock;
  readonly logger: Logger;
}

export const HOLD_STATES = ['placed', 'released', 'paid', 'denied', 'expired'] as const;
export type HoldState = (typeof HOLD_STATES)[number];

export interface HoldView {
  readonly hold_id: string;
  readonly refund_id: string;
  readonly decision_id: string;
  readonly state: HoldState;
  /** Codes of the reasons of its decision. */
  readonly reasons: readonly string[];
  readonly placed_at_ms: number;
  /** By then it must be answered by law or by contract. */
  readonly deadline_at_ms: number;
  readonly release_when: readonly string[];
  readonly ended_at_ms?: number;
}

export interface HoldPage {
  readonly holds: readonly HoldView[];
  /** Where the next page begins; absent on the last. */
  readonly next?: string;
}

export interface HoldBook {
  /**
   * Holds in the order in which they must be answered, at most `limit`, from after `cursor` (a `next` of before). A
   * cursor that it did not make gives `bad_cursor`.
   */
  page(asked: {
    readonly state?: HoldState;
    readonly cursor?: string;
    readonly limit: number;
  }): Promise<Result<HoldPage, 'bad_cursor'>>;
  hold(holdId: string): Promise<HoldView | undefined>;
}

export interface Settlement {
  /** Of the payment provider. */
  readonly settlement_ref: string;
  readonly amount_minor: number;
  readonly currency: string;
  readonly settled_at_ms: number;
}

/**
 * `unknown_refund`: none of that name. `not_released`: no decision, and no person, released it. `settled_otherwise`: it
 * was confirmed before with other particulars, or the amount is not that of the refund. `exceeds_captured`: the payment
 * has not that much left.
 */
export type SettlementRefusal = 'unknown_refund' | 'not_released' | 'settled_otherwise' | 'exceeds_captured';

export interface Settlements {
  /** Durable when it answers. The same confirmation again gives the same answer and changes nothing. */
  confirm(refundId: string, settlement: Settlement): Promise<Result<{ readonly state: 'paid' }, SettlementRefusal>>;
}

/** Evidence that `latchkey verify` accepts offline. Undefined when nothing verified is known of it. */
export interface BundleMaker {
  ofParcel(ref: string, signal: AbortSignal): Promise<Uint8Array | undefined>;
  ofRefund(refundId: string, signal: AbortSignal): Promise<Uint8Array | undefined>;
}

export interface EpcisMaker {
  /** An EPCIS 2.0 document (JSON-LD). Undefined when nothing verified is known of the parcel. */
  ofParcel(ref: string, signal: AbortSignal): Promise<object | undefined>;
}

export interface RatesOf {
  /** Of refunds decided from `fromMs` (inclusive) until `untilMs` (exclusive). */
  rates(fromMs: number, untilMs: number): Promise<CustodyRates>;
}

export interface HealthCheck {
  /** `database`, `intake`, `broker`. */
  readonly name: string;
  readonly ok: boolean;
  /** For people; no secrets, no addresses with credentials. */
  readonly detail?: string;
}

export interface HealthChecks {
  /** Whether requests can be answered now. Resolves also when something is down; bounded in time by its maker. */
  ready(): Promise<readonly HealthCheck[]>;
}
