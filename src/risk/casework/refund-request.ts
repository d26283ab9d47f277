/** A request to decide about a refund, as the API and the command line take it. */
import { z } from 'zod';

const name = z
  .string()
  .min(1)
  .max(120)
  .regex(/^[\x21-\x7e]+$/, { error: 'printable characters without spaces' });

export const refundRequestSchema = z.strictObject({
  refund_id: name,
  kind: z.enum(['return', 'not_received', 'empty', 'damaged', 'recall', 'goodwill']),
  /** References as they stand in events. */
  parcel_refs: z.array(name).max(64),
  amount_minor: z.int().min(1).max(1_000_000_000_000),
  currency: z.string().regex(/^[A-Z]{3}$/, { error: 'a currency of ISO 4217' }),
  operator: name,
  requested_at: z.iso.datetime({ precision: 3 }),
  payment_ref: name,
  destination: z.enum(['original', 'other']).default('original'),
  recall: z.boolean().exactOptional(),
});

export type RefundRequest = z.output<typeof refundRequestSchema>;
