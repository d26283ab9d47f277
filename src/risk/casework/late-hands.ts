/**
 * Couriers whose hands became known after a decision: what is counted of them now (R10, R14) belongs to what would have
 * been decided, since their entry is the late fact. Of couriers that were known then the decision keeps what was counted
 * then: that a count moved is no fact about this refund.
 */
import type { CourierLift, Facts, PatternFacts } from '../decision/facts.ts';
import { EVENTS_MAX, findingIds, type HandFact, patternsOf, type StoredFinding } from '../patterns/findings.ts';
import type { RiskDatabase } from '../store/open-database.ts';

/** An entry may wait so long for the ledger to read it: one that was stored shortly before a decision is late as well. */
const UNREAD_MS = 3_600_000;

/** `hands` of all entries about the parcels, as they are known now. */
export async function withLateHands(
  database: RiskDatabase,
  facts: Facts,
  hands: readonly HandFact[],
  nowMs: number,
): Promise<Facts> {
  if (hands.length === 0) return facts;
  const late = await lateHands(database, facts, hands);
  if (late.length === 0) return facts;
  const known = knownLifts(facts);
  const couriers = new Set(late.map(({ courier }) => courier));
  const lifts = known.map((lift) => (couriers.has(lift.courier ?? '') ? withEvents(lift, hands) : lift));
  const fresh = hands.filter(({ courier }) => couriers.has(courier) && !known.some((lift) => lift.courier === courier));
  const found = await countedOf(database, facts, fresh, nowMs);
  const all = [...lifts, ...(found.courier_lifts ?? [])];
  const { patterns } = facts;
  const worse = (found.chargebacks?.count ?? 0) > (patterns?.chargebacks?.count ?? 0);
  if (all.length === 0 && !worse) return facts;
  return {
    ...facts,
    patterns: {
      as_of_ms: found.as_of_ms ?? nowMs,
      ...patterns,
      ...(all.length > 0 && { courier_lifts: all }),
      ...(worse && found.chargebacks !== undefined && { chargebacks: found.chargebacks }),
    },
  };
}

function knownLifts({ patterns }: Facts): readonly CourierLift[] {
  return patterns?.courier_lifts ?? [];
}

async function lateHands(
  database: RiskDatabase,
  { as_of_ms, parcels }: Facts,
  hands: readonly HandFact[],
): Promise<readonly HandFact[]> {
  const rows = await database.as('custody', (trx) =>
    trx
      .selectFrom('custody.hand')
      .select(['origin', 'n'])
      .distinct()
      .where(
        'parcel',
        'in',
        parcels.map(({ ref }) => ref),
      )
      .where('stored_at', '>', new Date(as_of_ms - UNREAD_MS))
      .execute(),
  );
  const refs = new Set(rows.map(({ origin, n }) => `${origin}#${n}`));
  return hands.filter(({ event }) => refs.has(event));
}

function withEvents(lift: CourierLift, hands: readonly HandFact[]): CourierLift {
  const events = new Set(lift.events);
  for (const { courier, event } of hands) if (courier === lift.courier) events.add(event);
  // What the decision named stays; beyond the bound the newest are left out, as they are for a decision.
  return { ...lift, events: [...events].slice(0, Math.max(EVENTS_MAX, lift.events?.length ?? 0)) };
}

/** What the batch analysis counts of them now. */
async function countedOf(
  database: RiskDatabase,
  { refund: { operator, requested_at_ms } }: Facts,
  hands: readonly HandFact[],
  nowMs: number,
): Promise<Partial<PatternFacts>> {
  if (hands.length === 0) return {};
  const rows = await database.as('payments', (trx) =>
    trx
      .selectFrom('payments.finding')
      .select(['id', 'as_of_ms', 'body'])
      .where('id', 'in', [...findingIds(operator, [], hands)])
      .execute(),
  );
  const stored = rows.map(({ id, as_of_ms, body }): StoredFinding => [id, Number(as_of_ms), body]);
  const asked = { operator, hands, requestedMs: requested_at_ms, asOfMs: nowMs };
  const { courier_lifts, as_of_ms } = patternsOf(stored, asked).patterns ?? { as_of_ms: nowMs };
  // Of the couriers alone: that there are more disputes of the operator now is no late fact.
  const own = stored.filter(([id]) => id.startsWith('courier '));
  const { chargebacks } = patternsOf(own, asked).patterns ?? {};
  return { as_of_ms, ...(courier_lifts && { courier_lifts }), ...(chargebacks && { chargebacks }) };
}
