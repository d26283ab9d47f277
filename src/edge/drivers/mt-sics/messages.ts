/**
 * Messages of the Mettler-Toledo Standard Interface Command Set: lines of ASCII, an identifier, a status, a value.
 *
 * There is no checksum. A line is taken whole or not at all, and custody takes no weight from one line alone.
 */
import { gramsOf } from '../grams.ts';

export const LINE_BYTES_MAX = 80;

export type SicsMessage =
  | { readonly kind: 'weight'; readonly state: 'stable' | 'moving'; readonly value: string; readonly unit: string }
  | { readonly kind: 'no_value'; readonly state: 'busy' | 'over' | 'under' }
  /** Answer to I4: the serial number. I0 to I3: levels, versions, model. */
  | { readonly kind: 'identity'; readonly command: string; readonly text: string }
  /** ES syntax, ET transmission, EL logical: the scale did not understand. */
  | { readonly kind: 'error'; readonly word: 'ES' | 'ET' | 'EL' }
  /** A command, as the host sends it: on a line that is heard, its echo. */
  | { readonly kind: 'command'; readonly word: string }
  | { readonly kind: 'other' };

const WEIGHT = /^S ([SD]) +([+-]? *\d{1,10}(?:\.\d{0,6})?) +([A-Za-z%]{1,5})$/;
const NO_VALUE = /^S ([I+-])$/;
const IDENTITY = /^(I[0-4]) A (?:\d+ )?"([^"]{1,60})"$/;
const COMMAND = /^(S|SI|SIR|SR|Z|ZI|T|TI|@|I[0-4])(?: +[0-9.]+ +[a-z]+)?$/;
const NO_VALUE_STATES = { I: 'busy', '+': 'over', '-': 'under' } as const;

export function parseSics(line: string): SicsMessage {
  const weight = WEIGHT.exec(line);
  if (weight !== null) {
    const [, status, value = '', unit = ''] = weight;
    return { kind: 'weight', state: status === 'S' ? 'stable' : 'moving', value, unit };
  }
  const none = NO_VALUE.exec(line)?.[1] as keyof typeof NO_VALUE_STATES | undefined;
  if (none !== undefined) return { kind: 'no_value', state: NO_VALUE_STATES[none] };
  const identity = IDENTITY.exec(line);
  if (identity !== null) return { kind: 'identity', command: identity[1] ?? '', text: identity[2] ?? '' };
  if (line === 'ES' || line === 'ET' || line === 'EL') return { kind: 'error', word: line };
  const command = COMMAND.exec(line)?.[1];
  return command === undefined ? { kind: 'other' } : { kind: 'command', word: command };
}

/** Undefined when the unit is none of weight (pieces, per cent) or the number is out of range. */
export function sicsGrams(message: Extract<SicsMessage, { kind: 'weight' }>): number | undefined {
  const grams = gramsOf(message.value, message.unit);
  return grams.ok ? grams.value : undefined;
}
