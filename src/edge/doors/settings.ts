/** Settings of doors: how many may stand open, how often one may be opened, and how long its opening is waited for. */
import { z } from 'zod';

export const doorsSettingsSchema = z
  .strictObject({
    open_max: z
      .int()
      .min(1)
      .max(2_048)
      .default(4)
      .describe('interlock: nothing is opened while as many doors of this site stand open or are being opened'),
    seen_within_ms: z
      .int()
      .min(500)
      .max(60_000)
      .default(5_000)
      .describe('a door that is not seen open for this long after the unlock frame was not verified to open'),
    per_minute: z
      .strictObject({
        compartment: z.int().min(1).max(600).default(6),
        actor: z.int().min(1).max(600).default(20),
        site: z.int().min(1).max(600).default(60),
      })
      .prefault({})
      .describe('openings within a minute, also over a restart: of one compartment, by one actor, in all'),
  })
  .describe('opening doors');

export type DoorsSettings = z.output<typeof doorsSettingsSchema>;
