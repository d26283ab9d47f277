/** Settings of a position receiver that speaks NMEA 0183. What its position means is custody's. */
import { z } from 'zod';
import { deviceName } from '../device-name.ts';

export const NMEA = 'nmea';
export const NMEA_BAUD = 9_600;

export const nmeaSettings = z.strictObject({
  driver: z.literal(NMEA),
  name: deviceName,
  /** Silence after which the receiver is lost; it speaks once a second. */
  silence_ms: z.int().min(1_500).max(600_000).default(10_000),
  settle_ms: z.int().min(0).max(5_000).default(50),
});

export type NmeaSettings = z.infer<typeof nmeaSettings>;
