/** Claims of declared sources from a file: JSON, one object a claim. */
import { z } from 'zod';
import { identifierSchema as name, parcelRefSchema } from '../store/identifier-schema.ts';
import type { Claim } from './inputs.ts';

const CLAIMS_MAX = 10_000;
const ms = z.int().min(0);
const grams = z.int().min(0).max(9_999_999);
const metres = z.int().min(0).max(40_100_000);

const body = z.discriminatedUnion('what', [
  z.strictObject({
    what: z.literal('declared'),
    weight_g: grams.exactOptional(),
    packaging_g: grams.exactOptional(),
    seal: name.exactOptional(),
    promised_by_ms: ms.exactOptional(),
  }),
  z.strictObject({ what: z.literal('handed_to_courier'), weight_g: grams.exactOptional() }),
  z.strictObject({
    what: z.literal('delivered'),
    geofence: z.enum(['inside', 'outside', 'unknown']).exactOptional(),
    distance_m: metres.exactOptional(),
    accuracy_m: metres.exactOptional(),
    to: z.enum(['locker', 'door']).exactOptional(),
  }),
  z.strictObject({ what: z.literal('exception'), operator: name.exactOptional() }),
  z.strictObject({ what: z.literal('collect_by'), until_ms: ms }),
  z.strictObject({ what: z.literal('rma_opened') }),
  z.strictObject({ what: z.literal('warehouse_received'), weight_g: grams.exactOptional() }),
  z.strictObject({ what: z.literal('inspected'), result: z.enum(['ok', 'empty', 'wrong_item', 'damaged']) }),
]);

/** Each names the parcel that it is about. The same file tells the story of one parcel, and is taken into a store. */
export const claimRowsSchema = z
  .array(z.strictObject({ parcel: parcelRefSchema, ref: name, at_ms: ms, body }))
  .max(CLAIMS_MAX);
export type ClaimRow = z.output<typeof claimRowsSchema>[number];

export function claimOf({ ref, at_ms, body: said }: ClaimRow): Claim {
  return { kind: 'claim', ref, at_ms, body: said };
}
