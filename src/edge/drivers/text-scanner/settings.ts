/**
 * Settings of a scanner in plain text mode. Scanners differ even inside one fleet, so all of it is per device.
 */
import { z } from 'zod';
import { utf8 } from '../../../base/bytes.ts';
import { deviceName } from '../device-name.ts';
import { MAKES } from './makes.ts';

export const TEXT_SCANNER = 'text_scanner';
export const TEXT_SCANNER_BAUD = 9_600;

const SUFFIXES = {
  cr: [0x0d],
  lf: [0x0a],
  crlf: [0x0d, 0x0a],
  tab: [0x09],
  etx: [0x03],
  none: [],
} as const;

export type Suffix = keyof typeof SUFFIXES;

/** A text that the scanner sends by itself, to the letter. */
const literal = z.string().min(1).max(32);

const scannerShape = z.strictObject({
  driver: z.literal(TEXT_SCANNER),
  name: deviceName,
  /** What the scanner puts before each code, for example "\x02". */
  prefix: z.string().max(8).default(''),
  /** What it puts after each code. `cr` also swallows the LF of CR LF, and `lf` its CR. */
  suffix: z.enum(['cr', 'lf', 'crlf', 'tab', 'etx', 'none']).default('cr'),
  /** The scanner sends AIM identifiers (`]C1`). Recommended: only they tell GS1 codes and glued scans for certain. */
  aim: z.boolean().default(false),
  /** Shorter texts are noise. */
  length_min: z.int().min(1).max(32).default(4),
  length_max: z.int().min(8).max(2_048).default(256),
  /** Silence that ends a scan: the rule with suffix `none`, the end of a damaged scan otherwise. */
  idle_gap_ms: z.int().min(10).max(5_000).default(300),
  /** Equal scans within this time of the one reported are counted, not reported. */
  debounce_ms: z.int().min(0).max(60_000).default(5_000),
  /** Texts that say "nothing read". They are reported as such and never name a parcel. */
  no_read: z.array(literal).max(8).default(['NR', 'NOREAD']),
  /** Whose scanner it is: adds what this make says when nothing was read. */
  make: z.enum(['honeywell', 'datalogic', 'newland', 'opticon', 'zebra']).optional(),
  /** Ask the scanner who it is when its port opens; the answer stands in `device.found`. Needs `make`. */
  identify: z.boolean().default(false),
  /** Texts that say "still here". */
  heartbeats: z.array(literal).max(8).default([]),
  /** Codes may hold control bytes (binary QR codes). Otherwise a text with them is noise; GS, RS, FS, US, EOT are not. */
  binary: z.boolean().default(false),
  /** After opening, bytes are discarded so long: they may have waited in a buffer since long ago. */
  settle_ms: z.int().min(0).max(5_000).default(50),
  /** Silence after which the port is opened anew. For scanners that send heartbeats; absent otherwise. */
  reopen_after_s: z.int().min(10).max(86_400).optional(),
});

export const scannerSettings = scannerShape.refine(
  ({ identify, make }) => !identify || (make !== undefined && MAKES[make].query !== undefined),
  {
    path: ['identify'],
    message: 'a make that can be asked in plain text mode: honeywell, datalogic, newland, opticon',
  },
);

export type ScannerSettings = z.infer<typeof scannerSettings>;

/** How this scanner frames its texts. */
export interface TextFraming {
  readonly prefix: Uint8Array;
  readonly suffix: Uint8Array;
  readonly suffixName: Suffix;
  readonly aim: boolean;
  readonly lengthMin: number;
  readonly lengthMax: number;
  readonly noRead: readonly string[];
  readonly heartbeats: readonly string[];
  readonly binary: boolean;
}

export function textFraming(settings: ScannerSettings): TextFraming {
  return {
    prefix: utf8(settings.prefix),
    suffix: Uint8Array.from(SUFFIXES[settings.suffix]),
    suffixName: settings.suffix,
    aim: settings.aim,
    lengthMin: settings.length_min,
    lengthMax: settings.length_max,
    noRead: [...settings.no_read, ...(settings.make === undefined ? [] : MAKES[settings.make].noRead)],
    heartbeats: settings.heartbeats,
    binary: settings.binary,
  };
}
