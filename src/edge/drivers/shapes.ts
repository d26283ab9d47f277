/**
 * Frames whose size does not stand in them once and for all: the sizes that are possible here, tried in order.
 */
import type { Look, SkipReason } from './frame-cutter.ts';

export interface Shape {
  readonly sizeBytes: number;
  /** What keeps these `sizeBytes` bytes from being a sound frame. Pure. */
  flaw(bytes: Uint8Array): Exclude<SkipReason, 'noise'> | undefined;
}

/**
 * The first sound shape. One of which not all bytes are there yet is waited for, so that the answer does not depend on
 * how the bytes came in.
 */
export function firstSound(window: Uint8Array, last: boolean, shapes: readonly Shape[]): Look {
  let reason: SkipReason = 'length';
  for (const shape of shapes) {
    if (window.length < shape.sizeBytes) {
      if (last) continue;
      return { kind: 'more' };
    }
    const flaw = shape.flaw(window.subarray(0, shape.sizeBytes));
    if (flaw === undefined) return { kind: 'frame', sizeBytes: shape.sizeBytes };
    if (flaw === 'checksum') reason = flaw;
  }
  return { kind: 'skip', reason };
}
