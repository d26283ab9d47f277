/**
 * What people say about a held refund: that it may be paid, or that it is refused. To refuse is a person's act alone, with
 * a name and a reason. Who a person is, and whether they may, is asked before it comes here.
 */
import type { Clock } from '../../base/clock.ts';
import { accept, type Result, refuse } from '../../base/result.ts';
import { personalTrace, TRACE_ADVICE, traceInWords } from '../../evidence/event/identifier.ts';
import type { CustomerNames } from '../customers/customer-names.ts';
import { isOwnHousehold } from '../customers/customer-rows.ts';
import type { RiskDatabase } from '../store/open-database.ts';
import type { VerdictTable } from '../store/schema.ts';
import { type FollowUp, type Hold, openHoldOf, orderedOf } from './follow-up.ts';
import { type KeptRefund, keptRefund } from './kept.ts';
import { lockRefund } from './locks.ts';
import { otherPaymentsOf, otherPaymentsSeen } from './payment-side.ts';
import { asCases, type Owner, type Trx } from './rights.ts';

export interface Verdict {
  /** The person, as the caller authenticated them. */
  readonly actor: string;
  readonly reason: string;
}

export interface Standing {
  readonly refund_id: string;
  readonly state: 'held' | 'released' | 'denied' | 'cancelled';
  /** People who must let it be paid, and how many did. */
  readonly need: number;
  readonly have: number;
}

/**
 * `hold_unknown`, `refund_unknown`: there is none of that name. `hold_closed`: it ended before. `refund_closed`: it was
 * answered for good, or its payment is ordered. `own_refund`: who asked for a refund cannot let it be paid. `own_household`:
 * nor can who lives with the customer. `blocked`: it exceeds what is left of the payment. `facts_missing`: what it stands
 * on could not be read yet, or the same parcel is refunded since out of another payment. `reason`: none was given.
 */
export type VerdictRefusal =
  | 'hold_unknown'
  | 'refund_unknown'
  | 'hold_closed'
  | 'refund_closed'
  | 'own_refund'
  | 'own_household'
  | 'blocked'
  | 'facts_missing'
  | 'reason';

export interface VerdictParts extends Owner {
  readonly database: RiskDatabase;
  readonly clock: Clock;
  readonly customers?: CustomerNames;
}

type Work = (trx: Trx, refund: KeptRefund, hold: Hold | undefined) => Promise<Result<Standing, VerdictRefusal>>;

const TEXT_MAX = 500;
const BLOCKED = 'it exceeds what is left of its payment, and can only be denied';
/** SQLSTATE (PostgreSQL, appendix A). */
const CHECK_VIOLATION = '23514';

export class Verdicts {
  readonly #parts: VerdictParts;
  readonly #followUp: FollowUp;

  constructor(parts: VerdictParts, followUp: FollowUp) {
    this.#parts = parts;
    this.#followUp = followUp;
  }

  async release(holdId: string, verdict: Verdict): Promise<Result<Standing, VerdictRefusal>> {
    const found = await this.#refundOf(holdId);
    if (found === undefined) return refuse('hold_unknown', `there is no hold ${JSON.stringify(holdId)}`);
    return this.#within(found, verdict, async (trx, refund, hold) => {
      if (hold?.hold_id !== holdId) return refuse('hold_closed', `the hold ${holdId} has ended`);
      const refused = refusalOf(refund, hold, verdict);
      if (refused !== undefined) return refused;
      if (await this.#isOwnHousehold(trx, refund, verdict))
        return refuse(
          'own_household',
          'whoever lives with the customer cannot let the refund be paid: ask another person',
        );
      const since = await this.#refundedSince(trx, refund, hold);
      if (since !== undefined) return since;
      await this.#keep(trx, hold.decision_id, hold.hold_id, refund, 'release', verdict);
      const need = Math.max(1, hold.approvals);
      const have = await this.#releasesOf(trx, hold.decision_id);
      const standing = { refund_id: refund.refund_id, need, have };
      await this.#followUp.holdEvent(trx, holdId, this.#event('release_said', verdict));
      if (have < need) return accept({ ...standing, state: 'held' });
      await this.#pay(trx, refund, hold, verdict);
      return accept({ ...standing, state: 'released' });
    });
  }

  async deny(refundId: string, verdict: Verdict): Promise<Result<Standing, VerdictRefusal>> {
    return this.#alone(refundId, verdict, async (trx, refund, hold) => {
      const decisionId = hold?.decision_id ?? (await latestDecision(trx, refundId));
      await this.#keep(trx, decisionId, hold?.hold_id ?? '', refund, 'deny', verdict);
      return this.#close(trx, refund, hold, decisionId, 'denied', verdict);
    });
  }

  async cancel(refundId: string, verdict: Verdict): Promise<Result<Standing, VerdictRefusal>> {
    return this.#alone(refundId, verdict, async (trx, refund, hold) => {
      const decisionId = hold?.decision_id ?? (await latestDecision(trx, refundId));
      return this.#close(trx, refund, hold, decisionId, 'cancelled', verdict);
    });
  }

  /** A payment of which less was captured since than the hold was placed on: the database orders no more than that. */
  async #within(refundId: string, verdict: Verdict, work: Work): Promise<Result<Standing, VerdictRefusal>> {
    try {
      return await this.#alone(refundId, verdict, work);
    } catch (error) {
      if ((error as { readonly code?: unknown }).code !== CHECK_VIOLATION) throw error;
      return refuse('blocked', BLOCKED);
    }
  }

  /** The work under the operator's lock, on a refund that is still open. */
  async #alone(refundId: string, verdict: Verdict, work: Work): Promise<Result<Standing, VerdictRefusal>> {
    if (!isText(verdict.actor) || !isText(verdict.reason)) {
      return refuse('reason', `expected the person and a reason of 1 to ${TEXT_MAX} characters each`);
    }
    const named = personalTrace(verdict.actor);
    if (named !== undefined)
      return refuse('reason', `the person is kept for good by a login or a name of work: ${TRACE_ADVICE[named]}`);
    const trace = traceInWords(verdict.reason);
    if (trace !== undefined) return refuse('reason', `the reason is kept for good, but ${TRACE_ADVICE[trace]}`);
    return this.#parts.database.as('payments', async (trx) => {
      const first = await keptRefund(trx, refundId);
      if (first === undefined) return refuse('refund_unknown', `there is no refund ${JSON.stringify(refundId)}`);
      await lockRefund(trx, first);
      const refund = await keptRefund(trx, refundId);
      const hold = await openHoldOf(trx, refundId);
      if (refund?.state !== 'open' || (await orderedOf(trx, refundId)).has('pay')) {
        return refuse('refund_closed', 'this refund was answered before, or its payment is ordered');
      }
      return work(trx, refund, hold);
    });
  }

  async #isOwnHousehold(trx: Trx, { payment_ref }: KeptRefund, { actor }: Verdict): Promise<boolean> {
    const { customers } = this.#parts;
    return customers !== undefined && isOwnHousehold(trx, customers, actor, payment_ref);
  }

  /**
   * What the person looked at did not name these other refunds, whatever it named beside: it is decided again at once, and
   * then they see them.
   */
  async #refundedSince(trx: Trx, refund: KeptRefund, hold: Hold) {
    const standing = await otherPaymentsOf(trx, refund);
    if (standing.length === 0) return undefined;
    const seen = await otherPaymentsSeen(trx, hold.decision_id);
    const others = standing.filter((id) => !seen.has(id));
    if (others.length === 0) return undefined;
    const at = new Date(this.#parts.clock.wallMs());
    const change = { next_check_at: at, due_at: at };
    await trx.updateTable('payments.hold').set(change).where('hold_id', '=', hold.hold_id).execute();
    return refuse(
      'facts_missing',
      `the same parcel is refunded since by ${others.join(', ')}, out of another payment: it is decided again, look at that`,
    );
  }

  #refundOf(holdId: string): Promise<string | undefined> {
    return this.#parts.database.as('payments', async (trx) => {
      const row = await trx
        .selectFrom('payments.hold')
        .select('refund_id')
        .where('hold_id', '=', holdId)
        .executeTakeFirst();
      return row?.refund_id;
    });
  }

  async #pay(trx: Trx, refund: KeptRefund, hold: Hold, verdict: Verdict): Promise<void> {
    const atMs = this.#parts.clock.wallMs();
    const cause = { decisionId: hold.decision_id, atMs };
    const { actions } = this.#followUp;
    await this.#followUp.endHold(trx, hold, { state: 'released', atMs, actor: verdict.actor, detail: verdict.reason });
    await this.#thaw(trx, refund, cause);
    await this.#followUp.send(trx, actions.pay(refund, cause, { because: 'released by people' }), atMs);
    await this.#followUp.answered(trx, refund, this.#event('released', verdict));
  }

  async #close(
    trx: Trx,
    refund: KeptRefund,
    hold: Hold | undefined,
    decisionId: string,
    state: 'denied' | 'cancelled',
    verdict: Verdict,
  ): Promise<Result<Standing, VerdictRefusal>> {
    const atMs = this.#parts.clock.wallMs();
    const cause = { decisionId, atMs };
    const { actions } = this.#followUp;
    await trx.updateTable('payments.refund').set({ state }).where('refund_id', '=', refund.refund_id).execute();
    if (hold !== undefined) {
      await this.#followUp.endHold(trx, hold, { state, atMs, actor: verdict.actor, detail: verdict.reason });
    }
    await this.#thaw(trx, refund, cause);
    const message = state === 'denied' ? actions.deny(refund, cause) : actions.cancel(refund, cause);
    await this.#followUp.send(trx, message, atMs);
    await this.#followUp.answered(trx, refund, this.#event(state, verdict));
    return accept({ refund_id: refund.refund_id, state, need: 0, have: 0 });
  }

  async #thaw(
    trx: Trx,
    refund: KeptRefund,
    cause: { readonly decisionId: string; readonly atMs: number },
  ): Promise<void> {
    if (!(await this.#followUp.isFrozen(trx, refund.refund_id))) return;
    await this.#followUp.send(trx, this.#followUp.actions.releasePayout(refund, cause), cause.atMs);
  }

  /** The same word of the same person about the same decision counts once. */
  async #keep(
    trx: Trx,
    decisionId: string,
    holdId: string,
    refund: KeptRefund,
    verdict: VerdictTable['verdict'],
    { actor, reason }: Verdict,
  ): Promise<void> {
    const { tenant, region, clock } = this.#parts;
    const at = new Date(clock.wallMs());
    const named = { decision_id: decisionId, actor, refund_id: refund.refund_id, hold_id: holdId };
    await asCases(trx, () =>
      trx
        .insertInto('cases.verdict')
        .values({ ...named, verdict, reason, at, tenant, region })
        .onConflict((conflict) => conflict.doNothing())
        .execute(),
    );
  }

  async #releasesOf(trx: Trx, decisionId: string): Promise<number> {
    const rows = await asCases(trx, () =>
      trx
        .selectFrom('cases.verdict')
        .select('actor')
        .where('decision_id', '=', decisionId)
        .where('verdict', '=', 'release')
        .execute(),
    );
    return rows.length;
  }

  #event(what: string, { actor, reason }: Verdict) {
    return { atMs: this.#parts.clock.wallMs(), what, actor, detail: reason };
  }
}

function refusalOf(
  refund: KeptRefund,
  hold: Hold,
  { actor }: Verdict,
): ReturnType<typeof refuse<VerdictRefusal>> | undefined {
  if (actor === refund.operator) return refuse('own_refund', 'whoever asked for a refund cannot let it be paid');
  if (hold.blocked) return refuse('blocked', BLOCKED);
  if (hold.codes.includes('DEPENDENCY_DOWN')) {
    return refuse('facts_missing', 'what it stands on could not be read; it is decided again within a short time');
  }
  return undefined;
}

async function latestDecision(trx: Trx, refundId: string): Promise<string> {
  const { decision_id } = await trx
    .selectFrom('payments.decision')
    .select('decision_id')
    .where('refund_id', '=', refundId)
    .orderBy('decided_at', 'desc')
    .executeTakeFirstOrThrow();
  return decision_id;
}

function isText(text: string): boolean {
  return text.trim() !== '' && text.length <= TEXT_MAX;
}
