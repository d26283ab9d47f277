/**
 * What the payment side confirms: that a refund was paid, and how. A confirmation is what makes a refund `paid`; the
 * database then holds it against what was captured.
 *
 * One that contradicts what was decided is refused, and opens a case: money moved that nobody ordered, or twice.
 */
import { hex, utf8 } from '../../base/bytes.ts';
import type { Clock } from '../../base/clock.ts';
import { accept, type Result, refuse } from '../../base/result.ts';
import type { EvidenceCrypto } from '../../evidence/crypto.ts';
import type { Parameters, Ruleset } from '../decision/ruleset.ts';
import type { RiskDatabase } from '../store/open-database.ts';
import { openCase } from './case-book.ts';
import { type FollowUp, orderedOf } from './follow-up.ts';
import { GivenUp } from './given-up.ts';
import { type KeptRefund, keptRefund } from './kept.ts';
import { lockRefund } from './locks.ts';
import { asCases, type Owner, type Trx } from './rights.ts';

export interface Settlement {
  /** Of the payment side: one for each payment. */
  readonly reference: string;
  readonly amount_minor: number;
  readonly currency: string;
  readonly settled_at_ms: number;
}

/**
 * `refund_unknown`: there is none of that name. `settled_before`: by another reference. `reference_known`: of another
 * refund. `amount_differs`. `not_ordered`: no payment was ordered, or it was denied. `exceeds_captured`. All but the first
 * open a case.
 */
export type SettlementRefusal =
  | 'refund_unknown'
  | 'settled_before'
  | 'reference_known'
  | 'amount_differs'
  | 'not_ordered'
  | 'exceeds_captured';

export interface SettlementParts extends Owner {
  readonly database: RiskDatabase;
  readonly crypto: Pick<EvidenceCrypto, 'sha256'>;
  readonly clock: Clock;
  readonly ruleset: Ruleset;
}

/** SQLSTATE (PostgreSQL, appendix A). */
const CHECK_VIOLATION = '23514';
const UNIQUE_VIOLATION = '23505';

export class Settlements {
  readonly #parts: SettlementParts;
  readonly #followUp: FollowUp;
  readonly #givenUp: GivenUp;

  constructor(parts: SettlementParts, followUp: FollowUp) {
    const { crypto, tenant, region, ruleset } = parts;
    this.#parts = parts;
    this.#followUp = followUp;
    this.#givenUp = new GivenUp({ crypto, tenant, region, parameters: ruleset.parameters }, followUp);
  }

  async settle(refundId: string, settlement: Settlement): Promise<Result<'paid', SettlementRefusal>> {
    const answer = (await this.#record(refundId, settlement)) ?? (await this.#recordAgain(refundId, settlement));
    if (!answer.ok && answer.reason !== 'refund_unknown') await this.#report(refundId, settlement, answer.reason);
    return answer;
  }

  async #recordAgain(refundId: string, settlement: Settlement): Promise<Result<'paid', SettlementRefusal>> {
    return (
      (await this.#record(refundId, settlement)) ?? refuse('reference_known', 'this reference settles another refund')
    );
  }

  /** Undefined when another refund took the reference between our look and our word: then it is seen. */
  async #record(refundId: string, settlement: Settlement): Promise<Result<'paid', SettlementRefusal> | undefined> {
    try {
      return await this.#parts.database.as('payments', async (trx) => {
        const refund = await keptRefund(trx, refundId);
        if (refund === undefined) return refuse('refund_unknown', `there is no refund ${JSON.stringify(refundId)}`);
        await lockRefund(trx, refund);
        const refused = await this.#contradiction(trx, refund, settlement);
        if (refused !== undefined) return refused;
        await this.#keep(trx, refundId, settlement);
        return accept('paid');
      });
    } catch (error) {
      const { code } = error as { readonly code?: unknown };
      if (code === UNIQUE_VIOLATION) return undefined;
      if (code !== CHECK_VIOLATION) throw error;
      return refuse('exceeds_captured', 'the payments confirmed together exceed what was captured');
    }
  }

  async #contradiction(trx: Trx, refund: KeptRefund, settlement: Settlement) {
    const { reference, amount_minor, currency } = settlement;
    const known = await trx
      .selectFrom('payments.settlement')
      .selectAll()
      .where(({ eb, or }) => or([eb('refund_id', '=', refund.refund_id), eb('reference', '=', reference)]))
      .execute();
    const own = known.find(({ refund_id }) => refund_id === refund.refund_id);
    const same = own?.reference === reference && own.amount_minor === amount_minor && own.currency === currency;
    if (same) return accept('paid' as const);
    if (own !== undefined) return refuse('settled_before', `it was settled before, by ${own.reference}`);
    if (known.length > 0) return refuse('reference_known', 'this reference settled another refund');
    if (amount_minor !== refund.amount_minor || currency !== refund.currency) {
      return refuse(
        'amount_differs',
        `expected ${refund.amount_minor} ${refund.currency}, found ${amount_minor} ${currency}`,
      );
    }
    const ordered = await orderedOf(trx, refund.refund_id);
    const current = await keptRefund(trx, refund.refund_id);
    if (current?.state !== 'open' || !ordered.has('pay')) {
      return refuse('not_ordered', `no payment was ordered; the refund is ${current?.state ?? 'gone'}`);
    }
    return undefined;
  }

  async #keep(trx: Trx, refundId: string, settlement: Settlement): Promise<void> {
    const { tenant, region, clock } = this.#parts;
    const { reference, amount_minor, currency, settled_at_ms } = settlement;
    await trx.updateTable('payments.refund').set({ state: 'paid' }).where('refund_id', '=', refundId).execute();
    await trx
      .insertInto('payments.settlement')
      .values({
        refund_id: refundId,
        reference,
        amount_minor,
        currency,
        settled_at: new Date(settled_at_ms),
        recorded_at: new Date(clock.wallMs()),
        tenant,
        region,
      })
      .execute();
    await this.#endOrder(trx, refundId);
  }

  /**
   * What is paid is ordered no more, nor is its settlement held: else an order that was given up, and that people settled by
   * other means, could be had tried again, and would be paid twice. Whoever has it under way now comes too late.
   */
  async #endOrder(trx: Trx, refundId: string): Promise<void> {
    const nowMs = this.#parts.clock.wallMs();
    const ended = await trx
      .updateTable('payments.outbox')
      .set({ state: 'delivered', ended_at: new Date(nowMs), lease_until: null, said: 'settled' })
      .where('refund_id', '=', refundId)
      .where('action', 'in', ['pay', 'hold_settlement'])
      .where('state', '<>', 'delivered')
      .returning('key')
      .execute();
    for (const { key } of ended) await this.#givenUp.close(trx, key, 'settled', nowMs);
  }

  async #report(refundId: string, { reference }: Settlement, reason: SettlementRefusal): Promise<void> {
    const { database, crypto, clock, ruleset } = this.#parts;
    const { containment_ms }: Parameters = ruleset.parameters;
    const atMs = clock.wallMs();
    const digest = hex(crypto.sha256(utf8(reference))).slice(0, 16);
    await database.as('payments', async (trx) => {
      const refund = await keptRefund(trx, refundId);
      const latest = await trx
        .selectFrom('payments.decision')
        .select('decision_id')
        .where('refund_id', '=', refundId)
        .orderBy('decided_at', 'desc')
        .executeTakeFirst();
      if (refund === undefined || latest === undefined) return;
      const cause = { decisionId: latest.decision_id, atMs };
      const { caseId: subject } = await asCases(trx, () =>
        openCase(trx, crypto, this.#parts, {
          kind: 'settlement',
          refundId,
          decisionId: cause.decisionId,
          mark: `${refundId} ${reason} ${digest}`,
          atMs,
          containmentMs: containment_ms,
          what: reason,
          detail: `a confirmation that contradicts what was decided (reference ${digest})`,
        }),
      );
      const ticket = this.#followUp.actions.ticket(refund, cause, { subject, what: reason, codes: [reason] });
      await this.#followUp.send(trx, ticket, atMs);
    });
  }
}
