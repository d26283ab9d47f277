/** Settings of a scale with Toledo continuous output. */
import { z } from 'zod';
import { deviceName } from '../device-name.ts';

export const TOLEDO_CONTINUOUS = 'toledo_continuous';
export const TOLEDO_BAUD = 9_600;

export const toledoSettings = z.strictObject({
  driver: z.literal(TOLEDO_CONTINUOUS),
  name: deviceName,
  /** The scale sends a checksum. Recommended: nothing else tells a damaged frame. */
  checksum: z.boolean().default(true),
  /** Silence after which the scale is lost; it sends several times a second. */
  silence_ms: z.int().min(500).max(60_000).default(3_000),
  /** How long the line may hold back what the scale sent. */
  latency_ms: z.int().min(0).max(10_000).default(1_000),
  settle_ms: z.int().min(0).max(5_000).default(50),
});

export type ToledoSettings = z.infer<typeof toledoSettings>;
