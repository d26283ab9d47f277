/** Settings of a device that speaks the open wire (firmware-protocol/PROTOCOL.md). */
import { z } from 'zod';
import { deviceName } from '../device-name.ts';

export const LATCHKEY = 'latchkey';
export const LATCHKEY_BAUD = 115_200;

export const latchkeySettings = z.strictObject({
  driver: z.literal(LATCHKEY),
  name: deviceName,
  address: z.int().min(1).max(247).default(1),
  /** Doors of a controller; 0 for a scanner, a keypad or a sensor. What the device says must be the same. */
  channels: z.int().min(0).max(64).default(0),
  /** Identity and keys of the device, mode 0600: `latchkey pair` makes it. */
  key_file: z.string().min(1).max(4_096),
  /** SHA-256 of the firmware that it may run. Any, when the list is empty: what runs then stands in `device.found`. */
  firmware: z
    .array(z.string().regex(/^[0-9a-f]{64}$/, '64 lowercase hex digits, the SHA-256 of a firmware'))
    .max(32)
    .default([]),
  what: z.enum(['board', 'scanner', 'scale', 'sensor', 'reader']).default('board'),
  /** Equal scans within this time of the one reported are counted, not reported. */
  debounce_ms: z.int().min(0).max(60_000).default(5_000),
});

export type LatchkeySettings = z.infer<typeof latchkeySettings>;
