/**
 * Reads one line of `chronyc -c tracking` (chrony 3 and 4; documented in chronyc(1), "tracking").
 *
 * Fields: reference id in hex, its name, stratum, reference time, system time offset (s), last offset, RMS offset,
 * frequency, residual frequency, skew, root delay (s), root dispersion (s), update interval, leap status.
 */
import { accept, type Result, refuse } from '../../base/result.ts';
import type { ClockClaim } from '../../evidence/event/event.ts';

const FIELDS = 14;
const SYNCHRONISED: ReadonlySet<string> = new Set(['Normal', 'Insert second', 'Delete second']);
/** 127.127.1.x: the machine's own clock, offered by the `local` directive. It looks synchronised, to nothing. */
const LOCAL_REFERENCE = /^7F7F01/;
/** Reference clocks name themselves in four ASCII letters. */
const SATELLITE_NAMES: ReadonlySet<string> = new Set([
  'GPS',
  'GNSS',
  'GNS',
  'NMEA',
  'PPS',
  'GLO',
  'GAL',
  'GPS0',
  'PPS0',
]);
const ERROR_MS_MAX = 86_400_000;

export function parseTracking(output: string): Result<ClockClaim, 'tracking' | 'unsynchronised'> {
  const fields = output.trim().split(',');
  const [id = '', , stratumText = ''] = fields;
  const leap = fields[FIELDS - 1] ?? '';
  if (fields.length !== FIELDS || !/^[0-9A-F]{8}$/.test(id) || !/^[0-9]{1,2}$/.test(stratumText)) {
    return refuse('tracking', `expected ${FIELDS} fields of chronyc tracking, found ${fields.length}`);
  }
  if (!SYNCHRONISED.has(leap) || Number(stratumText) === 0 || LOCAL_REFERENCE.test(id)) {
    return refuse('unsynchronised', `chrony says ${leap}, reference ${id}`);
  }
  const [offset, delay, dispersion] = [fields[4], fields[10], fields[11]].map((text) => Math.abs(Number(text)));
  const src = Number(stratumText) === 1 && SATELLITE_NAMES.has(referenceName(id)) ? 'gps' : 'ntp';
  // RFC 5905 section 11.2: root distance is half the delay plus the dispersion.
  const errorMs = Math.ceil(((offset ?? 0) + (delay ?? 0) / 2 + (dispersion ?? 0)) * 1_000);
  if (!Number.isFinite(errorMs) || errorMs > ERROR_MS_MAX) return accept({ src });
  return accept({ src, err_ms: errorMs });
}

function referenceName(id: string): string {
  const codes = [0, 2, 4, 6].map((at) => Number.parseInt(id.slice(at, at + 2), 16));
  return String.fromCharCode(...codes.filter((code) => code > 0x20 && code < 0x7f)).toUpperCase();
}
