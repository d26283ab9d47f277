/**
 * Decides about refunds, once for each idempotency key, keeps what each decision was made of, and has done what follows.
 *
 * Refunds of one operator are decided one after the other (an advisory lock in the transaction), so that of many that
 * come at once each sees the ones before it. The ledger is read before that, under the rights of custody alone: whoever
 * pays never touches evidence. What cannot be read makes a hold with a short deadline, never a payment. Holds, cases and
 * the commands to the payment side are written in the transaction of the decision: there is none without the other.
 */
import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import { accept, type Result, refuse } from '../../base/result.ts';
import type { EvidenceCrypto } from '../../evidence/crypto.ts';
import { sha256Json } from '../decision/decide.ts';
import { type Decision, decide } from '../decision/decision.ts';
import { makeRuleset, type Ruleset } from '../decision/ruleset.ts';
import type { LedgerStore } from '../ledger/ledger-store.ts';
import type { RiskDatabase } from '../store/open-database.ts';
import { type Explanation, explainDecision, type KeptDecision } from './explain.ts';
import { keepFirst } from './first-decision.ts';
import { FollowUp, orderedOf } from './follow-up.ts';
import { isSameRefund, keepDecision, keptDecision, keptRefund, lockRefund, refundOf } from './kept.ts';
import type { LegalPolicy } from './legal-policy.ts';
import { lookAtPayments } from './payment-side.ts';
import { factsOf, type ParcelsRead, readFacts, readParcels } from './refund-facts.ts';
import { countedFrom, type RefundRequest } from './refund-request.ts';
import type { Owner, Trx } from './rights.ts';
import { type Settlement, type SettlementRefusal, Settlements } from './settlements.ts';
import { type Standing, type Verdict, type VerdictRefusal, Verdicts } from './verdicts.ts';

export interface RefundDeskParts extends Owner {
  readonly database: RiskDatabase;
  readonly ledger: Pick<LedgerStore, 'ledgers'>;
  readonly crypto: EvidenceCrypto;
  readonly ruleset: Ruleset;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Terms of the law where they are not those of the European Union. */
  readonly legal?: LegalPolicy;
}

/** SQLSTATE (PostgreSQL, appendix A). */
const UNIQUE_VIOLATION = '23505';

export type StoredDecision = KeptDecision;

/**
 * `key_reused`: another body under a known key. `refund_known`: another request under a known refund. `refund_closed`: it
 * was answered for good, or its payment is ordered. `requested_at`: asked for in the future.
 */
export type DeskRefusal = 'key_reused' | 'refund_known' | 'refund_closed' | 'requested_at';

export class RefundDesk {
  readonly #parts: RefundDeskParts;
  readonly #followUp: FollowUp;
  readonly #verdicts: Verdicts;
  readonly #settlements: Settlements;

  constructor(parts: RefundDeskParts) {
    this.#parts = parts;
    this.#followUp = followUpOf(parts);
    this.#verdicts = new Verdicts(parts, this.#followUp);
    this.#settlements = new Settlements(parts, this.#followUp);
  }

  /** The same key with the same body gives the same answer, and decides nothing anew. */
  async decide(key: string, request: RefundRequest): Promise<Result<Decision, DeskRefusal>> {
    try {
      return await this.#decide(key, request);
    } catch (error) {
      // Somebody else kept this key, or this refund, between our look and our word: now both are seen.
      if ((error as { readonly code?: unknown } | null)?.code !== UNIQUE_VIOLATION) throw error;
      return this.#decide(key, request);
    }
  }

  async #decide(key: string, request: RefundRequest): Promise<Result<Decision, DeskRefusal>> {
    const { database, crypto, ruleset } = this.#parts;
    const bodyHash = sha256Json(crypto, request);
    const asOfMs = this.#parts.clock.wallMs();
    const read = await readParcels(this.#parts, request, asOfMs);
    const counted = countedFrom(request, asOfMs);
    const refund = refundOf(request, counted.ok ? counted.value : asOfMs);
    return database.as('payments', async (trx) => {
      await lockRefund(trx, request);
      const side = await lookAtPayments(trx, ruleset.parameters, refund, key);
      if (side.answered !== undefined) {
        if (side.answered.body_hash !== bodyHash)
          return refuse('key_reused', 'this idempotency key came with another body before');
        return accept(await decisionOf(trx, side.answered.decision_id));
      }
      if (!counted.ok) return counted;
      if (side.known) return this.#again(trx, { key, bodyHash, request, asOfMs, read });
      const facts = factsOf(refund, asOfMs, read, side);
      const decision = decide(crypto, facts, ruleset);
      const effects = this.#followUp.first(refund, decision);
      await keepFirst(trx, this.#parts, { key, bodyHash, request, refund, ruleset, facts, decision, effects });
      if (effects.opening !== undefined) await this.#followUp.openCase(trx, effects.opening);
      return accept(decision);
    });
  }

  /** Of a refund that is kept: the later decision takes the place of the one before. */
  async #again(trx: Trx, asked: Asked): Promise<Result<Decision, DeskRefusal>> {
    const { key, bodyHash, request, asOfMs, read } = asked;
    const { ruleset, crypto } = this.#parts;
    const refund = await keptRefund(trx, request.refund_id);
    if (refund === undefined || !isSameRefund(refund, request)) {
      return refuse('refund_known', 'this refund was requested before with other particulars');
    }
    if (refund.state !== 'open' || (await orderedOf(trx, refund.refund_id)).has('pay')) {
      const state = refund.state === 'open' ? 'its payment was ordered' : `it is ${refund.state}`;
      return refuse('refund_closed', `this refund was answered before: ${state}`);
    }
    const facts = await readFacts(trx, ruleset.parameters, refund, asOfMs, read);
    const decision = decide(crypto, facts, ruleset);
    const fresh = await keepDecision(trx, this.#parts, ruleset, facts, decision);
    await this.#keepAnswer(trx, key, bodyHash, decision.decision_id);
    if (fresh) await this.#followUp.follow(trx, refund, decision);
    return accept(decision);
  }

  /** Undefined when there is none of that name. */
  decision(decisionId: string): Promise<StoredDecision | undefined> {
    return this.#parts.database.as('payments', (trx) => keptDecision(trx, decisionId));
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

  /** A person lets a held refund be paid: once as many have said so as it asks for, it is ordered. */
  release(holdId: string, verdict: Verdict): Promise<Result<Standing, VerdictRefusal>> {
    return this.#verdicts.release(holdId, verdict);
  }

  /** A person refuses a refund for good. */
  deny(refundId: string, verdict: Verdict): Promise<Result<Standing, VerdictRefusal>> {
    return this.#verdicts.deny(refundId, verdict);
  }

  /** Whoever asked for it takes it back, while nothing was ordered. */
  cancel(refundId: string, verdict: Verdict): Promise<Result<Standing, VerdictRefusal>> {
    return this.#verdicts.cancel(refundId, verdict);
  }

  /** The payment side confirms that it paid. The same confirmation again changes nothing. */
  settle(refundId: string, settlement: Settlement): Promise<Result<'paid', SettlementRefusal>> {
    return this.#settlements.settle(refundId, settlement);
  }

  async #keepAnswer(trx: Trx, key: string, bodyHash: string, decisionId: string): Promise<void> {
    const { tenant, region } = this.#parts;
    await trx
      .insertInto('payments.request')
      .values({ idempotency_key: key, body_hash: bodyHash, decision_id: decisionId, tenant, region })
      .execute();
  }
}

export function followUpOf({ crypto, tenant, region, ruleset, legal = {} }: RefundDeskParts): FollowUp {
  return new FollowUp({ crypto, tenant, region, parameters: ruleset.parameters, legal });
}

interface Asked {
  readonly key: string;
  readonly bodyHash: string;
  readonly request: RefundRequest;
  readonly asOfMs: number;
  readonly read: ParcelsRead;
}

async function decisionOf(trx: Trx, decisionId: string): Promise<Decision> {
  const kept = await keptDecision(trx, decisionId);
  if (kept === undefined) throw new Error(`the decision ${decisionId} of a known key is gone`);
  return kept.decision;
}
