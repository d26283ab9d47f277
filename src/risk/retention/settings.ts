/** How long what is kept: proposals, to be set by whoever answers for the data. */
import { z } from 'zod';

const days = z.int().min(1).max(36_500);

export const retentionSchema = z
  .strictObject({
    bodies_days: days.default(540).describe('bodies of entries; 540 is the outer limit of a dispute at Visa'),
    hashes_days: days.default(2_557).describe('leaf hashes; after that the roots of a log stay alone'),
    claims_days: days.default(540).describe('claims of declared sources'),
    refunds_days: days
      .default(2_557)
      .describe('refunds that ended, with payments, decisions, holds and cases; each payment whole or not at all'),
    source_events_days: days
      .default(540)
      .describe('that an event of a source was taken: webhooks that tell of what is older are refused'),
    every_h: z
      .union([z.literal('off'), z.int().min(1).max(168)])
      .default(24)
      .describe(
        'how often the service takes away what is older, in hours; off: only "latchkey risk retention run" does',
      ),
  })
  .refine(({ bodies_days, hashes_days }) => hashes_days >= bodies_days, {
    error: 'hashes_days of at least bodies_days',
    path: ['hashes_days'],
  })
  .prefault({});

export type RetentionSettings = z.output<typeof retentionSchema>;
