/**
 * NMEA 0183 sentences: checksum, talker, fields; and of RMC and GGA what they say of the position.
 *
 * Integers only: a position is held in millionths of a degree. Written here and not taken from a package: those for Node
 * parse forty kinds of sentences into floats, give 0 for fields that are empty, and go on after a bad checksum or throw;
 * on a line that may say anything at any time, refusing is the larger part of the work. Tests compare both.
 */

import { accept, type Result, refuse } from '../../../base/result.ts';
import { readTime } from '../../../base/wall-time.ts';

/** The standard ends sentences at 82 characters; receivers with many decimals exceed it. */
export const SENTENCE_BYTES_MAX = 128;

const SENTENCE = /^\$([A-Z]{2})([A-Z]{3})((?:,[\x20-\x23\x25-\x29\x2b\x2d-\x7e]*)+)\*([0-9A-F]{2})$/i;
const PROPRIETARY = /^\$(P)([A-Z0-9]{1,8})((?:,[\x20-\x23\x25-\x29\x2b\x2d-\x7e]*)*)\*([0-9A-F]{2})$/i;
const TIME = /^([01]\d|2[0-3])([0-5]\d)([0-5]\d)(?:\.(\d{1,6}))?$/;
const DATE = /^(0[1-9]|[12]\d|3[01])(0[1-9]|1[0-2])(\d\d)$/;
const ANGLE = /^(\d{2,3})([0-5]\d)(?:\.(\d{1,10}))?$/;
const DECIMAL = /^(\d{1,4})(?:\.(\d{1,4}))?$/;
/** Metres for a dilution of precision of 1, generously: receivers of this century do better. */
const METRES_PER_HDOP = 5;
const DECIMETRES_MAX = 1_000_000;

export interface Sentence {
  readonly talker: string;
  /** `RMC`, `GGA`, ...; of a proprietary one all after the P. */
  readonly type: string;
  readonly fields: readonly string[];
}

export function sentenceChecksum(text: string): number {
  let sum = 0;
  for (let at = 0; at < text.length; at += 1) sum ^= text.charCodeAt(at);
  return sum;
}

/** `line` without its ending. A sentence without a checksum is no sentence here. */
export function parseSentence(line: string): Result<Sentence, 'shape' | 'checksum'> {
  const match = SENTENCE.exec(line) ?? PROPRIETARY.exec(line);
  if (match === null) return refuse('shape', 'expected $, five letters, fields, * and two hex digits');
  const [, talker = '', type = '', fields = '', found = ''] = match;
  const expected = sentenceChecksum(line.slice(1, -3));
  if (Number.parseInt(found, 16) !== expected) {
    return refuse('checksum', `expected checksum ${hex2(expected)}, found ${found.toUpperCase()}`);
  }
  return accept({ talker, type, fields: fields.split(',').slice(1) });
}

export interface Fix {
  /** Millionths of a degree. */
  readonly latitude: number;
  readonly longitude: number;
}

/** What one sentence says of one moment. `fix` is absent when the receiver claims no fix of its own. */
export interface PositionSaid {
  readonly type: 'RMC' | 'GGA';
  /** Time of day as sent; empty when the receiver does not know it. */
  readonly time: string;
  readonly fix?: Fix;
  readonly wallMs?: number;
  readonly accuracyM?: number;
}

/** Undefined for other sentences, and for those of these two whose fields do not stand as the standard says. */
export function positionIn({ type, fields }: Sentence): PositionSaid | undefined {
  if (type === 'RMC') return readRmc(fields);
  return type === 'GGA' ? readGga(fields) : undefined;
}

function readRmc(fields: readonly string[]): PositionSaid | undefined {
  const [time = '', status, latitude, northSouth, longitude, eastWest, , , date = ''] = fields;
  const mode = fields[11];
  if (fields.length < 9 || (status !== 'A' && status !== 'V') || (time !== '' && !TIME.test(time))) return undefined;
  const base = { type: 'RMC', time } as const;
  // Estimated, manual, simulated, invalid: not measured here and now.
  const isMeasured = mode === undefined || mode === '' || 'ADFRP'.includes(mode);
  if (status === 'V' || !isMeasured) return base;
  const fix = fixOf(latitude, northSouth, longitude, eastWest);
  if (fix === undefined || time === '') return undefined;
  const wallMs = wallOf(date, time);
  return wallMs === undefined ? { ...base, fix } : { ...base, fix, wallMs };
}

function readGga(fields: readonly string[]): PositionSaid | undefined {
  const [time = '', latitude, northSouth, longitude, eastWest, quality = '', , dilution = ''] = fields;
  if (fields.length < 14 || !/^[0-8]$/.test(quality) || (time !== '' && !TIME.test(time))) return undefined;
  const base = { type: 'GGA', time } as const;
  // 0 no fix, 6 estimated, 7 manual, 8 simulated.
  if (!'12345'.includes(quality)) return base;
  const fix = fixOf(latitude, northSouth, longitude, eastWest);
  if (fix === undefined || time === '') return undefined;
  const accuracyM = accuracyOf(dilution);
  return accuracyM === undefined ? { ...base, fix } : { ...base, fix, accuracyM };
}

function fixOf(lat = '', northSouth = '', lon = '', eastWest = ''): Fix | undefined {
  const latitude = microdegrees(lat, 2, 90);
  const longitude = microdegrees(lon, 3, 180);
  const isNamed = (northSouth === 'N' || northSouth === 'S') && (eastWest === 'E' || eastWest === 'W');
  if (latitude === undefined || longitude === undefined || !isNamed) return undefined;
  return { latitude: signed(latitude, northSouth === 'S'), longitude: signed(longitude, eastWest === 'W') };
}

function signed(value: number, negative: boolean): number {
  return negative && value !== 0 ? -value : value;
}

/** Degrees and minutes run together, `ddmm.mmmm`; a minute is 16,666.6 millionths of a degree. */
function microdegrees(text: string, degreeDigits: number, degreesMax: number): number | undefined {
  const match = ANGLE.exec(text);
  if (match === null || match[1]?.length !== degreeDigits) return undefined;
  const [, degrees = '', minutes = '', fraction = ''] = match;
  const microminutes = Number(minutes) * 1_000_000 + Number(fraction.slice(0, 6).padEnd(6, '0'));
  const value = Number(degrees) * 1_000_000 + Math.round(microminutes / 60);
  return value > degreesMax * 1_000_000 ? undefined : value;
}

function accuracyOf(dilution: string): number | undefined {
  const match = DECIMAL.exec(dilution);
  if (match === null) return undefined;
  const tenths = Number(match[1]) * 10 + Number((match[2] ?? '').padEnd(1, '0').slice(0, 1));
  // Receivers without a fix say 99.99.
  return Math.min(Math.ceil((tenths * METRES_PER_HDOP) / 10), DECIMETRES_MAX / 10);
}

/** Two digits of the year: GPS is younger than 1980. */
function wallOf(date: string, time: string): number | undefined {
  const day = DATE.exec(date);
  const clock = TIME.exec(time);
  if (day === null || clock === null) return undefined;
  const year = Number(day[3]) + (Number(day[3]) >= 80 ? 1_900 : 2_000);
  const millis = (clock[4] ?? '').slice(0, 3).padEnd(3, '0');
  const [, hours, minutes, seconds] = clock;
  // A day that no calendar has is no day, and not one of the next month.
  return readTime(`${year}-${day[2]}-${day[1]}T${hours}:${minutes}:${seconds}.${millis}Z`);
}

function hex2(value: number): string {
  return value.toString(16).padStart(2, '0').toUpperCase();
}
