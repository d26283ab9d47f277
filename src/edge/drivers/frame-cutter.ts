/**
 * Cuts the bytes of a line into frames.
 *
 * A line loses, repeats and invents bytes, so nothing here throws: what cannot be a frame is reported as skipped, and
 * the search goes on one byte later, since a damaged frame may hide the start of a sound one. How the bytes are cut
 * into chunks changes nothing. Holds less than one frame between calls.
 */
import { concatBytes } from '../../base/bytes.ts';

/**
 * `noise`: no frame begins here. `length`: a frame begins, but is cut short or its parts do not stand where its kind
 * says. `checksum`: it has the shape of a frame, and the wrong check value.
 */
export type SkipReason = 'noise' | 'length' | 'checksum';

export type Cut =
  | { readonly kind: 'frame'; readonly frame: Uint8Array }
  | { readonly kind: 'skipped'; readonly reason: SkipReason; readonly sizeBytes: number };

export type Look =
  | { readonly kind: 'frame'; readonly sizeBytes: number }
  | { readonly kind: 'skip'; readonly reason: SkipReason }
  /** Cannot be decided before more bytes come. Not an answer when `last` was true. */
  | { readonly kind: 'more' };

/**
 * What stands at the beginning of `window`, which is never empty. `last` is true when the line fell silent: nothing will
 * come after the window. The answer must not depend on more than the window's first `frameBytesMax` bytes.
 */
export type LookAt = (window: Uint8Array, last: boolean) => Look;

export class FrameCutter {
  readonly #lookAt: LookAt;
  readonly #frameBytesMax: number;
  #held: Uint8Array = new Uint8Array(0);

  constructor(lookAt: LookAt, frameBytesMax: number) {
    this.#lookAt = lookAt;
    this.#frameBytesMax = frameBytesMax;
  }

  /** Bytes that wait for more. */
  get heldBytes(): number {
    return this.#held.length;
  }

  push(chunk: Uint8Array): readonly Cut[] {
    return this.#cut(this.#held.length === 0 ? chunk : concatBytes(this.#held, chunk), false);
  }

  /** The line fell silent: what waited for more bytes is decided now. */
  flush(): readonly Cut[] {
    return this.#cut(this.#held, true);
  }

  #cut(bytes: Uint8Array, last: boolean): readonly Cut[] {
    const cuts: Cut[] = [];
    let at = 0;
    while (at < bytes.length) {
      const look = this.#lookAt(bytes.subarray(at, at + this.#frameBytesMax), last);
      if (look.kind === 'more' && !last) break;
      if (look.kind === 'frame') {
        cuts.push({ kind: 'frame', frame: bytes.slice(at, at + look.sizeBytes) });
        at += look.sizeBytes;
      } else {
        skip(cuts, look.kind === 'skip' ? look.reason : 'length');
        at += 1;
      }
    }
    this.#held = bytes.slice(at);
    return cuts;
  }
}

/** Neighbours of one reason become one cut, or an hour of noise would be an hour of objects. */
function skip(cuts: Cut[], reason: SkipReason): void {
  const before = cuts.at(-1);
  if (before?.kind === 'skipped' && before.reason === reason) {
    cuts[cuts.length - 1] = { kind: 'skipped', reason, sizeBytes: before.sizeBytes + 1 };
  } else {
    cuts.push({ kind: 'skipped', reason, sizeBytes: 1 });
  }
}
