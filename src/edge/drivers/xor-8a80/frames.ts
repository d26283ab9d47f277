/**
 * Frames of the "8A/80" lock boards: `CMD BOARD CHANNEL PARAM BCC`, and group replies
 * `80 BOARD S.. 33 BCC` with one state byte per eight channels. BCC is the XOR of all bytes before it.
 *
 * Nothing in a frame says how long it is. So a frame that begins with 80 is first tried at the size that the board with
 * that address is configured for, then as a short frame, then at the other group sizes (a board with other channels
 * than configured). The beginning of a group reply can be a valid short frame, even the request itself.
 */
import { FrameCutter, type Look } from '../frame-cutter.ts';
import { firstSound, type Shape } from '../shapes.ts';

export const QUERY = 0x80;
export const SHORT_BYTES = 5;
export const GROUP_MARK = 0x33;
/** Bytes of a group reply beside its states: command, board, mark, BCC. */
export const GROUP_FRAME_BYTES = 4;

/** State bytes that group replies can have: 9 to 16, 17 to 24 and 25 to 32 channels. */
const GROUP_SIZES = [2, 3, 4] as const;
const FRAME_BYTES_MAX = GROUP_FRAME_BYTES + 4;

/** Last byte before BCC in a short frame that begins with 80: a state (00, 11), a query (33), an address query (99). */
const QUERY_PARAMS: ReadonlySet<number> = new Set([0x00, 0x11, 0x33, 0x99]);

/** Frames that begin with something else: unlock (longer with its time), spontaneous, set-up. */
const SHORT: readonly Shape[] = [shapeOf(SHORT_BYTES)];
const OTHERS: ReadonlyMap<number, readonly Shape[]> = new Map([
  [0x81, SHORT],
  [0x82, SHORT],
  [0x8a, [shapeOf(SHORT_BYTES), shapeOf(6)]],
  [0x8d, SHORT],
  [0x90, [shapeOf(6)]],
  [0x9a, SHORT],
  [0x9b, SHORT],
  [0x9d, SHORT],
]);

export function bcc(bytes: Uint8Array): number {
  let value = 0;
  for (const byte of bytes) value ^= byte;
  return value;
}

/** `stateBytesOf` answers for configured boards; other addresses are tried at every size. */
export function xorCutter(stateBytesOf: (address: number) => number | undefined): FrameCutter {
  return new FrameCutter((window, last) => lookAt(window, last, stateBytesOf), FRAME_BYTES_MAX);
}

function lookAt(window: Uint8Array, last: boolean, stateBytesOf: (address: number) => number | undefined): Look {
  const [command = 0, address] = window;
  if (command === QUERY) {
    return address === undefined ? { kind: 'more' } : lookAtQuery(window, last, stateBytesOf(address));
  }
  const shapes = OTHERS.get(command);
  return shapes === undefined ? { kind: 'skip', reason: 'noise' } : firstSound(window, last, shapes);
}

function lookAtQuery(window: Uint8Array, last: boolean, configured: number | undefined): Look {
  const configuredBytes = configured === undefined ? 0 : GROUP_FRAME_BYTES + configured;
  if (window.length < configuredBytes && !last) return { kind: 'more' };
  if (configuredBytes > 0 && isGroup(window, configuredBytes)) return { kind: 'frame', sizeBytes: configuredBytes };
  if (window.length < SHORT_BYTES) return { kind: 'more' };
  if (QUERY_PARAMS.has(window[SHORT_BYTES - 2] ?? 0) && isSound(window, SHORT_BYTES)) {
    return { kind: 'frame', sizeBytes: SHORT_BYTES };
  }
  if (window.length < FRAME_BYTES_MAX && !last) return { kind: 'more' };
  const other = GROUP_SIZES.map((size) => GROUP_FRAME_BYTES + size).find((size) => isGroup(window, size));
  if (other !== undefined) return { kind: 'frame', sizeBytes: other };
  const shaped = configuredBytes > 0 && window[configuredBytes - 2] === GROUP_MARK;
  return { kind: 'skip', reason: shaped ? 'checksum' : 'length' };
}

function isGroup(window: Uint8Array, sizeBytes: number): boolean {
  return window.length >= sizeBytes && window[sizeBytes - 2] === GROUP_MARK && isSound(window, sizeBytes);
}

function shapeOf(sizeBytes: number): Shape {
  return { sizeBytes, flaw: (bytes) => (isSound(bytes, sizeBytes) ? undefined : 'checksum') };
}

function isSound(window: Uint8Array, sizeBytes: number): boolean {
  return window[sizeBytes - 1] === bcc(window.subarray(0, sizeBytes - 1));
}
