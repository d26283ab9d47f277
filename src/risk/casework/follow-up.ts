/**
 * What follows from a decision, in its own transaction: a payment is ordered, or a hold is placed with its clocks; a case
 * is opened where somebody has to look; the world outside is told through the outbox.
 *
 * A later decision about the same refund ends the hold of the one before, and takes over what it already warned of.
 */
import type { Selectable } from 'kysely';
import type { EvidenceCrypto } from '../../evidence/crypto.ts';
import type { Decision } from '../decision/decision.ts';
import type { Parameters } from '../decision/ruleset.ts';
import type { HoldTable } from '../store/schema.ts';
import { ActionMaker, type ActionMessage, type Cause } from './actions.ts';
import { closeCases, openCase } from './case-book.ts';
import { holdClocks, nextHoldStep } from './clocks.ts';
import type { LegalPolicy } from './legal-policy.ts';
import { enqueue } from './outbox.ts';
import type { Refund } from './refund-facts.ts';
import { asCases, type Owner, type Trx } from './rights.ts';

export interface FollowUpParts extends Owner {
  readonly crypto: Pick<EvidenceCrypto, 'sha256'>;
  readonly parameters: Parameters;
  readonly legal: LegalPolicy;
}

export type Hold = Selectable<HoldTable>;

/** Warnings that belong to the refund, whichever decision holds it. */
const KEPT_STEPS: ReadonlySet<string> = new Set(['half', 'late', 'deadline']);

export class FollowUp {
  readonly actions: ActionMaker;
  readonly #parts: FollowUpParts;

  constructor(parts: FollowUpParts) {
    this.#parts = parts;
    this.actions = new ActionMaker(parts.crypto);
  }

  /** Of a decision that was kept just now. */
  async follow(trx: Trx, refund: Refund, decision: Decision): Promise<void> {
    const before = await openHoldOf(trx, refund.refund_id);
    const cause = { decisionId: decision.decision_id, atMs: decision.as_of_ms };
    if (before !== undefined) {
      const state = decision.pay_now ? 'paid' : 'superseded';
      await this.endHold(trx, before, { state, atMs: cause.atMs, actor: 'system', detail: cause.decisionId });
    }
    if (decision.pay_now) await this.#pay(trx, refund, decision, cause);
    else await this.#hold(trx, refund, decision, cause, before);
  }

  /** True unless its payment was ordered before. */
  async send(trx: Trx, message: ActionMessage, atMs: number): Promise<boolean> {
    return enqueue(trx, this.#parts, message, atMs);
  }

  async endHold(
    trx: Trx,
    hold: Hold,
    end: {
      readonly state: Exclude<Hold['state'], 'open'>;
      readonly atMs: number;
      readonly actor: string;
      readonly detail: string;
    },
  ): Promise<void> {
    const { state, atMs, actor, detail } = end;
    await trx
      .updateTable('payments.hold')
      .set({ state, ended_at: new Date(atMs) })
      .where('hold_id', '=', hold.hold_id)
      .execute();
    await this.holdEvent(trx, hold.hold_id, { atMs, what: state, actor, detail });
  }

  async holdEvent(
    trx: Trx,
    holdId: string,
    event: { readonly atMs: number; readonly what: string; readonly actor: string; readonly detail?: string },
  ): Promise<void> {
    const { tenant, region } = this.#parts;
    const { atMs, what, actor, detail } = event;
    await trx
      .insertInto('payments.hold_event')
      .values({ hold_id: holdId, at: new Date(atMs), what, actor, detail: detail ?? null, tenant, region })
      .execute();
  }

  /** Opens or joins the refund's case, and has a ticket written once for each occasion. */
  async tell(
    trx: Trx,
    refund: Refund,
    cause: Cause,
    occasion: { readonly what: string; readonly codes: readonly string[]; readonly subject?: string },
  ): Promise<void> {
    const { crypto, parameters } = this.#parts;
    const { what, codes } = occasion;
    const { caseId } = await asCases(trx, () =>
      openCase(trx, crypto, this.#parts, {
        kind: 'refund',
        refundId: refund.refund_id,
        decisionId: cause.decisionId,
        mark: refund.refund_id,
        atMs: cause.atMs,
        containmentMs: parameters.containment_ms,
        what,
        detail: `${cause.decisionId}: ${codes.join(', ')}`,
      }),
    );
    const subject = occasion.subject ?? caseId;
    await this.send(trx, this.actions.ticket(refund, cause, { subject, what, codes }), cause.atMs);
  }

  /** What is asked about the refund is answered, by a payment, a person, or whoever asked. */
  async answered(
    trx: Trx,
    refund: Refund,
    why: { readonly atMs: number; readonly what: string; readonly actor: string; readonly detail: string },
  ): Promise<void> {
    await asCases(trx, () => closeCases(trx, this.#parts, refund.refund_id, ['refund', 'late_fact'], why));
  }

  async isFrozen(trx: Trx, refundId: string): Promise<boolean> {
    return (await orderedOf(trx, refundId)).has('freeze_payout');
  }

  async #pay(trx: Trx, refund: Refund, decision: Decision, cause: Cause): Promise<void> {
    await this.send(trx, this.actions.pay(refund, cause, { because: decision.outcome }), cause.atMs);
    if (decision.outcome === 'PAY_AND_INVESTIGATE') {
      await this.tell(trx, refund, cause, { what: 'investigate', codes: codesOf(decision) });
      return;
    }
    // Whose payouts are frozen is still being looked into, also when this refund turned out to be owed.
    if (await this.isFrozen(trx, refund.refund_id)) return;
    await this.answered(trx, refund, { atMs: cause.atMs, what: 'paid', actor: 'system', detail: cause.decisionId });
  }

  async #hold(trx: Trx, refund: Refund, decision: Decision, cause: Cause, before: Hold | undefined): Promise<void> {
    const { region, tenant, legal } = this.#parts;
    const clocks = holdClocks(decision, refund.kind, refund.requestedMs, region, legal);
    const steps = (before?.steps ?? []).filter((step) => KEPT_STEPS.has(step));
    const codes = codesOf(decision);
    const hold_id = holdIdOf(decision.decision_id);
    await trx
      .insertInto('payments.hold')
      .values({
        hold_id,
        decision_id: decision.decision_id,
        refund_id: refund.refund_id,
        outcome: decision.outcome,
        codes: JSON.stringify(codes),
        release_when: JSON.stringify(releaseWhen(decision)),
        approvals: decision.approvals,
        blocked: decision.blocked,
        ...clocks,
        placed_at: new Date(cause.atMs),
        steps: JSON.stringify(steps),
        due_at: nextHoldStep({ ...clocks, steps }),
        state: 'open',
        ended_at: null,
        tenant,
        region,
      })
      .execute();
    await this.holdEvent(trx, hold_id, { atMs: cause.atMs, what: 'placed', actor: 'system', detail: codes.join(', ') });
    const untilMs = clocks.deadline_at.getTime();
    await this.send(trx, this.actions.holdSettlement(refund, cause, decision, untilMs), cause.atMs);
    if (decision.outcome === 'HOLD' && decision.investigate) {
      await this.send(trx, this.actions.freezePayout(refund, cause, decision, untilMs), cause.atMs);
    }
    await asCases(trx, () =>
      closeCases(trx, this.#parts, refund.refund_id, ['late_fact'], {
        atMs: cause.atMs,
        what: 'decided_again',
        actor: 'system',
        detail: decision.decision_id,
      }),
    );
    // Facts that are missing for a moment are asked for again by the clock, and by people once that does not help.
    if (codes.every((code) => code === 'DEPENDENCY_DOWN')) return;
    await this.tell(trx, refund, cause, { what: decision.outcome.toLowerCase(), codes });
  }
}

export function holdIdOf(decisionId: string): string {
  return `h-${decisionId.slice(2)}`;
}

/** Locked until the transaction ends. */
export function openHoldOf(trx: Trx, refundId: string): Promise<Hold | undefined> {
  return trx
    .selectFrom('payments.hold')
    .selectAll()
    .where('refund_id', '=', refundId)
    .where('state', '=', 'open')
    .forUpdate()
    .executeTakeFirst();
}

/** Actions that were ordered for a refund. */
export async function orderedOf(trx: Trx, refundId: string): Promise<ReadonlySet<string>> {
  const rows = await trx.selectFrom('payments.outbox').select('action').where('refund_id', '=', refundId).execute();
  return new Set(rows.map(({ action }) => action));
}

export function codesOf({ reasons }: Pick<Decision, 'reasons'>): readonly string[] {
  return [...new Set(reasons.map(({ code }) => code))];
}

/** Words for programs first, then what would change the answer, in sentences. */
function releaseWhen({ release_when, counterfactuals }: Decision): readonly string[] {
  return [...release_when, ...counterfactuals.map(({ outcome, text }) => `${outcome} ${text}`)];
}
