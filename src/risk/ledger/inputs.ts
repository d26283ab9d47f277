/**
 * What the ledger is folded from: verified entries of gateways, and claims of declared sources. They are kept apart: a
 * claim moves what is expected and what is asked for, and confirms nothing alone.
 */
import type { CustodyEvent } from '../../evidence/event/event.ts';
import type { ClockTrust, Level } from '../decision/facts.ts';
import type { LedgerSettings } from './settings.ts';

/** One entry that names the parcel, or that is about a compartment while the parcel lay there. */
export interface LedgerEntry {
  readonly kind: 'entry';
  /** `<origin>#<n>`. */
  readonly ref: string;
  readonly gateway: string;
  /** Number of the log among those of its gateway, and index in it: the order of one gateway's entries. */
  readonly log: number;
  readonly n: number;
  readonly event: CustodyEvent;
  readonly level: Exclude<Level, 'declared'>;
  /** When the service stored it: by then it had happened. */
  readonly storedMs?: number;
  /** The operator vouches for this gateway's clock, which cannot say who synchronises it. */
  readonly clock?: Extract<ClockTrust, 'synced' | 'fair'>;
  /** The anchor, quote or key under it is refused by the trust policy (C16). */
  readonly refused?: boolean;
  /** Its log has two roots for one size (C21). */
  readonly forked?: boolean;
  /** The photo that it names was recorded for another parcel before (C17). */
  readonly photoSeen?: boolean;
}

export type ClaimBody =
  | {
      readonly what: 'declared';
      readonly weight_g?: number;
      readonly packaging_g?: number;
      readonly seal?: string;
      readonly promised_by_ms?: number;
    }
  | { readonly what: 'handed_to_courier'; readonly weight_g?: number }
  | {
      readonly what: 'delivered';
      readonly geofence?: 'inside' | 'outside' | 'unknown';
      /** From where it should have been, and how good the position was: without them `outside` is a word alone. */
      readonly distance_m?: number;
      readonly accuracy_m?: number;
      readonly to?: 'locker' | 'door';
    }
  | { readonly what: 'exception'; readonly operator?: string }
  | { readonly what: 'collect_by'; readonly until_ms: number }
  | { readonly what: 'rma_opened' }
  | { readonly what: 'warehouse_received'; readonly weight_g?: number }
  | { readonly what: 'inspected'; readonly result: 'ok' | 'empty' | 'wrong_item' | 'damaged' };

/** A message of a declared source, whose sender was authenticated. */
export interface Claim {
  readonly kind: 'claim';
  /** `<source>:<id>`. */
  readonly ref: string;
  readonly at_ms: number;
  readonly body: ClaimBody;
  /** `unsigned` when its sender was told by a bearer token alone; `declared` unless said otherwise. */
  readonly level?: 'declared' | 'unsigned';
}

export type LedgerInput = LedgerEntry | Claim;

/** A gateway whose records of the episode may still come. */
export interface Awaited {
  readonly gateway: string;
  readonly since_ms: number;
}

export interface Surroundings {
  /** Where lockers stand, in thousandths of a degree, by gateway. */
  readonly sites?: Readonly<Record<string, { readonly lat_mdeg: number; readonly lon_mdeg: number }>>;
  readonly awaited?: Awaited;
  /** Its defaults unless given. */
  readonly settings?: LedgerSettings;
}
