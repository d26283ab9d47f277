/**
 * Frames of the open wire (PROTOCOL.md section 2): COBS between two zero bytes, CRC-32, header.
 *
 * Damage is an ordinary result. A receiver needs no clock: what damage leaves behind ends with the first delimiter of the
 * next frame.
 */
import { get32, join, put32 } from './bytes.ts';
import { cobsDecode, cobsEncode } from './cobs.ts';
import { crc32 } from './crc32.ts';

export const BODY_BYTES_MAX = 250;
const CODED_BYTES_MAX = 271;
/** With delimiters. */
export const LINE_BYTES_MAX = 273;
const OPEN_CONTENT_BYTES_MAX = 257;
const SEALED_CONTENT_BYTES_MIN = 19;
const SEALED_CONTENT_BYTES_MAX = 269;
export const TAG_BYTES = 8;

const VERSION_BITS = 0x20;
const DEVICE_BIT = 0x10;
const SEALED_BIT = 0x08;

export const ADDRESS_MAX = 247;
export const ADDRESS_NONE = 254;
export const ADDRESS_ALL = 255;

/** In the order in which they are looked at. */
export type Damage = 'long' | 'cobs' | 'short' | 'crc' | 'version' | 'reserved' | 'address';

interface FrameHead {
  readonly fromDevice: boolean;
  readonly address: number;
}

export interface OpenFrame extends FrameHead {
  readonly sealed: false;
  readonly type: number;
  readonly body: Uint8Array;
}

export interface SealedFrame extends FrameHead {
  readonly sealed: true;
  readonly number: number;
  /** Content bytes 0 to 5: what the tag covers besides the text. */
  readonly head: Uint8Array;
  /** Encrypted type and body. */
  readonly text: Uint8Array;
  readonly tag: Uint8Array;
}

export type Frame = OpenFrame | SealedFrame;

export type Received =
  | { readonly kind: 'frame'; readonly frame: Frame; readonly sizeBytes: number; readonly line: Uint8Array }
  | { readonly kind: 'damaged'; readonly verdict: Damage; readonly sizeBytes: number };

/** The first six bytes of a sealed frame's content. */
export function sealedHead(fromDevice: boolean, address: number, number: number): Uint8Array {
  return join(Uint8Array.of(VERSION_BITS | SEALED_BIT | (fromDevice ? DEVICE_BIT : 0), address), put32(number));
}

export function openContent(fromDevice: boolean, address: number, type: number, body: Uint8Array): Uint8Array {
  return join(Uint8Array.of(VERSION_BITS | (fromDevice ? DEVICE_BIT : 0), address, type), body);
}

/** Content without CRC to the bytes on the line. */
export function lineOf(content: Uint8Array): Uint8Array {
  const coded = cobsEncode(join(content, put32(crc32(content))));
  return join(Uint8Array.of(0), coded, Uint8Array.of(0));
}

/** Coded bytes without delimiters to a frame. */
export function readFrame(coded: Uint8Array): Frame | Damage {
  if (coded.length > CODED_BYTES_MAX) return 'long';
  const content = cobsDecode(coded);
  if (content === undefined) return 'cobs';
  const end = content.length - 4;
  if (end < 3) return 'short';
  if (crc32(content.subarray(0, end)) !== get32(content, end)) return 'crc';
  const [control = 0, address = 0] = content;
  if ((control & 0xe0) !== VERSION_BITS) return 'version';
  if ((control & 7) !== 0) return 'reserved';
  const sealed = (control & SEALED_BIT) !== 0;
  const fromDevice = (control & DEVICE_BIT) !== 0;
  if (!isAddress(address, sealed, fromDevice)) return 'address';
  if (!sealed) {
    if (content.length > OPEN_CONTENT_BYTES_MAX) return 'long';
    return { sealed, fromDevice, address, type: content[2] ?? 0, body: content.slice(3, end) };
  }
  if (content.length < SEALED_CONTENT_BYTES_MIN) return 'short';
  // Content of many zeros codes with one byte more than content without.
  if (content.length > SEALED_CONTENT_BYTES_MAX) return 'long';
  return {
    sealed,
    fromDevice,
    address,
    number: get32(content, 2),
    head: content.slice(0, 6),
    text: content.slice(6, end - TAG_BYTES),
    tag: content.slice(end - TAG_BYTES, end),
  };
}

function isAddress(address: number, sealed: boolean, fromDevice: boolean): boolean {
  if (address === ADDRESS_ALL) return !sealed && !fromDevice;
  if (address === ADDRESS_NONE) return !sealed && fromDevice;
  return address >= 1 && address <= ADDRESS_MAX;
}

export class FrameReceiver {
  readonly #held = new Uint8Array(CODED_BYTES_MAX);
  #size = 0;

  /** Bytes that wait for a delimiter, also those that are too many to be kept. */
  get heldBytes(): number {
    return this.#size;
  }

  push(chunk: Uint8Array): readonly Received[] {
    const received: Received[] = [];
    for (const byte of chunk) {
      if (byte !== 0) {
        if (this.#size < CODED_BYTES_MAX) this.#held[this.#size] = byte;
        this.#size += 1;
      } else if (this.#size > 0) received.push(this.#end());
    }
    return received;
  }

  /** Forgets what is held; how many bytes that were. */
  reset(): number {
    const size = this.#size;
    this.#size = 0;
    return size;
  }

  #end(): Received {
    const sizeBytes = this.reset();
    if (sizeBytes > CODED_BYTES_MAX) return { kind: 'damaged', verdict: 'long', sizeBytes };
    const coded = this.#held.slice(0, sizeBytes);
    const frame = readFrame(coded);
    if (typeof frame === 'string') return { kind: 'damaged', verdict: frame, sizeBytes };
    return { kind: 'frame', frame, sizeBytes, line: join(Uint8Array.of(0), coded, Uint8Array.of(0)) };
  }
}
