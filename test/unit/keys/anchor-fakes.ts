/** A counter and a disk that can be cut off after any step, for the anchorer's tests. */
import { LatchkeyError } from '../../../src/base/errors.ts';
import type { AnchorCandidate, AnchorIntent, AnchorStore } from '../../../src/edge/contracts/anchor-store.ts';
import type { AnchorTpm, CertifiedCounter } from '../../../src/edge/contracts/anchor-tpm.ts';
import type { NoteSignature } from '../../../src/evidence/log/note.ts';

export const ORIGIN = 'lockers.example/gw-0001/1-00000000';

/** Throws at the n-th durable step from now; the step itself was done or not, as `after` says. */
export class Cut {
  left: number;
  readonly after: boolean;

  constructor(left: number, after: boolean) {
    this.left = left;
    this.after = after;
  }

  step<T>(work: () => T): T {
    this.left -= 1;
    if (this.left > 0) return work();
    if (this.left === 0 && this.after) work();
    throw new LatchkeyError('TIMED_OUT', 'cut');
  }
}

export class FakeTpm implements AnchorTpm {
  readonly akSpki = new Uint8Array(91);
  value: number;
  cut = new Cut(Number.POSITIVE_INFINITY, false);
  readonly certified: number[] = [];

  constructor(value: number) {
    this.value = value;
  }

  async readCounter(): Promise<number> {
    return this.cut.step(() => this.value);
  }

  async advanceCounter(extraData: Uint8Array): Promise<CertifiedCounter> {
    this.cut.step(() => {
      this.value += 1;
    });
    return this.certifyCounter(extraData);
  }

  async certifyCounter(extraData: Uint8Array): Promise<CertifiedCounter> {
    return this.cut.step(() => {
      this.certified.push(this.value);
      return { value: this.value, attest: extraData, signature: new Uint8Array(64) };
    });
  }
}

export interface Made {
  readonly size: number;
  readonly counter: number;
  readonly line: NoteSignature;
}

export class FakeStore implements AnchorStore {
  open: AnchorIntent | undefined;
  last: number | undefined;
  kept: number | undefined;
  next: AnchorCandidate | undefined;
  cut = new Cut(Number.POSITIVE_INFINITY, false);
  readonly made: Made[] = [];
  readonly breaches: { readonly expected: number; readonly found: number }[] = [];
  readonly #listeners = new Set<() => void>();

  intent(): AnchorIntent | undefined {
    return this.open;
  }

  lastCounter(): number | undefined {
    return this.last;
  }

  tokens(): number | undefined {
    return this.kept;
  }

  candidate(): AnchorCandidate | undefined {
    const anchored = this.made.at(-1)?.size ?? -1;
    return this.next !== undefined && this.next.size > anchored ? this.next : undefined;
  }

  async saveIntent(intent: AnchorIntent, tokens: number): Promise<void> {
    this.cut.step(() => {
      if (this.open !== undefined) throw new Error('an intent is open already');
      this.open = intent;
      this.kept = tokens;
    });
  }

  async finish(intent: AnchorIntent, line: NoteSignature): Promise<void> {
    this.cut.step(() => {
      if (this.open !== intent) throw new Error('another intent is open');
      this.made.push({ size: intent.size, counter: intent.counter, line });
      this.last = intent.counter;
      this.open = undefined;
    });
  }

  async breach(expected: number, found: number): Promise<void> {
    this.breaches.push({ expected, found });
    this.open = undefined;
    this.last = found;
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  grow(size: number, unanchored: AnchorCandidate['unanchored'] = 'parcel'): void {
    this.next = { origin: ORIGIN, size, root: new Uint8Array(32), unanchored };
    for (const listener of this.#listeners) listener();
  }
}
