/** How often patterns are looked for, and when more refunds than usual are usual. */
import { z } from 'zod';
import { isTime, timeOf } from '../../base/wall-time.ts';
import { PROMOTIONS_MAX, type PromotionWindow } from './findings.ts';

const TIME = 'a time like 2026-11-27T00:00:00Z';
const at = z.iso.datetime({ error: TIME, abort: true }).refine(isTime, { error: TIME, abort: true });

export const patternsSchema = z
  .strictObject({
    every_minutes: z
      .int()
      .min(1)
      .max(360)
      .default(15)
      .describe(
        'how often the service counts what its rules on patterns read; "latchkey risk patterns run" does it by hand',
      ),
    promotions: z
      .array(
        z
          .strictObject({ from: at, until: at.describe('no longer counts at this time') })
          .refine(({ from, until }) => timeOf(from) < timeOf(until), {
            error: 'from before until',
            path: ['until'],
          }),
      )
      .max(PROMOTIONS_MAX)
      .default([])
      .describe(
        'times of sales: they raise what R01b takes for usual (ruleset.promotion_milli), and lower nothing else',
      ),
  })
  .prefault({});

export type PatternsSettings = z.output<typeof patternsSchema>;

export function promotionsOf({ promotions }: PatternsSettings): readonly PromotionWindow[] {
  return promotions.map(({ from, until }) => ({ from_ms: timeOf(from), until_ms: timeOf(until) }));
}
