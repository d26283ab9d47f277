/**
 * Decides about refunds, once for each idempotency key, keeps what each decision was made of, and has done what follows.
 *
 * Those that come at once are decided in one transaction, one after the other, each on what those before it have done.
 * Refunds of one operator, payment, parcel or customer wait for each other (`locks.ts`), whoever decides them, so that of
 * many each sees the ones before it. The ledger is read before that, under the rights of custody alone: whoever pays never
 * touches evidence. What cannot be read makes a hold with a short deadline, never a payment. Holds, cases and
 * the commands to the payment side are written in the transaction of the decision: there is none without the other.
 */
import { present } from '../../base/assert.ts';
import type { Clock } from '../../base/clock.ts';
import { messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import { accept, type Result, refuse } from '../../base/result.ts';
import type { EvidenceCrypto } from '../../evidence/crypto.ts';
import type { CustomerNames } from '../customers/customer-names.ts';
import { sha256Json } from '../decision/decide.ts';
import { type Decision, decide, factsText } from '../decision/decision.ts';
import { makeRuleset, type Ruleset } from '../decision/ruleset.ts';
import type { LedgerStore } from '../ledger/ledger-store.ts';
import { findingIds } from '../patterns/findings.ts';
import type { RiskDatabase } from '../store/open-database.ts';
import { explainDecision, type KeptDecision, type ToldWhole } from './explain.ts';
import { type First, keepFirsts } from './first-decision.ts';
import { FollowUp, orderedOf } from './follow-up.ts';
import { Groups } from './groups.ts';
import { followedUp } from './hold-book.ts';
import { isSameRefund, keepDecision, keptDecision, keptRefund, refundOf } from './kept.ts';
import type { LegalPolicy } from './legal-policy.ts';
import { lockRefund, lockRefunds } from './locks.ts';
import { type Earlier, lookAtPayments, type PaymentSide, withEarlier } from './payment-side.ts';
import { factsOf, householdOf, type ParcelsRead, readFacts, readParcels, readParcelsOf } from './refund-facts.ts';
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
  /** Without it nobody is known to live with a customer. */
  readonly customers?: CustomerNames;
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
  readonly #groups: Groups<Asked, Answer>;

  constructor(parts: RefundDeskParts) {
    this.#parts = parts;
    this.#groups = new Groups({
      together: (asked) => this.#together(asked),
      alone: (asked) => this.#alone(asked),
      namesOf: ({ key, request }) => [`key ${key}`, `refund ${request.refund_id}`],
      weightOf: ({ request }) => Math.max(1, request.parcel_refs.length),
    });
    this.#followUp = followUpOf(parts);
    this.#verdicts = new Verdicts(parts, this.#followUp);
    this.#settlements = new Settlements(parts, this.#followUp);
  }

  /**
   * The same key with the same body gives the same answer, and decides nothing anew. Rejects with TIMED_OUT when too many
   * wait already.
   */
  async decide(key: string, request: RefundRequest): Promise<Result<Decision, DeskRefusal>> {
    return this.#groups.ask({ key, request, bodyHash: sha256Json(this.#parts.crypto, request) });
  }

  async #alone(asked: Asked): Promise<Answer> {
    try {
      return await this.#one(asked);
    } catch (error) {
      // Somebody else kept this key, or this refund, between our look and our word: now both are seen.
      if ((error as { readonly code?: unknown } | null)?.code !== UNIQUE_VIOLATION) throw error;
      return this.#one(asked);
    }
  }

  async #one(asked: Asked): Promise<Answer> {
    const { database, clock } = this.#parts;
    const asOfMs = clock.wallMs();
    const read = await readParcels(this.#parts, asked.request, asOfMs);
    return database.as('payments', async (trx) => {
      await lockRefund(trx, asked.request);
      const [answer] = await this.#answers(trx, [{ ...asked, read }], asOfMs);
      return answer ?? this.#again(trx, { ...asked, read }, asOfMs);
    });
  }

  /** Undefined for refunds that are known: they are decided again by themselves. */
  async #together(asked: readonly Asked[]): Promise<readonly (Answer | undefined)[]> {
    const { database, clock, logger } = this.#parts;
    const asOfMs = clock.wallMs();
    try {
      const reads = await readParcelsOf(this.#parts, requestsOf(asked), asOfMs);
      const read = asked.map((one, i) => ({ ...one, read: present(reads[i], 'what was read of its parcels') }));
      return await database.as('payments', async (trx) => {
        await lockRefunds(trx, requestsOf(asked));
        return this.#answers(trx, read, asOfMs);
      });
    } catch (error) {
      logger.warn({ error: messageOf(error), refunds: asked.length }, 'refunds are decided one by one');
      throw error;
    }
  }

  /** Once all are locked: one after the other, each on what those before it have done; then all is kept. */
  async #answers(trx: Trx, asked: readonly Read[], asOfMs: number): Promise<readonly (Answer | undefined)[]> {
    const { ruleset, customers } = this.#parts;
    const counted = asked.map(({ request }) => countedFrom(request, asOfMs));
    const looked = asked.map(({ key, request, read }, i) => {
      const from = counted[i];
      const refund = refundOf(request, from?.ok === true ? from.value : asOfMs);
      const findings = findingIds(request.operator, read.parcels, read.hands);
      return { key, refund, findings, ...householdOf(customers, refund) };
    });
    const sides = await lookAtPayments(trx, ruleset.parameters, looked);
    const answers: (Answer | undefined)[] = [];
    const firsts: (First & Earlier)[] = [];
    for (const [i, one] of asked.entries()) {
      const side = present(sides[i], 'the payment side');
      const { refund } = present(looked[i], 'the refund');
      const from = present(counted[i], 'when it counts from');
      if (side.answered !== undefined) answers.push(await answerBefore(trx, side.answered, one.bodyHash));
      else if (!from.ok) answers.push(from);
      else if (side.known) answers.push(undefined);
      else {
        const first = this.#first(one, { refund, side: withEarlier(side, refund, ruleset.parameters, firsts) }, asOfMs);
        firsts.push(first);
        answers.push(accept(first.decision));
      }
    }
    if (firsts.length > 0) await this.#keep(trx, firsts, asOfMs);
    return answers;
  }

  #first(
    { key, bodyHash, request, read }: Read,
    { refund, side }: Omit<Earlier, 'isOrdered'>,
    asOfMs: number,
  ): First & Earlier {
    const { crypto, ruleset } = this.#parts;
    const facts = factsOf(refund, asOfMs, read, side);
    const text = factsText(facts);
    const decision = decide(crypto, facts, ruleset, text);
    const effects = this.#followUp.first(refund, decision);
    const isOrdered = decision.pay_now;
    return { key, bodyHash, request, refund, side, isOrdered, factsText: text, decision, effects };
  }

  async #keep(trx: Trx, firsts: readonly First[], atMs: number): Promise<void> {
    await keepFirsts(trx, this.#parts, { ruleset: this.#parts.ruleset, atMs, firsts });
    await this.#followUp.openCases(
      trx,
      firsts.flatMap(({ effects }) => effects.opening ?? []),
    );
  }

  /** Of a refund that is kept: the later decision takes the place of the one before. */
  async #again(trx: Trx, { key, bodyHash, request, read }: Read, asOfMs: number): Promise<Answer> {
    const { ruleset, crypto } = this.#parts;
    const refund = await keptRefund(trx, request.refund_id);
    if (refund === undefined || !isSameRefund(refund, request)) {
      return refuse('refund_known', 'this refund was requested before with other particulars');
    }
    if (refund.state !== 'open' || (await orderedOf(trx, refund.refund_id)).has('pay')) {
      const state = refund.state === 'open' ? 'its payment was ordered' : `it is ${refund.state}`;
      return refuse('refund_closed', `this refund was answered before: ${state}`);
    }
    const facts = await readFacts(trx, this.#parts, refund, asOfMs, read);
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
  async explain(decisionId: string): Promise<ToldWhole | undefined> {
    return this.#parts.database.as('payments', async (trx) => {
      const stored = await keptDecision(trx, decisionId);
      if (stored === undefined) return undefined;
      const followed = await followedUp(trx, stored.decision.refund_id);
      return { ...explainDecision(this.#parts.crypto, stored), ...followed };
    });
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

type Answer = Result<Decision, DeskRefusal>;

interface Asked {
  readonly key: string;
  readonly bodyHash: string;
  readonly request: RefundRequest;
}

interface Read extends Asked {
  readonly read: ParcelsRead;
}

function requestsOf(asked: readonly Asked[]): readonly RefundRequest[] {
  return asked.map(({ request }) => request);
}

async function answerBefore(
  trx: Trx,
  { body_hash, decision_id }: NonNullable<PaymentSide['answered']>,
  bodyHash: string,
): Promise<Answer> {
  if (body_hash !== bodyHash) return refuse('key_reused', 'this idempotency key came with another body before');
  const kept = await keptDecision(trx, decision_id);
  if (kept === undefined) throw new Error(`the decision ${decision_id} of a known key is gone`);
  return accept(kept.decision);
}
