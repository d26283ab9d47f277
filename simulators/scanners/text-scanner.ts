/**
 * A barcode scanner in plain text mode: prefix, AIM identifier if switched on, data, suffix. On USB it is the same
 * protocol over CDC-ACM.
 */
import { concatBytes, utf8 } from '../../src/base/bytes.ts';
import type { Emission } from '../faults/plan.ts';
import type { Label } from './codes.ts';

export interface ScannerSettings {
  readonly name: string;
  readonly prefix: string;
  readonly suffix: string;
  /** Sends the AIM symbology identifier before the data. */
  readonly aim: boolean;
  /** What it sends when the trigger was pulled and nothing was read; undefined sends nothing. */
  readonly noRead?: string;
}

export function scanEmission(scanner: ScannerSettings, label: Label): Emission {
  const aim = scanner.aim ? label.aim : '';
  return framed(scanner, concatBytes(utf8(aim), label.bytes ?? utf8(label.text)));
}

/** The trigger was pulled in vain. */
export function noReadEmission(scanner: ScannerSettings): Emission | undefined {
  return scanner.noRead === undefined ? undefined : framed(scanner, utf8(scanner.noRead));
}

function framed(scanner: ScannerSettings, data: Uint8Array): Emission {
  const suffix = utf8(scanner.suffix);
  return { what: 'scan', bytes: concatBytes(utf8(scanner.prefix), data, suffix), suffixBytes: suffix.length };
}
