/**
 * The custody event: the shape of a leaf of the log (FORMAT.md section 2). Member names are those on the wire.
 */

/** What JSON a leaf may hold: no null, and numbers are integers within +-(2^53 - 1). */
export type Json = string | number | boolean | readonly Json[] | JsonObject;

export interface JsonObject {
  readonly [name: string]: Json;
}

/** Where wall time came from. `err_ms` is absent when nobody knows it. */
export interface ClockClaim {
  readonly src: 'none' | 'rtc' | 'ntp' | 'gps';
  readonly err_ms?: number;
}

/** `ref` is a pseudonym unless the operator chose clear text. `scheme` is `unknown` when nothing recognised it. */
export interface ParcelRef {
  readonly ref: string;
  readonly scheme: string;
}

export interface Actor {
  readonly kind: 'courier' | 'recipient' | 'technician' | 'operator' | 'service';
  readonly ref: string;
}

/** The interval in `up_ms` in which a polled state changed; `from_boot` when the last look was before a restart. */
export interface Seen {
  readonly from_ms: number;
  readonly to_ms: number;
  readonly from_boot?: number;
}

/** An entry taken over from another log of this gateway. `leaf` is the base64url of its original leaf hash. */
export interface Carried {
  readonly log: string;
  readonly n: number;
  readonly boot: number;
  readonly up_ms: number;
  readonly leaf: string;
}

/** The part of an event that a device or a person gave rise to; the journal adds the rest. */
export interface EventBody {
  readonly type: string;
  readonly device?: string;
  readonly compartment?: string;
  readonly parcel?: ParcelRef;
  readonly actor?: Actor;
  readonly seen?: Seen;
  readonly data: JsonObject;
}

/** A whole leaf. */
export interface CustodyEvent extends EventBody {
  readonly v: 1;
  readonly log: string;
  readonly n: number;
  /** base64url of 16 random bytes. */
  readonly salt: string;
  readonly at: string;
  readonly clock: ClockClaim;
  readonly boot: number;
  readonly up_ms: number;
  readonly carried?: Carried;
  /** JSON Pointers of members that the privacy guard dropped. */
  readonly withheld?: readonly string[];
}
