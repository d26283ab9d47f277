/** A request to decide about a refund, as the API and the command line take it. */

import { z } from 'zod';
import { accept, type Result, refuse } from '../../base/result.ts';
import { timeOf } from '../../base/wall-time.ts';
import { identifierSchema as name, parcelRefSchema } from '../store/identifier-schema.ts';

const CURRENCIES: ReadonlySet<string> = new Set(Intl.supportedValuesOf('currency'));

export const refundRequestSchema = z.strictObject({
  refund_id: name,
  kind: z.enum(['return', 'not_received', 'empty', 'damaged', 'recall', 'goodwill']),
  /** References as they stand in events. */
  parcel_refs: z.array(parcelRefSchema).max(64),
  amount_minor: z.int().min(1).max(1_000_000_000_000),
  currency: z
    .string()
    .regex(/^[A-Z]{3}$/, { error: 'a currency of ISO 4217', abort: true })
    // One that there is not has no rate, and would hold its operator's other refunds until it is out of their windows.
    .refine((code) => CURRENCIES.has(code), { error: 'a currency of ISO 4217 that is in use' }),
  operator: name,
  requested_at: z.iso.datetime({ precision: 3, error: 'a time with milliseconds, like 2026-11-22T09:00:00.000Z' }),
  payment_ref: name,
  destination: z.enum(['original', 'other']).default('original'),
  recall: z.boolean().exactOptional(),
});

export type RefundRequest = z.output<typeof refundRequestSchema>;

/** A request may say that it was made so long ago, and no more: refunds are counted in windows of time. */
export const REQUEST_AGE_MAX_MS = 3_600_000;
/** Clocks of callers may be so far ahead. */
export const REQUEST_AHEAD_MAX_MS = 5 * 60_000;

/**
 * The time from which a request counts, in every window and for every deadline.
 *
 * A request that says it is older than the limit counts from now: else three refunds of one day could be dated into three.
 * One from the future is refused, or counts from now when a clock may be that far off.
 */
export function countedFrom(
  request: Pick<RefundRequest, 'requested_at'>,
  nowMs: number,
): Result<number, 'requested_at'> {
  const statedMs = timeOf(request.requested_at);
  if (statedMs > nowMs + REQUEST_AHEAD_MAX_MS) {
    const now = new Date(nowMs).toISOString();
    return refuse(
      'requested_at',
      `expected a time up to now (${now}), found ${request.requested_at}: check the clocks`,
    );
  }
  return accept(statedMs > nowMs || statedMs < nowMs - REQUEST_AGE_MAX_MS ? nowMs : statedMs);
}
