/**
 * What the common makes of scanners add to plain text: the question who they are, and what they say when nothing was read.
 *
 * Questions only read: none of them stores a setting. They are sent when `identify` says so, since a scanner of another
 * make may take them for something else. What is unsure in the sources is said in README.md.
 */
import { concatBytes, utf8, utf8Text } from '../../../base/bytes.ts';
import { recogniseCode } from '../../../evidence/event/recognise-code.ts';

const SOH = 0x01;
const STX = 0x02;
const ETX = 0x03;
const EOT = 0x04;
const ENQ = 0x05;
const ACK = 0x06;
const CR = 0x0d;
const NAK = 0x15;
const SYN = 0x16;
const ESC = 0x1b;
const SPACE = 0x20;

/** Longest answer that is waited for; REVINF gives some 300 bytes. */
const ANSWER_BYTES_MAX = 1_024;

export type MakeName = 'honeywell' | 'datalogic' | 'newland' | 'opticon' | 'zebra';

export type IdentityCut =
  | { readonly kind: 'identity'; readonly text: string | undefined; readonly sizeBytes: number }
  | { readonly kind: 'more' }
  /** No answer of this make begins so. */
  | { readonly kind: 'other' };

export interface Make {
  readonly noRead: readonly string[];
  /** Absent where plain text mode knows no question. */
  readonly query?: Uint8Array;
  /** The answer at the beginning of `bytes`. */
  readonly cut?: (bytes: Uint8Array) => IdentityCut;
}

export const MAKES: Readonly<Record<MakeName, Make>> = {
  /** Menu command REVINF; the answer ends in the command's name, a status byte and the punctuation mark. */
  honeywell: {
    noRead: ['NR'],
    query: concatBytes(Uint8Array.of(SYN, 0x4d, CR), utf8('REVINF.')),
    cut: (bytes) => {
      const end = bytes.findIndex(
        (byte, i) => (byte === ACK || byte === ENQ || byte === NAK) && (bytes[i + 1] === 0x2e || bytes[i + 1] === 0x21),
      );
      if (end === -1) return { kind: 'more' };
      const text = bytes[end] === ACK ? textOf(bytes.subarray(0, end))?.replace(/REVINF$/, '') : undefined;
      return { kind: 'identity', text, sizeBytes: end + 2 };
    },
  },
  /** `i`: SOH STX ... ETX EOT. */
  datalogic: {
    noRead: [],
    query: utf8('i'),
    cut: (bytes) => {
      if (!begins(bytes, [SOH, STX])) return { kind: 'other' };
      return endedBy(bytes, 2, [ETX, EOT]);
    },
  },
  /** QRYSYS with the storage mark that does not store: STX SOH 0000 # QRYSYS ... ACK ; ETX. */
  newland: {
    noRead: ['NG'],
    query: concatBytes(Uint8Array.of(0x7e, SOH), utf8('0000#QRYSYS;'), Uint8Array.of(ETX)),
    cut: (bytes) => {
      if (!begins(bytes, [STX, SOH])) return { kind: 'other' };
      const found = endedBy(bytes, 2, [0x3b, ETX]);
      if (found.kind !== 'identity') return found;
      const isSound = bytes[found.sizeBytes - 3] === ACK;
      const text = isSound ? found.text?.replace(/^0000[@#]QRYSYS/, '') : undefined;
      return { kind: 'identity', text, sizeBytes: found.sizeBytes };
    },
  },
  /** Z1: the software version, then CR. */
  opticon: {
    noRead: [],
    query: Uint8Array.of(ESC, 0x5a, 0x31, CR),
    cut: (bytes) => {
      const found = endedBy(bytes, 0, [CR]);
      if (found.kind !== 'identity' || found.text === undefined) return found;
      // A label that was held before it just then is no version.
      const isCode = recogniseCode(utf8(found.text)).identifiers.length > 0 || found.text.length > 16;
      return isCode ? { kind: 'other' } : found;
    },
  },
  /** In plain text mode it takes no questions; `ssi_scanner` asks for the revision. */
  zebra: { noRead: ['NR'] },
};

/** What `bytes` begin with, as an answer of this make. Never waits for more than an answer can be long. */
export function identityIn(make: Make, bytes: Uint8Array): IdentityCut {
  const found = make.cut?.(bytes) ?? { kind: 'other' };
  return found.kind === 'more' && bytes.length >= ANSWER_BYTES_MAX ? { kind: 'other' } : found;
}

function begins(bytes: Uint8Array, expected: readonly number[]): boolean {
  return expected.every((byte, i) => i >= bytes.length || bytes[i] === byte);
}

function endedBy(bytes: Uint8Array, start: number, ending: readonly number[]): IdentityCut {
  for (let at = start; at + ending.length <= bytes.length; at += 1) {
    if (!ending.every((byte, i) => bytes[at + i] === byte)) continue;
    return { kind: 'identity', text: textOf(bytes.subarray(start, at)), sizeBytes: at + ending.length };
  }
  return { kind: 'more' };
}

/** Lines run together: an identity is one line. */
function textOf(bytes: Uint8Array): string | undefined {
  return utf8Text(bytes.map((byte) => Math.max(byte, SPACE)))?.trim();
}
