/**
 * Settings of custody: which channel of which board is which compartment, and what its switch means.
 */
import { z } from 'zod';
import { NAME_PATTERN } from '../../evidence/event/event-fields.ts';
import { sealSettingsSchema } from './seals.ts';

const name = z
  .string()
  .regex(
    new RegExp(`^${NAME_PATTERN}$`),
    'letters, digits, dot, hyphen and underscore, at most 64, fewer than 13 digits',
  );

const compartmentSchema = z.strictObject({
  name: name.describe('as printed on the door; stands in events'),
  device: name.describe('the lock board'),
  channel: z.int().min(1).max(9_999).describe('as printed on the board, from 1'),
  polarity: z
    .enum(['closed_is_1', 'closed_is_0'])
    .exactOptional()
    .describe('what the feedback switch reads when the door is shut, as commissioned; without it nothing is claimed'),
  item_sensor: z.boolean().default(false).describe('the board has an item sensor for this compartment'),
  controlled: z
    .boolean()
    .default(false)
    .describe('nothing but this gateway lets it open: a door that opens without access is a forced one'),
  scale: name.exactOptional().describe('the scale that stands under it'),
  camera: name.exactOptional().describe('the photo source that shows it'),
  scanners: z
    .array(name)
    .min(1)
    .max(16)
    .exactOptional()
    .describe('scanners whose scans can belong to this compartment; all of them when absent'),
});

/** What of a scale's words is told, and when two weights are one. */
const weightSchema = z.strictObject({
  step_g: z.int().min(1).max(1_000_000).default(50).describe('a stable weight that differs by so much is told'),
  gap_s: z.int().min(1).max(3_600).default(10).describe('and not more often than this'),
  tolerance_g: z
    .int()
    .min(0)
    .max(1_000_000)
    .default(20)
    .describe('weights before and after a door was open that differ by no more are equal'),
});

const positionSchema = z.strictObject({
  device: name.describe('the position receiver'),
  geofence: z
    .strictObject({
      lat: z.number().min(-90).max(90).describe('degrees, north is positive'),
      lon: z.number().min(-180).max(180).describe('degrees, east is positive'),
      radius_m: z.int().min(10).max(1_000_000),
    })
    .exactOptional()
    .describe('where the locker belongs; without it the verdict is always "unknown"'),
  every_min: z.int().min(1).max(10_080).default(60).describe('told at a change of the verdict, and so often'),
  stale_s: z.int().min(10).max(86_400).default(300).describe('without a fix for so long the verdict is "unknown"'),
});

export const COMPARTMENTS_MAX = 2_048;

export const custodySettingsSchema = z.strictObject({
  compartments: z
    .array(compartmentSchema)
    .max(COMPARTMENTS_MAX)
    .default([])
    .superRefine((compartments, context) => {
      const names = new Map<string, number>();
      const channels = new Map<string, number>();
      for (const [index, { name: own, device, channel }] of compartments.entries()) {
        const sameName = names.get(own);
        if (sameName !== undefined) {
          context.addIssue({
            code: 'custom',
            path: [index, 'name'],
            message: `a name of its own (also at ${sameName})`,
          });
        }
        const sameChannel = channels.get(`${device} ${channel}`);
        if (sameChannel !== undefined) {
          context.addIssue({
            code: 'custom',
            path: [index, 'channel'],
            message: `a channel of its own (also at ${sameChannel})`,
          });
        }
        names.set(own, index);
        channels.set(`${device} ${channel}`, index);
      }
    }),
  scan_window_s: z
    .int()
    .min(1)
    .max(3_600)
    .default(180)
    .describe('a scan belongs to a door that opens within this time after it'),
  door_open_max_s: z.int().min(5).max(86_400).default(600).describe('a door open for longer is said to be left open'),
  settle_ms: z
    .int()
    .min(0)
    .max(60_000)
    .default(1_500)
    .describe('after a door shut: how long its item sensor is looked at before the episode closes'),
  seals: sealSettingsSchema.exactOptional(),
  weight: weightSchema.prefault({}),
  position: positionSchema.exactOptional().describe('where the locker stands'),
});

export type CustodySettings = z.infer<typeof custodySettingsSchema>;
export type CompartmentSettings = z.infer<typeof compartmentSchema>;
