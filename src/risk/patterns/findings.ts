/**
 * Findings of the batch analysis as they lie in the database, and as facts of a decision. Whatever is stale, or is not
 * what this version wrote, is absent: a finding that nobody renews must neither hold a refund nor pay one.
 */
import { z } from 'zod';
import { parseOrigin } from '../../evidence/log/origin.ts';
import type { OperatorFacts, ParcelFacts, PatternFacts } from '../decision/facts.ts';

/** Decisions count nothing that is as old as this. */
export const STALE_MS = 24 * 3_600_000;
export const PROMOTIONS_MAX = 100;
/** Of a refund: whoever has more lockers than this is seen in the first of them. */
const LOCKERS_MAX = 64;

export const TENANT = 'tenant';
export const PROMOTIONS = 'promotions';
/** Facts name whoever asked in one place, where erasure finds it. */
const THE_OPERATOR = 'the operator';
export const operatorId = (operator: string): string => `operator ${operator}`;
export const lockerId = (gateway: string): string => `locker ${gateway}`;

const count = z.int().min(0);

export const operatorSchema = z.strictObject({
  usual_per_day_milli: count,
  approvals: z.strictObject({ total: count, top_pair: count }),
  weak_share: z.strictObject({ refunds: count, own_milli: count, peers_milli: count }).exactOptional(),
  chargebacks: count,
});
export const lockerSchema = z.strictObject({
  loss: z.strictObject({ upper_milli: count, fleet_milli: count }).exactOptional(),
  chargebacks: count,
});
export const tenantSchema = z.strictObject({ p95_usd_minor: count.exactOptional() });
export const promotionsSchema = z.array(z.strictObject({ from_ms: count, until_ms: count }));

export type OperatorFinding = z.output<typeof operatorSchema>;
export type LockerFinding = z.output<typeof lockerSchema>;
export type TenantFinding = z.output<typeof tenantSchema>;
export type PromotionWindow = z.output<typeof promotionsSchema>[number];

/** A row of the table. */
export type StoredFinding = readonly [id: string, asOfMs: number, body: unknown];

/** What a decision about these parcels, asked for by this operator, asks for. */
export function findingIds(operator: string, parcels: readonly ParcelFacts[]): readonly string[] {
  return [TENANT, PROMOTIONS, operatorId(operator), ...lockersOf(parcels).map(lockerId)];
}

/** The gateways whose logs speak of them. */
function lockersOf(parcels: readonly ParcelFacts[]): readonly string[] {
  const events = parcels.flatMap(({ forward, return: back }) => [...forward.events, ...back.events]);
  const origins = new Set(events.map((event) => event.slice(0, Math.max(0, event.lastIndexOf('#')))));
  const gateways = [...origins].flatMap((origin) => {
    const parsed = parseOrigin(origin);
    return parsed.ok ? [parsed.value.gateway] : [];
  });
  return [...new Set(gateways)].sort().slice(0, LOCKERS_MAX);
}

export interface PatternParts {
  readonly operator: Omit<OperatorFacts, 'recent'>;
  readonly patterns?: PatternFacts;
}

/** Of the rows that `findingIds` names, for a refund that counts from `requestedMs`. */
export function patternsOf(
  rows: readonly StoredFinding[],
  {
    operator,
    requestedMs,
    asOfMs,
  }: { readonly operator: string; readonly requestedMs: number; readonly asOfMs: number },
): PatternParts {
  const fresh = rows.filter(([, ms]) => ms > asOfMs - STALE_MS);
  const bodies = new Map(fresh.map(([id, , body]) => [id, body]));
  const own = operatorSchema.safeParse(bodies.get(operatorId(operator))).data;
  const tenant = tenantSchema.safeParse(bodies.get(TENANT)).data;
  const windows = promotionsSchema.safeParse(bodies.get(PROMOTIONS)).data ?? [];
  const lockers = fresh.flatMap(([id, , body]) => {
    const parsed = id.startsWith(lockerId('')) ? lockerSchema.safeParse(body).data : undefined;
    return parsed === undefined ? [] : [{ id, ...parsed }];
  });
  const found = {
    ...lossOf(lockers.flatMap(({ loss }) => loss ?? [])),
    ...chargebacksOf([...(own ? [{ id: THE_OPERATOR, ...own }] : []), ...lockers]),
    ...(windows.some(({ from_ms, until_ms }) => requestedMs >= from_ms && requestedMs < until_ms) && {
      promotion: true,
    }),
  };
  return {
    operator: {
      ...(own && { usual_per_day_milli: own.usual_per_day_milli, approvals: own.approvals }),
      ...(own?.weak_share && { weak_share: own.weak_share }),
      ...(tenant?.p95_usd_minor !== undefined && { tenant_p95_usd_minor: tenant.p95_usd_minor }),
    },
    ...(Object.keys(found).length > 0 && {
      patterns: { as_of_ms: Math.min(...fresh.map(([, ms]) => ms)), ...found },
    }),
  };
}

/** Of the locker that stands out most. */
function lossOf(losses: readonly NonNullable<LockerFinding['loss']>[]): Pick<PatternFacts, 'locker_loss'> {
  const [worst] = losses.toSorted((a, b) => b.upper_milli * a.fleet_milli - a.upper_milli * b.fleet_milli);
  return worst === undefined ? {} : { locker_loss: worst };
}

/** Of the one that has the most. */
function chargebacksOf(
  all: readonly { readonly id: string; readonly chargebacks: number }[],
): Pick<PatternFacts, 'chargebacks'> {
  const [most] = all.toSorted((a, b) => b.chargebacks - a.chargebacks || (a.id < b.id ? -1 : 1));
  return most === undefined ? {} : { chargebacks: { count: most.chargebacks, shared: most.id } };
}
