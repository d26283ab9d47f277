/**
 * Frames of Toledo continuous output: STX, three status words, six digits of weight, six of tare, CR, and a checksum that
 * can be switched off at the scale.
 *
 * Makers deviate in the status words. Whatever does not stand where the manuals put it makes the frame no frame.
 */
import { FrameCutter, type Look } from '../frame-cutter.ts';
import { gramsOf } from '../grams.ts';

const STX = 0x02;
const CR = 0x0d;
const BODY_BYTES = 17;
export const FRAME_BYTES_MAX = BODY_BYTES + 1;

const DIGITS = /^ *\d+$/;
/**
 * Digits after the point for the low three bits of status word A. Where it says that zeros follow (0 and 1), sources differ
 * on whether the six digits hold them already: such a weight is none.
 */
const DECIMALS = [undefined, undefined, 0, 1, 2, 3, 4, 5] as const;
/** Low three bits of status word C, where they name a unit other than that of word B. */
const OTHER_UNITS: Readonly<Record<number, string>> = { 1: 'g', 2: 't', 3: 'oz', 4: 'ozt' };

export interface ToledoFrame {
  readonly state: 'stable' | 'moving' | 'over' | 'under' | 'invalid';
  readonly net: boolean;
  /** As shown, with sign and point. */
  readonly value: string;
  readonly unit: string;
  readonly tare: string;
}

export type ToledoFlaw = 'length' | 'checksum' | 'shape';

export function toledoCutter(hasChecksum: boolean): FrameCutter {
  const sizeBytes = hasChecksum ? FRAME_BYTES_MAX : BODY_BYTES;
  return new FrameCutter((window, last) => lookAt(window, last, sizeBytes), sizeBytes);
}

/** Two's complement of the sum of the low seven bits, over STX to CR; seven bits wide. */
export function toledoChecksum(body: Uint8Array): number {
  let sum = 0;
  for (const byte of body) sum += byte & 0x7f;
  return -sum & 0x7f;
}

/** What is wrong with bytes that should be one whole frame, with or without a checksum. */
export function toledoFlaw(frame: Uint8Array): ToledoFlaw | undefined {
  if (frame.length !== BODY_BYTES && frame.length !== FRAME_BYTES_MAX) return 'length';
  if (frame[0] !== STX || frame[BODY_BYTES - 1] !== CR) return 'shape';
  for (let at = 1; at <= 3; at += 1) if (((frame[at] ?? 0) & 0x60) !== 0x20 && !isPowerUp(frame, at)) return 'shape';
  if (!DIGITS.test(ascii(frame, 4, 10)) || !DIGITS.test(ascii(frame, 10, 16))) return 'shape';
  if (frame.length === BODY_BYTES) return undefined;
  return ((frame[BODY_BYTES] ?? 0) & 0x7f) === toledoChecksum(frame.subarray(0, BODY_BYTES)) ? undefined : 'checksum';
}

/** `frame` has no flaw. */
export function parseToledo(frame: Uint8Array): ToledoFrame {
  const [, a = 0, b = 0, c = 0] = frame;
  const known = DECIMALS[a & 0x07];
  const decimals = known ?? 0;
  const negative = (b & 0x02) !== 0;
  const digits = pointed(ascii(frame, 4, 10).trim(), decimals + ((c & 0x10) === 0 ? 0 : 1));
  const unit = OTHER_UNITS[c & 0x07] ?? ((c & 0x07) === 0 ? ((b & 0x10) === 0 ? 'lb' : 'kg') : '');
  return {
    state: stateOf(b, negative, unit !== '' && known !== undefined),
    net: (b & 0x01) !== 0,
    value: negative ? `-${digits}` : digits,
    unit,
    tare: pointed(ascii(frame, 10, 16).trim(), decimals),
  };
}

export function toledoGrams(frame: ToledoFrame): number | undefined {
  const grams = gramsOf(frame.value, frame.unit);
  return grams.ok ? grams.value : undefined;
}

function stateOf(b: number, negative: boolean, isKnown: boolean): ToledoFrame['state'] {
  if ((b & 0x04) !== 0) return negative ? 'under' : 'over';
  // Not zeroed since it was switched on: what it shows is no weight yet.
  if ((b & 0x40) !== 0 || !isKnown) return 'invalid';
  return (b & 0x08) === 0 ? 'stable' : 'moving';
}

/** Bit 6 is set in status word B alone, until the scale was zeroed after power-up. */
function isPowerUp(frame: Uint8Array, at: number): boolean {
  return at === 2 && ((frame[at] ?? 0) & 0x60) === 0x60;
}

function pointed(digits: string, decimals: number): string {
  if (decimals === 0) return digits;
  const padded = digits.padStart(decimals + 1, '0');
  return `${padded.slice(0, -decimals)}.${padded.slice(-decimals)}`;
}

function ascii(frame: Uint8Array, from: number, to: number): string {
  return String.fromCharCode(...frame.subarray(from, to).map((byte) => byte & 0x7f));
}

function lookAt(window: Uint8Array, last: boolean, sizeBytes: number): Look {
  if (window[0] !== STX) return { kind: 'skip', reason: 'noise' };
  if (window.length < sizeBytes) return last ? { kind: 'skip', reason: 'length' } : { kind: 'more' };
  const flaw = toledoFlaw(window.subarray(0, sizeBytes));
  if (flaw === undefined) return { kind: 'frame', sizeBytes };
  return { kind: 'skip', reason: flaw === 'checksum' ? 'checksum' : 'length' };
}
