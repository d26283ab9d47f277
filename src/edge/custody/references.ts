/**
 * How parcels are named in events: by pseudonyms under the operator's keys, or in clear text where the operator chose it.
 */
import { assert } from '../../base/assert.ts';
import type { EvidenceCrypto } from '../../evidence/crypto.ts';
import type { ParcelRef } from '../../evidence/event/event.ts';
import { normalise, pseudonym, pseudonymKeyId, type ReferenceKey } from '../../evidence/event/reference.ts';

export interface ReferenceMaker {
  /** Id of the key for new references; undefined for clear text. */
  readonly newestKeyId: string | undefined;
  /** Whether scan texts may be written as they are. */
  readonly clear: boolean;
  /**
   * The reference of a value under the newest key, or under `keyId`. Undefined when the value normalises to nothing or
   * to too much, or when that key is not held.
   */
  parcel(scheme: string, value: string, keyId?: string): ParcelRef | undefined;
}

export function clearReferences(): ReferenceMaker {
  return {
    newestKeyId: undefined,
    clear: true,
    parcel: (scheme, value) => {
      const ref = normalise(scheme, value);
      return ref === undefined ? undefined : { ref, scheme };
    },
  };
}

/** `keys` in the order in which they are to be used; the last is the newest. At least one. */
export function pseudonymousReferences(crypto: EvidenceCrypto, keys: readonly ReferenceKey[]): ReferenceMaker {
  const newest = keys.at(-1);
  assert(newest !== undefined, 'pseudonyms need at least one reference key');
  const byId = new Map(keys.map((key) => [key.id, key]));
  return {
    newestKeyId: newest.id,
    clear: false,
    parcel: (scheme, value, keyId) => {
      const key = keyId === undefined ? newest : byId.get(keyId);
      const normalised = normalise(scheme, value);
      if (key === undefined || normalised === undefined) return undefined;
      return { ref: pseudonym(crypto, key, 'parcel', scheme, normalised), scheme };
    },
  };
}

/** The key under which a reference was made: what lies in a compartment keeps the key of its deposit. */
export function keyIdOf(parcel: ParcelRef): string | undefined {
  return pseudonymKeyId(parcel.ref);
}

export function sameParcel(a: ParcelRef, b: ParcelRef): boolean {
  return a.ref === b.ref && a.scheme === b.scheme;
}
