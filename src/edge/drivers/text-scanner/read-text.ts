/**
 * What one text of a scanner is: a code, a heartbeat, or noise. Pure.
 *
 * What may be two scans, or part of one, is never guessed at: it is handed on as quarantined, whole, and names nothing.
 */
import { equalBytes, utf8, utf8Text } from '../../../base/bytes.ts';
import type { ScanReading } from '../../contracts/reading.ts';
import type { TextFraming } from './settings.ts';
import type { TextCut } from './text-cutter.ts';

type Quarantine = NonNullable<ScanReading['quarantined']>;

export type ReadText =
  | {
      readonly kind: 'scan';
      /** Without prefix, AIM identifier and suffix. */
      readonly raw: Uint8Array;
      readonly aim?: string;
      readonly quarantined?: Quarantine;
      /** Bytes before the prefix. */
      readonly noiseBytes: number;
    }
  | { readonly kind: 'heartbeat' }
  | { readonly kind: 'noise'; readonly noiseBytes: number };

/** FS, GS, RS, US separate parts of a code, EOT ends ISO 15434 envelopes; CR, LF and TAB stand in multi-line ones. */
const CONTROLS_IN_CODES: ReadonlySet<number> = new Set([0x04, 0x09, 0x0a, 0x0d, 0x1c, 0x1d, 0x1e, 0x1f]);
const AIM_BYTES = 3;

export function readText(cut: Exclude<TextCut, { kind: 'skipped' }>, framing: TextFraming): ReadText {
  const { prefix } = framing;
  if (isOneOf(cut.bytes, framing.heartbeats)) return { kind: 'heartbeat' };
  const start = prefix.length === 0 ? 0 : indexOf(cut.bytes, prefix, 0);
  const body = start === -1 ? cut.bytes : cut.bytes.subarray(start + prefix.length);
  const noiseBytes = Math.max(0, start);
  if (!framing.binary && body.some((byte) => isStrangeControl(byte) && !prefix.includes(byte)))
    return { kind: 'noise', noiseBytes: cut.bytes.length };
  if (isOneOf(body, framing.heartbeats)) return { kind: 'heartbeat' };
  if (isOneOf(body, framing.noRead)) return { kind: 'scan', raw: body.slice(), quarantined: 'no_read', noiseBytes };
  const identified = framing.aim && isAim(body, 0);
  const aim = identified ? utf8Text(body.subarray(0, AIM_BYTES)) : undefined;
  const raw = identified ? body.slice(AIM_BYTES) : body.slice();
  if (raw.length < framing.lengthMin && !isOneOf(raw, framing.noRead)) {
    return { kind: 'noise', noiseBytes: cut.bytes.length };
  }
  const quarantined = quarantine(cut, framing, { raw, whole: start !== -1 && (identified || !framing.aim) });
  return {
    kind: 'scan',
    raw,
    noiseBytes,
    ...(aim === undefined ? {} : { aim }),
    ...(quarantined === undefined ? {} : { quarantined }),
  };
}

function quarantine(
  cut: Exclude<TextCut, { kind: 'skipped' }>,
  framing: TextFraming,
  text: { readonly raw: Uint8Array; readonly whole: boolean },
): Quarantine | undefined {
  if (cut.kind === 'too_long') return 'too_long';
  if (isGlued(text.raw, framing)) return 'glued';
  if (isOneOf(text.raw, framing.noRead)) return 'no_read';
  if (!text.whole || (cut.ended === 'silence' && framing.suffix.length > 0)) return 'incomplete';
  return undefined;
}

/** A second beginning inside: a lost suffix joined two scans. A code may hold such characters too, and then waits for a person. */
function isGlued(raw: Uint8Array, framing: TextFraming): boolean {
  if (framing.prefix.length > 0 && indexOf(raw, framing.prefix, 0) !== -1) return true;
  if (!framing.aim) return false;
  for (let at = 0; at + AIM_BYTES <= raw.length; at += 1) if (isAim(raw, at)) return true;
  return false;
}

/** `]cm`: a bracket, a letter for the symbology, a digit or letter for its options (ISO/IEC 15424). */
function isAim(bytes: Uint8Array, at: number): boolean {
  if (bytes[at] !== 0x5d || bytes.length < at + AIM_BYTES) return false;
  const [code, modifier] = [bytes[at + 1] ?? 0, bytes[at + 2] ?? 0];
  return isLetter(code) && (isLetter(modifier) || (modifier >= 0x30 && modifier <= 0x39));
}

function isLetter(byte: number): boolean {
  return (byte >= 0x41 && byte <= 0x5a) || (byte >= 0x61 && byte <= 0x7a);
}

function isStrangeControl(byte: number): boolean {
  return (byte < 0x20 && !CONTROLS_IN_CODES.has(byte)) || byte === 0x7f;
}

function isOneOf(bytes: Uint8Array, literals: readonly string[]): boolean {
  return literals.some((literal) => equalBytes(bytes, utf8(literal)));
}

function indexOf(bytes: Uint8Array, part: Uint8Array, from: number): number {
  for (let at = from; at + part.length <= bytes.length; at += 1) {
    if (equalBytes(bytes.subarray(at, at + part.length), part)) return at;
  }
  return -1;
}
