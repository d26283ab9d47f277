/**
 * Facts read back from a store or a file. Whatever is not a snapshot of this version is refused with its place; nothing
 * is filled in, since a fact that is made up decides about somebody's money.
 */
import { z } from 'zod';
import { accept, type Result, refuse } from '../../base/result.ts';
import { CONTRADICTION_CODES } from './contradictions.ts';
import type { Facts } from './facts.ts';
import { SIGNAL_NAMES } from './signals.ts';

const PARCELS_MAX = 64;
const RECENT_MAX = 10_000;
const LIST_MAX = 1_000;

const name = z.string().min(1).max(200);
const ms = z.int().min(0);
const count = z.int().min(0);
const eventRef = z.string().min(1).max(200);
const currency = z.string().regex(/^[A-Z]{3}$/, 'a currency of ISO 4217');
const amount = z.int().min(1);
const rate = z.strictObject({ usd_e9: z.int().min(1), day: z.string().regex(/^\d{4}-\d{2}-\d{2}$/, 'a date') });
const refs = z.array(eventRef).max(LIST_MAX);

const signal = z.strictObject({
  name: z.enum(SIGNAL_NAMES),
  says: z.enum(['supports', 'contradicts']),
  level: z.enum(['unsigned', 'declared', 'A0', 'A1', 'A2', 'A3']),
  clock: z.enum(['synced', 'fair', 'free', 'rollback']),
  event: eventRef,
});

const FORWARD = [
  'EXPECTED',
  'WITH_COURIER',
  'DEPOSIT_OPEN',
  'IN_LOCKER',
  'PICKUP_OPEN',
  'COLLECTED',
  'EXPIRED',
  'RETRIEVED',
  'RETURN_TO_SENDER',
  'DISTURBED',
  'MISSING',
  'EXCEPTION',
] as const;
const RETURN = [
  'NONE',
  'RMA_OPEN',
  'R_DEPOSIT_OPEN',
  'R_IN_LOCKER',
  'R_DISTURBED',
  'R_WITH_COURIER',
  'R_RECEIVED',
  'R_INSPECTED_OK',
  'R_INSPECTED_EMPTY',
  'R_INSPECTED_WRONG_ITEM',
  'R_INSPECTED_DAMAGED',
] as const;

const leg = <const S extends readonly string[]>(states: S) =>
  z.strictObject({
    state: z.enum(states),
    certainty: z.enum(['confirmed', 'unconfirmed', 'contradicted']),
    custodian: z.enum(['merchant', 'courier', 'locker_operator', 'customer', 'warehouse', 'unknown']),
    since_ms: ms.exactOptional(),
    signals: z.array(signal).max(LIST_MAX),
    events: refs,
  });

const exception = z.strictObject({ at_ms: ms, operator: name.exactOptional(), event: eventRef });

const parcel = z.strictObject({
  ref: name,
  ledger_version: count,
  forward: leg(FORWARD),
  return: leg(RETURN),
  contradictions: z
    .array(
      z.strictObject({
        code: z.enum(CONTRADICTION_CODES),
        leg: z.enum(['forward', 'return', 'both']),
        severity: z.enum(['hard', 'soft']),
        events: refs,
        innocent: name.exactOptional(),
      }),
    )
    .max(LIST_MAX),
  cannot_tell: z
    .array(
      z.strictObject({
        code: z.enum(CONTRADICTION_CODES),
        leg: z.enum(['forward', 'return', 'both']),
        why: name,
        events: refs,
      }),
    )
    .min(1)
    .max(LIST_MAX)
    .exactOptional(),
  exception: exception.exactOptional(),
  exceptions_before: z.array(exception).min(1).max(LIST_MAX).exactOptional(),
  collect_by_ms: ms.exactOptional(),
  promised_by_ms: ms.exactOptional(),
  waiting_for: z.strictObject({ gateway: name, since_ms: ms }).exactOptional(),
  assumptions: z
    .array(
      z.strictObject({
        gateway: name,
        level: z.enum(['A0', 'A1', 'A2', 'A3']).exactOptional(),
        trial: z.enum(['emulated_tpm', 'software_keys']).exactOptional(),
        clock: z.enum(['synced', 'fair']).exactOptional(),
      }),
    )
    .max(LIST_MAX)
    .exactOptional(),
});

const refund = z.strictObject({
  refund_id: name,
  kind: z.enum(['return', 'not_received', 'empty', 'damaged', 'recall', 'goodwill']),
  amount_minor: amount,
  currency,
  operator: name,
  requested_at_ms: ms,
  destination: z.enum(['original', 'other']),
  recall: z.boolean().exactOptional(),
  self_dealing: z.boolean().exactOptional(),
  alike: z
    .array(z.strictObject({ refund_id: name, payment: z.enum(['same', 'other']) }))
    .min(1)
    .max(LIST_MAX)
    .exactOptional(),
});

const operator = z.strictObject({
  recent: z
    .array(z.strictObject({ refund_id: name, at_ms: ms, amount_minor: amount, currency, rate: rate.exactOptional() }))
    .max(RECENT_MAX),
  usual_per_day_milli: count.exactOptional(),
  tenant_p95_usd_minor: count.exactOptional(),
  approvals: z.strictObject({ total: count, top_pair: count }).exactOptional(),
  weak_share: z.strictObject({ refunds: count, own_milli: count, peers_milli: count }).exactOptional(),
});

const lift = z.strictObject({
  refunds: count,
  lift_milli: count,
  p_micro: count,
  expected_milli: count.exactOptional(),
  together: count.exactOptional(),
  courier: name.exactOptional(),
  events: refs.exactOptional(),
});

const patterns = z.strictObject({
  as_of_ms: ms,
  courier_lift: lift.exactOptional(),
  courier_lifts: z.array(lift).min(1).max(PARCELS_MAX).exactOptional(),
  customer: z
    .strictObject({
      orders: count,
      refunded_milli: count.exactOptional(),
      unrated: z.array(currency).min(1).max(LIST_MAX).exactOptional(),
    })
    .refine(({ refunded_milli, unrated }) => (refunded_milli === undefined) !== (unrated === undefined), {
      error: 'either refunded_milli or unrated',
    })
    .exactOptional(),
  locker_loss: z.strictObject({ upper_milli: count, fleet_milli: count }).exactOptional(),
  chargebacks: z
    .strictObject({ count, shared: name, courier: name.exactOptional(), events: refs.exactOptional() })
    .exactOptional(),
  promotion: z.boolean().exactOptional(),
});

export const factsSchema: z.ZodType<Facts> = z.strictObject({
  v: z.literal(1),
  wording: z.literal([2, 3]).exactOptional(),
  edition: z.literal(2).exactOptional(),
  pinned: z.literal(true).exactOptional(),
  as_of_ms: ms,
  refund,
  rate: rate.exactOptional(),
  payment: z
    .strictObject({
      captured_minor: count,
      refunded_minor: count,
      disputed_minor: count,
      open_minor: amount.exactOptional(),
    })
    .refine(({ refunded_minor, open_minor = 0 }) => open_minor <= refunded_minor, {
      error: 'open_minor of no more than refunded_minor',
    })
    .exactOptional(),
  operator: operator.exactOptional(),
  patterns: patterns.exactOptional(),
  parcels: z.array(parcel).max(PARCELS_MAX),
  failed: z.array(z.enum(['ledger', 'payment', 'operator', 'usd_rate'])).max(4),
});

export function parseFacts(value: unknown): Result<Facts, 'facts'> {
  const parsed = factsSchema.safeParse(value);
  if (parsed.success) return accept(parsed.data);
  const issues = parsed.error.issues.slice(0, 5).map(({ path, message }) => `${path.join('.') || 'facts'}: ${message}`);
  return refuse('facts', `expected the facts of a refund, version 1: ${issues.join('; ')}`);
}
