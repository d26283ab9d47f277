/**
 * What the broker retained of this gateway, gathered at the first connection of a start: its memory outside the disk.
 *
 * Anybody who may write below the gateway's topics can put messages here, so each kind has a bound of its own: a flood
 * of false receipts must not push a checkpoint out.
 */
import { ENROLMENT_BYTES_MAX } from '../../evidence/wire/messages.ts';
import type { RetainedMessage } from '../contracts/outbox.ts';

/** A signed note (FORMAT.md section 3). */
export const NOTE_BYTES_MAX = 16_384;

export type MemoryKind = 'checkpoint' | 'enrolment' | 'receipt';

const LIMITS: Readonly<Record<MemoryKind, { readonly names: number; readonly bytes: number }>> = {
  checkpoint: { names: 256, bytes: NOTE_BYTES_MAX },
  enrolment: { names: 1, bytes: ENROLMENT_BYTES_MAX },
  receipt: { names: 256, bytes: NOTE_BYTES_MAX },
};

export class RetainedMemory {
  readonly #kinds: Readonly<Record<MemoryKind, Map<string, Uint8Array>>> = {
    checkpoint: new Map(),
    enrolment: new Map(),
    receipt: new Map(),
  };

  /** False when it was not taken: too long, or too many of its kind. The newest of a name counts; empty means gone. */
  offer(kind: MemoryKind, name: string, payload: Uint8Array): boolean {
    const known = this.#kinds[kind];
    const limit = LIMITS[kind];
    if (payload.length > limit.bytes) return false;
    if (payload.length === 0) {
      known.delete(name);
      return true;
    }
    if (!known.has(name) && known.size >= limit.names) return false;
    known.set(name, payload);
    return true;
  }

  messages(kinds: readonly MemoryKind[] = ['enrolment', 'checkpoint', 'receipt']): readonly RetainedMessage[] {
    return kinds.flatMap((kind) => [...this.#kinds[kind]].map(([name, payload]) => ({ name, payload })));
  }

  clear(): void {
    for (const known of Object.values(this.#kinds)) known.clear();
  }
}
