/** References of what is scanned, in a house where something lies already. */
import type { ParcelRef } from '../../evidence/event/event.ts';
import type { ScanReading } from '../contracts/reading.ts';
import { keyIdOf, type ReferenceMaker } from './references.ts';

export class HeldReferences {
  readonly #references: ReferenceMaker;
  /** Under which something lies here, beside the newest. */
  #oldKeys: readonly string[] = [];
  #heldRefs: ReadonlySet<string> = new Set();

  constructor(references: ReferenceMaker) {
    this.#references = references;
  }

  /** What lies here now. */
  index(held: readonly ParcelRef[]): void {
    this.#heldRefs = new Set(held.map(({ ref }) => ref));
    const keys = new Set(held.map(keyIdOf).filter((id) => id !== undefined));
    keys.delete(this.#references.newestKeyId ?? '');
    this.#oldKeys = [...keys];
  }

  /** The reference of what the scan names; a parcel that lies here keeps the reference of its deposit. */
  parcelOf({ code, quarantined }: Pick<ScanReading, 'code' | 'quarantined'>): ParcelRef | undefined {
    if (quarantined !== undefined || code.text === undefined) return undefined;
    const best = code.identifiers[0];
    const scheme = best?.scheme ?? 'unknown';
    const value = best?.value ?? code.text;
    for (const keyId of this.#oldKeys) {
      const earlier = this.#references.parcel(scheme, value, keyId);
      if (earlier !== undefined && this.#heldRefs.has(earlier.ref)) return earlier;
    }
    return this.#references.parcel(scheme, value);
  }
}
