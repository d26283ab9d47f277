/**
 * Findings of the batch analysis as they lie in the database, and as facts of a decision. Whatever is stale, or is not
 * what this version wrote, is absent: a finding that nobody renews must neither hold a refund nor pay one.
 */
import { z } from 'zod';
import { parseOrigin } from '../../evidence/log/origin.ts';
import type { CourierLift, EventRef, OperatorFacts, ParcelFacts, PatternFacts } from '../decision/facts.ts';

/** Decisions count nothing that is as old as this. */
export const STALE_MS = 24 * 3_600_000;
export const PROMOTIONS_MAX = 100;
/** Of a refund: whoever has more lockers than this is seen in the first of them. */
const LOCKERS_MAX = 64;
/** Likewise of couriers, and of one courier's entries. */
const COURIERS_MAX = 32;
export const EVENTS_MAX = 32;

export const TENANT = 'tenant';
export const PROMOTIONS = 'promotions';
/** Facts name whoever asked in one place, where erasure finds it. */
const THE_OPERATOR = 'the operator';
const A_COURIER = 'a courier';
export const operatorId = (operator: string): string => `operator ${operator}`;
export const lockerId = (gateway: string): string => `locker ${gateway}`;
/** Pseudonyms of couriers hold no space, so these are told apart. */
export const courierId = (courier: string): string => `courier ${courier}`;
export const pairId = (operator: string, courier: string): string => `pair ${operator} ${courier}`;

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
/** Of whoever had parcels of refunds in hands. */
export const courierSchema = z.strictObject({ chargebacks: count });
export const pairSchema = z.strictObject({
  refunds: count,
  together: count,
  expected_milli: count,
  lift_milli: count,
  p_micro: count,
});
/** `pairs_cut`: not all pairs were counted, or kept, so that one without a finding is not known. */
export const tenantSchema = z.strictObject({
  p95_usd_minor: count.exactOptional(),
  pairs_cut: z.literal(true).exactOptional(),
});
export const promotionsSchema = z.array(z.strictObject({ from_ms: count, until_ms: count }));

export type OperatorFinding = z.output<typeof operatorSchema>;
export type LockerFinding = z.output<typeof lockerSchema>;
export type CourierFinding = z.output<typeof courierSchema>;
export type PairFinding = z.output<typeof pairSchema>;
export type TenantFinding = z.output<typeof tenantSchema>;
export type PromotionWindow = z.output<typeof promotionsSchema>[number];

/** A row of the table. */
export type StoredFinding = readonly [id: string, asOfMs: number, body: unknown];

/** That a courier had one of the parcels in hands, and which entry says so. */
export interface HandFact {
  readonly courier: string;
  readonly event: EventRef;
}

/** What a decision about these parcels, asked for by this operator, asks for. */
export function findingIds(
  operator: string,
  parcels: readonly ParcelFacts[],
  hands: readonly HandFact[],
): readonly string[] {
  const couriers = couriersOf(hands).flatMap((courier) => [courierId(courier), pairId(operator, courier)]);
  return [TENANT, PROMOTIONS, operatorId(operator), ...lockersOf(parcels).map(lockerId), ...couriers];
}

function couriersOf(hands: readonly HandFact[]): readonly string[] {
  return [...new Set(hands.map(({ courier }) => courier))].sort().slice(0, COURIERS_MAX);
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
    hands,
    requestedMs,
    asOfMs,
  }: {
    readonly operator: string;
    readonly hands: readonly HandFact[];
    readonly requestedMs: number;
    readonly asOfMs: number;
  },
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
  const couriers = couriersOf(hands).flatMap((courier) => {
    const parsed = courierSchema.safeParse(bodies.get(courierId(courier))).data;
    const events = [...new Set(hands.filter((hand) => hand.courier === courier).map(({ event }) => event))];
    return parsed === undefined ? [] : [{ courier, events: events.slice(0, EVENTS_MAX), ...parsed }];
  });
  const lifts = couriers.flatMap(({ courier, events }): readonly CourierLift[] => {
    const pair = pairSchema.safeParse(bodies.get(pairId(operator, courier))).data;
    if (pair === undefined && (own === undefined || tenant?.pairs_cut === true)) return [];
    return [{ courier, events, ...(pair ?? { refunds: 0, lift_milli: 0, p_micro: 1_000_000 }) }];
  });
  const found = {
    ...(lifts.length > 0 && { courier_lifts: lifts.sort(byChance) }),
    ...lossOf(lockers.flatMap(({ loss }) => loss ?? [])),
    ...chargebacksOf([
      ...(own ? [{ id: THE_OPERATOR, ...own }] : []),
      ...lockers,
      ...couriers.map((one) => ({ id: A_COURIER, ...one })),
    ]),
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

/** The least likely first. */
function byChance(a: CourierLift, b: CourierLift): number {
  return a.p_micro - b.p_micro || b.lift_milli - a.lift_milli || ((a.courier ?? '') < (b.courier ?? '') ? -1 : 1);
}

interface Clustered {
  readonly id: string;
  readonly chargebacks: number;
  readonly courier?: string;
  readonly events?: readonly EventRef[];
}

/** Of the one that has the most. */
function chargebacksOf(all: readonly Clustered[]): Pick<PatternFacts, 'chargebacks'> {
  const [most] = all.toSorted((a, b) => b.chargebacks - a.chargebacks || (a.id < b.id ? -1 : 1));
  if (most === undefined) return {};
  const { id: shared, chargebacks: count, courier, events } = most;
  return { chargebacks: { count, shared, ...(courier && { courier }), ...(events && { events }) } };
}
