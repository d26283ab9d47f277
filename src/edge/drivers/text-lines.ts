/** Cuts lines of printable ASCII that end in CR LF or LF: scales and position receivers speak so. */
import { FrameCutter, type Look } from './frame-cutter.ts';

const LF = 0x0a;
const CR = 0x0d;

/** A line with its ending is at most `lineBytesMax` long; whatever holds other bytes is skipped one byte after the other. */
export function textLineCutter(lineBytesMax: number): FrameCutter {
  return new FrameCutter((window, last) => lookAtLine(window, last, lineBytesMax), lineBytesMax);
}

/** The line without its ending. */
export function lineText(frame: Uint8Array): string {
  const end = frame[frame.length - 2] === CR ? frame.length - 2 : frame.length - 1;
  return String.fromCharCode(...frame.subarray(0, end));
}

function lookAtLine(window: Uint8Array, last: boolean, lineBytesMax: number): Look {
  for (let at = 0; at < window.length; at += 1) {
    const byte = window[at] ?? 0;
    if (byte === LF) return at === 0 ? { kind: 'skip', reason: 'noise' } : { kind: 'frame', sizeBytes: at + 1 };
    const isCrBeforeLf = byte === CR && at > 0 && (at + 1 === window.length ? !last : window[at + 1] === LF);
    if (!isCrBeforeLf && (byte < 0x20 || byte > 0x7e)) return { kind: 'skip', reason: 'noise' };
  }
  if (last) return { kind: 'skip', reason: 'length' };
  return window.length < lineBytesMax ? { kind: 'more' } : { kind: 'skip', reason: 'noise' };
}
