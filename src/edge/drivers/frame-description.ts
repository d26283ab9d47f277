/**
 * What one captured frame says, for `latchkey decode`, `latchkey probe` and for tests which ask whether a request opens
 * a lock. Describers are pure, read both directions and know no settings: a field is absent where the frame alone does
 * not tell.
 */
import type { Result } from '../../base/result.ts';

/** `length`: too short, too long or cut. `checksum`: another check value than its bytes give. `shape`: no such frame. */
export type FrameFlaw = 'length' | 'checksum' | 'shape';

/**
 * What a frame does to a device. `opens`: a lock or several may move, be held or be released. `sets`: something
 * of the device is changed, for good or for a time (speed, address, reports, a scanner's light). `reads`: neither.
 */
export type FrameEffect = 'reads' | 'opens' | 'sets';

export interface DescribedLock {
  /** Channel as printed on the board, from 1. */
  readonly lock: number;
  /** The bit as on the wire: what it means is commissioned. */
  readonly feedback: 0 | 1;
  readonly item?: 0 | 1;
}

export interface FrameDescription {
  /** `request`: to the device. `reply`: from it, also when nobody asked. `either`: the bytes fit both. */
  readonly direction: 'request' | 'reply' | 'either';
  /** Of a request, and `reads` for every reply. */
  readonly effect: FrameEffect;
  /** Address on the line. */
  readonly board?: number;
  /** Stable words, such as `status`, `unlock`, `set_speed`. */
  readonly command?: string;
  /** Locks that a request names, from 1; absent where it is about all of them or about none. */
  readonly channels?: readonly number[];
  readonly locks?: readonly DescribedLock[];
  readonly registers?: readonly { readonly address?: number; readonly value: number | string }[];
  readonly scan?: { readonly symbology: string; readonly text: string; readonly check_digit_ok?: boolean };
}

/** `detail` says what was expected and what was found, check values in hex. */
export type Described = Result<FrameDescription, FrameFlaw>;

/** `frame` is one whole frame, no more and no less. Never throws. */
export type DescribeFrame = (frame: Uint8Array) => Described;
