/**
 * What the API stands on. The rooms that do the work are put in by the composition root; here stands what each owes.
 */
import type { z } from 'zod';
import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import type { HoldBook } from '../casework/hold-book.ts';
import type { RefundDesk } from '../casework/refund-desk.ts';
import type { LedgerStore } from '../ledger/ledger-store.ts';
import type { CustodyRates, RatesByGroup } from './custody-rates.ts';
import type { RateGroup } from './rate-tally.ts';
import type { ApiSettings } from './settings.ts';
import type { TokenKeys } from './token-keys.ts';

export interface ApiParts {
  readonly settings: ApiSettings;
  readonly tokenKeys: TokenKeys;
  readonly desk: Pick<RefundDesk, 'decide' | 'decision' | 'explain' | 'replay' | 'settle'>;
  readonly ledger: Pick<LedgerStore, 'ledger'>;
  readonly holds: Pick<HoldBook, 'list' | 'show'>;
  readonly bundles: BundleMaker;
  readonly epcis: EpcisMaker;
  readonly evidence: EvidenceKeeper;
  readonly rates: RatesOf;
  /** Text exposition format 0.0.4 of Prometheus. */
  readonly metricsText: () => string | Promise<string>;
  readonly health: HealthChecks;
  /** What is answered beside the endpoints, for the OpenAPI document. */
  readonly beside?: readonly BesideRoute[];
  readonly clock: Clock;
  readonly logger: Logger;
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

export interface EvidenceKeeper {
  /** Notes with the open cases of a refund that this bundle was given to somebody who keeps it. Resolves with those cases. */
  kept(refundId: string, bundle: Uint8Array, keptAs: string, actor: string): Promise<readonly string[]>;
}

export interface RatesOf {
  /** Of refunds decided from `fromMs` (inclusive) until `untilMs` (exclusive). */
  rates(fromMs: number, untilMs: number): Promise<CustodyRates>;
  /** The same by who asked, by the gateway of the locker, or by the pseudonym of each courier who had a parcel in hands. */
  ratesBy(by: RateGroup, fromMs: number, untilMs: number): Promise<RatesByGroup>;
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

/** A path that the service answers beside the endpoints: who asks proves it in a way of the path's own. By POST. */
export interface BesideRoute {
  readonly id: string;
  readonly path: string;
  readonly summary: string;
  readonly description: string;
  readonly params: z.ZodType;
  readonly body: z.ZodType;
  readonly answers: Readonly<Record<number, { readonly text: string; readonly schema: z.ZodType }>>;
}
