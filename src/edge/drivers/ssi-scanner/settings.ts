/** Settings of a Zebra/Symbol scanner that speaks SSI. */
import { z } from 'zod';
import { deviceName } from '../device-name.ts';

export const SSI_SCANNER = 'ssi_scanner';
export const SSI_BAUD = 9_600;

export const ssiSettings = z.strictObject({
  driver: z.literal(SSI_SCANNER),
  name: deviceName,
  /** Shorter codes are noise. */
  length_min: z.int().min(1).max(32).default(4),
  /** Longer ones are cut and name nothing. */
  length_max: z.int().min(8).max(8_192).default(2_048),
  /** Silence that ends a damaged packet. */
  idle_gap_ms: z.int().min(10).max(5_000).default(100),
  /** Equal scans within this time of the one reported are counted, not reported. */
  debounce_ms: z.int().min(0).max(60_000).default(5_000),
  /** Texts that say "nothing read". They never name a parcel. */
  no_read: z.array(z.string().min(1).max(32)).max(8).default(['NR', 'NOREAD']),
  /** A scanner that said nothing for so long is asked for its revision; after three questions it is lost. */
  check_s: z.int().min(5).max(86_400).default(60),
  /** After opening, bytes are discarded so long: they may have waited in a buffer since long ago. */
  settle_ms: z.int().min(0).max(5_000).default(50),
});

export type SsiSettings = z.infer<typeof ssiSettings>;
