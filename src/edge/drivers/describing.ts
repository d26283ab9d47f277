/**
 * What the describers of all families have in common: refusals that say what was expected and found, and bits as locks.
 */
import { refuse } from '../../base/result.ts';
import type { Described, DescribedLock, FrameFlaw } from './frame-description.ts';

export type FrameRefused = Extract<Described, { readonly ok: false }>;

export function badLength(what: string, expected: string, found: number): FrameRefused {
  return refuse<FrameFlaw>('length', `expected ${expected} bytes for ${what}, found ${found}`);
}

export function badCheck(name: string, expected: string, found: string): FrameRefused {
  return refuse<FrameFlaw>('checksum', `expected ${name} ${expected}, found ${found}`);
}

export function badShape(detail: string): FrameRefused {
  return refuse<FrameFlaw>('shape', detail);
}

export function hexByte(value: number | undefined): string {
  return value === undefined ? 'nothing' : value.toString(16).toUpperCase().padStart(2, '0');
}

/** Bit 0 of the first byte is lock 1. */
export function bitAt(bytes: Uint8Array, index: number): 0 | 1 {
  return (((bytes[index >> 3] ?? 0) >> (index & 7)) & 1) === 1 ? 1 : 0;
}

/** One lock per bit of `feedback`, lowest first. */
export function locksOf(feedback: Uint8Array, items?: Uint8Array): readonly DescribedLock[] {
  return Array.from({ length: feedback.length * 8 }, (_, index) => {
    const lock = { lock: index + 1, feedback: bitAt(feedback, index) };
    return items === undefined ? lock : { ...lock, item: bitAt(items, index) };
  });
}
