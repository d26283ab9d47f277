/**
 * The words with which a site is played: the same lines stand in a site file and are typed at `latchkey simulate`.
 *
 *     scan desk sscc 12      open A01      put A01      shut A01      take A01      wait 500
 *     unplug bus-a           plug bus-a    pretend A01 item           scan desk no-read
 *     power bus-a off        fail A01 door mend A01                   fault bus-a noise        spoof bus-a doors
 */
import { unhex } from '../../src/base/bytes.ts';
import { accept, type Result, refuse } from '../../src/base/result.ts';
import { SENSORS, type Sensor } from '../boards/bank.ts';
import { LINE_FAULTS, type LineFault } from '../faults/kinds.ts';
import { code128, gs1128, gtin, type Label, qr, s10, sscc, ssccLabel, ups } from '../scanners/codes.ts';

export type Step =
  | { readonly do: 'open' | 'shut' | 'put' | 'take' | 'mend'; readonly compartment: string }
  | { readonly do: 'fail'; readonly compartment: string; readonly sensor: Sensor }
  | { readonly do: 'pretend'; readonly compartment: string; readonly item: boolean }
  /** No label: the trigger was pulled in vain. */
  | { readonly do: 'scan'; readonly scanner: string; readonly label?: Label }
  | { readonly do: 'type'; readonly keypad: string; readonly keys: string }
  | { readonly do: 'weigh'; readonly scale: string; readonly grams: number }
  /** Degrees; without them the receiver has no fix. */
  | { readonly do: 'move'; readonly receiver: string; readonly to?: { readonly lat: number; readonly lon: number } }
  | { readonly do: 'plug' | 'unplug'; readonly line: string }
  | { readonly do: 'power'; readonly line: string; readonly on: boolean }
  | { readonly do: 'fault'; readonly line: string; readonly kind: LineFault }
  /** Without bytes: an answer that says that every door is open. */
  | { readonly do: 'spoof'; readonly line: string; readonly bytes?: Uint8Array }
  | { readonly do: 'wait'; readonly waitMs: number };

const WAIT_MS_MAX = 3_600_000;
/** Frames of lock boards are shorter. */
export const SPOOF_BYTES_MAX = 256;
const SERIAL_MAX = 9_999_999;

export const STEP_HELP =
  'open|shut|put|take|mend NAME, fail NAME door|item, scan SCANNER LABEL, type KEYPAD KEYS, weigh SCALE GRAMS, move RECEIVER LAT LON|nowhere, pretend NAME item|empty, plug|unplug LINE, power LINE on|off, fault LINE KIND, spoof LINE doors|HEX, wait MS';
export const LABEL_HELP = 'sscc N, gtin N, s10 N, ups N, gs1 DATA, code128 DATA, qr DATA or no-read';

export function parseStep(text: string): Result<Step, 'step'> {
  const [verb, first, second, ...rest] = text.trim().split(/ +/);
  if (first === undefined) return refuse('step', `expected ${STEP_HELP}`);
  switch (verb) {
    case 'open':
    case 'shut':
    case 'put':
    case 'take':
    case 'mend':
      return accept({ do: verb, compartment: first });
    case 'plug':
    case 'unplug':
      return accept({ do: verb, line: first });
    case 'pretend':
      if (second !== 'item' && second !== 'empty') return refuse('step', 'expected "pretend NAME item" or "empty"');
      return accept({ do: 'pretend', compartment: first, item: second === 'item' });
    case 'type':
      if (second === undefined) return refuse('step', 'expected "type KEYPAD KEYS"');
      return accept({ do: 'type', keypad: first, keys: second });
    case 'weigh':
      return parseWeigh(first, second);
    case 'move':
      return parseMove(first, second, rest[0]);
    case 'power':
      if (second !== 'on' && second !== 'off') return refuse('step', 'expected "power LINE on" or "off"');
      return accept({ do: 'power', line: first, on: second === 'on' });
    case 'fail':
      return parseOneOf(SENSORS, second, (sensor) => ({ do: 'fail', compartment: first, sensor }));
    case 'fault':
      return parseOneOf(LINE_FAULTS, second, (kind) => ({ do: 'fault', line: first, kind }));
    case 'spoof':
      return parseSpoof(first, [second, ...rest].join(''));
    case 'wait':
      return parseWait(first);
    case 'scan':
      return parseScan(first, second, rest.join(' '));
    default:
      return refuse('step', `expected ${STEP_HELP}`);
  }
}

function parseOneOf<T extends string>(words: readonly T[], text: string | undefined, step: (word: T) => Step) {
  const word = words.find((each) => each === text);
  return word === undefined ? refuse('step', `expected one of ${words.join(', ')}`) : accept(step(word));
}

function parseSpoof(line: string, text: string): Result<Step, 'step'> {
  if (text === 'doors') return accept({ do: 'spoof', line });
  const bytes = text.length > 2 * SPOOF_BYTES_MAX ? undefined : unhex(text.toLowerCase());
  if (bytes !== undefined && bytes.length > 0) return accept({ do: 'spoof', line, bytes });
  return refuse('step', `expected "spoof LINE doors", or at most ${SPOOF_BYTES_MAX} bytes in hex`);
}

function parseWeigh(scale: string, text = ''): Result<Step, 'step'> {
  if (!/^-?\d{1,6}$/.test(text)) return refuse('step', 'expected "weigh SCALE" and whole grams');
  return accept({ do: 'weigh', scale, grams: Number(text) });
}

function parseMove(receiver: string, latitude = '', longitude = ''): Result<Step, 'step'> {
  if (latitude === 'nowhere') return accept({ do: 'move', receiver });
  const [lat, lon] = [Number(latitude), Number(longitude)];
  const isPlace = latitude !== '' && longitude !== '' && Math.abs(lat) <= 90 && Math.abs(lon) <= 180;
  if (!isPlace) return refuse('step', 'expected "move RECEIVER LAT LON" in degrees, or "move RECEIVER nowhere"');
  return accept({ do: 'move', receiver, to: { lat, lon } });
}

function parseWait(text: string): Result<Step, 'step'> {
  const waitMs = Number(text);
  if (!/^\d{1,9}$/.test(text) || waitMs > WAIT_MS_MAX) return refuse('step', `expected at most ${WAIT_MS_MAX} ms`);
  return accept({ do: 'wait', waitMs });
}

function parseScan(scanner: string, kind: string | undefined, data: string): Result<Step, 'step'> {
  if (kind === 'no-read') return accept({ do: 'scan', scanner });
  const label = labelOf(kind ?? '', data);
  return label === undefined
    ? refuse('step', `expected "scan SCANNER" and ${LABEL_HELP}`)
    : accept({ do: 'scan', scanner, label });
}

/** Labels made from a serial number are always valid: their check digits are computed. */
export function labelOf(kind: string, data: string): Label | undefined {
  if (data === '') return undefined;
  if (kind === 'code128') return code128(data);
  if (kind === 'qr') return qr(data);
  if (kind === 'gs1') return gs1128({ ai: '', value: data });
  const serial = Number(data);
  if (!/^\d{1,7}$/.test(data) || serial > SERIAL_MAX) return undefined;
  if (kind === 'sscc') return ssccLabel(sscc(serial));
  if (kind === 'gtin') return gs1128({ ai: '01', value: gtin(serial % 1_000_000) });
  if (kind === 's10') return code128(s10(serial));
  return kind === 'ups' ? code128(ups(serial)) : undefined;
}
