/**
 * Decides about refunds, once for each idempotency key, and keeps what each decision was made of.
 *
 * Refunds of one operator are decided one after the other (an advisory lock in the transaction), so that of many that
 * come at once each sees the ones before it. The ledger is read before that, under the rights of custody alone: whoever
 * pays never touches evidence. What cannot be read makes a hold with a short deadline, never a payment.
 */
import { sql, type Transaction } from 'kysely';
import type { Clock } from '../../base/clock.ts';
import { messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import { accept, type Result, refuse } from '../../base/result.ts';
import type { EvidenceCrypto } from '../../evidence/crypto.ts';
import type { JsonObject } from '../../evidence/event/event.ts';
import { canonicalJson } from '../../evidence/event/json.ts';
import { sha256Json } from '../decision/decide.ts';
import { type Decision, decide } from '../decision/decision.ts';
import type { Dependency, Facts, ParcelFacts, RecentRefund, UsdRate } from '../decision/facts.ts';
import { parseFacts } from '../decision/facts-schema.ts';
import { makeRuleset, type Ruleset, type RulesetSettings } from '../decision/ruleset.ts';
import type { LedgerStore } from '../ledger/ledger-store.ts';
import type { RiskDatabase } from '../store/open-database.ts';
import type { Database } from '../store/schema.ts';
import { type Explanation, explainDecision } from './explain.ts';
import type { RefundRequest } from './refund-request.ts';

export interface RefundDeskParts {
  readonly database: RiskDatabase;
  readonly ledger: Pick<LedgerStore, 'ledger'>;
  readonly crypto: EvidenceCrypto;
  readonly ruleset: Ruleset;
  readonly tenant: string;
  readonly region: string;
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface StoredDecision {
  readonly decision: Decision;
  readonly facts: Facts;
  readonly parameters: RulesetSettings;
}

/** `key_reused`: another body under a known key. `refund_known`: another request under a known refund. */
export type DeskRefusal = 'key_reused' | 'refund_known';

type Trx = Transaction<Database>;

const RECENT_MAX = 10_000;
/** Rates of a day hold until the next table, and no longer than this. */
const RATE_DAYS_MAX = 4;
const DAY_MS = 86_400_000;

export class RefundDesk {
  readonly #parts: RefundDeskParts;

  constructor(parts: RefundDeskParts) {
    this.#parts = parts;
  }

  /** The same key with the same body gives the same answer, and decides nothing anew. */
  async decide(key: string, request: RefundRequest): Promise<Result<Decision, DeskRefusal>> {
    const { database, crypto } = this.#parts;
    const bodyHash = sha256Json(crypto, request);
    const asOfMs = this.#parts.clock.wallMs();
    const { parcels, failed } = await this.#parcels(request, asOfMs);
    return database.as('payments', async (trx) => {
      await sql`select pg_advisory_xact_lock(hashtextextended(${`operator ${request.operator}`}, 0))`.execute(trx);
      const known = await trx
        .selectFrom('payments.request')
        .selectAll()
        .where('idempotency_key', '=', key)
        .executeTakeFirst();
      if (known !== undefined) {
        if (known.body_hash !== bodyHash)
          return refuse('key_reused', 'this idempotency key came with another body before');
        return accept((await storedDecision(trx, known.decision_id)).decision);
      }
      if (!(await this.#keepRefund(trx, request))) {
        return refuse('refund_known', 'this refund was requested before with other particulars');
      }
      const facts = await this.#facts(trx, request, asOfMs, parcels, failed);
      const decision = decide(crypto, facts, this.#parts.ruleset);
      await this.#keepDecision(trx, key, bodyHash, facts, decision);
      return accept(decision);
    });
  }

  /** Undefined when there is none of that name. */
  decision(decisionId: string): Promise<StoredDecision | undefined> {
    return this.#parts.database.as('payments', async (trx) => {
      const row = await trx
        .selectFrom('payments.decision')
        .select('decision_id')
        .where('decision_id', '=', decisionId)
        .executeTakeFirst();
      return row && storedDecision(trx, decisionId);
    });
  }

  /** Decides again from what was kept. */
  async replay(decisionId: string): Promise<Decision | undefined> {
    const stored = await this.decision(decisionId);
    if (stored === undefined) return undefined;
    return decide(this.#parts.crypto, stored.facts, makeRuleset(this.#parts.crypto, stored.parameters));
  }

  /** Why it came out so, rule by rule; also why a rule did not fire. Undefined when there is none of that name. */
  async explain(decisionId: string): Promise<Explanation | undefined> {
    const stored = await this.decision(decisionId);
    return stored && explainDecision(this.#parts.crypto, stored);
  }

  async #parcels(
    request: RefundRequest,
    asOfMs: number,
  ): Promise<{ readonly parcels: readonly ParcelFacts[]; readonly failed: readonly Dependency[] }> {
    try {
      const ledgers = await Promise.all(request.parcel_refs.map((ref) => this.#parts.ledger.ledger(ref, asOfMs)));
      return { parcels: ledgers.map(({ facts }) => facts), failed: [] };
    } catch (error) {
      this.#parts.logger.error({ error: messageOf(error), refund: request.refund_id }, 'the ledger cannot be read');
      return { parcels: [], failed: ['ledger'] };
    }
  }

  /** False when this refund is known with other particulars. */
  async #keepRefund(trx: Trx, request: RefundRequest): Promise<boolean> {
    const { tenant, region } = this.#parts;
    const { refund_id, payment_ref, operator, kind, amount_minor, currency, destination } = request;
    const row = { refund_id, payment_ref, operator, kind, amount_minor, currency, destination };
    const known = await trx
      .selectFrom('payments.refund')
      .select(['refund_id', 'payment_ref', 'operator', 'kind', 'amount_minor', 'currency', 'destination'])
      .where('refund_id', '=', refund_id)
      .executeTakeFirst();
    if (known !== undefined) return canonicalJson(known) === canonicalJson(row);
    const parcel_refs = JSON.stringify(request.parcel_refs);
    const requested_at = new Date(request.requested_at);
    await trx
      .insertInto('payments.refund')
      .values({ ...row, parcel_refs, requested_at, state: 'open', tenant, region })
      .execute();
    return true;
  }

  async #facts(
    trx: Trx,
    request: RefundRequest,
    asOfMs: number,
    parcels: readonly ParcelFacts[],
    failed: readonly Dependency[],
  ): Promise<Facts> {
    const { refund_id, kind, amount_minor, currency, operator, destination, recall } = request;
    const requestedMs = Date.parse(request.requested_at);
    const rate = await rateOf(trx, currency, requestedMs);
    const payment = await trx
      .selectFrom('payments.payment')
      .selectAll()
      .where('payment_ref', '=', request.payment_ref)
      .executeTakeFirst();
    const { promised } = await trx
      .selectFrom('payments.refund')
      .select(({ fn }) => fn.sum<number | string | null>('amount_minor').as('promised'))
      .where('payment_ref', '=', request.payment_ref)
      .where('refund_id', '!=', refund_id)
      .where('state', 'in', ['open', 'paid'])
      .executeTakeFirstOrThrow();
    return {
      v: 1,
      as_of_ms: asOfMs,
      refund: {
        refund_id,
        kind,
        amount_minor,
        currency,
        operator,
        requested_at_ms: requestedMs,
        destination,
        ...(recall !== undefined && { recall }),
      },
      ...(rate !== undefined && { rate }),
      ...(payment !== undefined &&
        payment.currency === currency && {
          payment: {
            captured_minor: payment.captured_minor,
            refunded_minor: Number(promised ?? 0),
            disputed_minor: payment.disputed_minor,
          },
        }),
      operator: { recent: await this.#recent(trx, request, requestedMs) },
      parcels,
      failed,
    };
  }

  async #recent(
    trx: Trx,
    { operator, refund_id }: RefundRequest,
    requestedMs: number,
  ): Promise<readonly RecentRefund[]> {
    const { velocity_window_ms, consecutive_window_ms } = this.#parts.ruleset.parameters;
    const windowMs = Math.max(velocity_window_ms, consecutive_window_ms);
    const rows = await trx
      .selectFrom('payments.refund')
      .select(['refund_id', 'requested_at', 'amount_minor', 'currency'])
      .where('operator', '=', operator)
      .where('refund_id', '!=', refund_id)
      .where('state', '!=', 'cancelled')
      .where('requested_at', '>', new Date(requestedMs - windowMs))
      .where('requested_at', '<', new Date(requestedMs + windowMs))
      .orderBy('requested_at', 'desc')
      .orderBy('refund_id')
      .limit(RECENT_MAX)
      .execute();
    const recent: RecentRefund[] = [];
    for (const row of rows) {
      const at_ms = row.requested_at.getTime();
      const rate = await rateOf(trx, row.currency, at_ms);
      const { refund_id: id, amount_minor, currency } = row;
      recent.push({ refund_id: id, at_ms, amount_minor, currency, ...(rate !== undefined && { rate }) });
    }
    return recent;
  }

  async #keepDecision(trx: Trx, key: string, bodyHash: string, facts: Facts, decision: Decision): Promise<void> {
    const { tenant, region, ruleset } = this.#parts;
    const { decision_id, refund_id, outcome, as_of_ms } = decision;
    await trx
      .insertInto('payments.decision')
      .values({
        decision_id,
        refund_id,
        decided_at: new Date(as_of_ms),
        outcome,
        facts: canonicalJson(facts as unknown as JsonObject),
        ruleset: ruleset.version,
        parameters: canonicalJson(ruleset.parameters),
        answer: JSON.stringify(decision),
        tenant,
        region,
      })
      // The same facts again, in the same millisecond, are the same decision.
      .onConflict((conflict) => conflict.doNothing())
      .execute();
    await trx
      .insertInto('payments.request')
      .values({ idempotency_key: key, body_hash: bodyHash, decision_id, tenant, region })
      .execute();
  }
}

async function storedDecision(trx: Trx, decisionId: string): Promise<StoredDecision> {
  const row = await trx
    .selectFrom('payments.decision')
    .selectAll()
    .where('decision_id', '=', decisionId)
    .executeTakeFirstOrThrow();
  const facts = parseFacts(JSON.parse(row.facts));
  if (!facts.ok) throw new Error(`decision ${decisionId}: ${facts.detail}`);
  return {
    decision: JSON.parse(row.answer) as Decision,
    facts: facts.value,
    parameters: JSON.parse(row.parameters) as RulesetSettings,
  };
}

/** The newest table of that day or of the few before it: weekends have none. */
async function rateOf(trx: Trx, currency: string, atMs: number): Promise<UsdRate | undefined> {
  if (currency === 'USD') return undefined;
  const day = (ms: number): string => new Date(ms).toISOString().slice(0, 10);
  const row = await trx
    .selectFrom('payments.usd_rate')
    .select(['usd_e9', sql<string>`to_char(day, 'YYYY-MM-DD')`.as('table_day')])
    .where('currency', '=', currency)
    .where('day', '<=', sql<Date>`${day(atMs)}::date`)
    .where('day', '>', sql<Date>`${day(atMs - RATE_DAYS_MAX * DAY_MS)}::date`)
    .orderBy('day', 'desc')
    .executeTakeFirst();
  return row && { usd_e9: row.usd_e9, day: row.table_day };
}
