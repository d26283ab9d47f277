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
import { caseIdOf, closeCases, joinCases, type Opening } from './case-book.ts';
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
export type HoldRow = Omit<Hold, 'ended_at' | 'tenant' | 'region'>;

export interface FirstEffects {
  /** In the order in which they leave. */
  readonly actions: readonly ActionMessage[];
  readonly hold?: HoldRow;
  readonly opening?: Opening;
}

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
    const { what, codes } = occasion;
    const opening = this.#openingOf(refund, cause, what, codes);
    await this.openCases(trx, [opening]);
    const subject = occasion.subject ?? caseIdOf(this.#parts.crypto, opening);
    await this.send(trx, this.actions.ticket(refund, cause, { subject, what, codes }), cause.atMs);
  }

  async openCases(trx: Trx, openings: readonly Opening[]): Promise<void> {
    if (openings.length === 0) return;
    await asCases(trx, () => joinCases(trx, this.#parts.crypto, this.#parts, openings));
  }

  /** What the first decision about a refund has done, with nothing written before it. */
  first(refund: Refund, decision: Decision): FirstEffects {
    const cause = { decisionId: decision.decision_id, atMs: decision.as_of_ms };
    const codes = codesOf(decision);
    const what = decision.pay_now ? 'investigate' : decision.outcome.toLowerCase();
    const orders = decision.pay_now
      ? [this.actions.pay(refund, cause, { because: decision.outcome })]
      : this.#holdOrders(refund, decision, cause);
    const hold = decision.pay_now ? {} : { hold: this.#holdRow(refund, decision, cause, []) };
    if (!isToldOf(decision)) return { actions: orders, ...hold };
    const opening = this.#openingOf(refund, cause, what, codes);
    const subject = caseIdOf(this.#parts.crypto, opening);
    return { actions: [...orders, this.actions.ticket(refund, cause, { subject, what, codes })], ...hold, opening };
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
    if (isToldOf(decision)) {
      await this.tell(trx, refund, cause, { what: 'investigate', codes: codesOf(decision) });
      return;
    }
    // Whose payouts are frozen is still being looked into, also when this refund turned out to be owed.
    if (await this.isFrozen(trx, refund.refund_id)) return;
    await this.answered(trx, refund, { atMs: cause.atMs, what: 'paid', actor: 'system', detail: cause.decisionId });
  }

  async #hold(trx: Trx, refund: Refund, decision: Decision, cause: Cause, before: Hold | undefined): Promise<void> {
    const { region, tenant } = this.#parts;
    const steps = (before?.steps ?? []).filter((step) => KEPT_STEPS.has(step));
    const { codes, ...row } = this.#holdRow(refund, decision, cause, steps);
    const [codesText, release_when] = [JSON.stringify(codes), JSON.stringify(row.release_when)];
    const texts = { codes: codesText, release_when, steps: JSON.stringify(steps) };
    await trx
      .insertInto('payments.hold')
      .values({ ...row, ...texts, ended_at: null, tenant, region })
      .execute();
    const placed = { atMs: cause.atMs, what: 'placed', actor: 'system', detail: codes.join(', ') };
    await this.holdEvent(trx, row.hold_id, placed);
    for (const order of this.#holdOrders(refund, decision, cause)) await this.send(trx, order, cause.atMs);
    await asCases(trx, () =>
      closeCases(trx, this.#parts, refund.refund_id, ['late_fact'], {
        atMs: cause.atMs,
        what: 'decided_again',
        actor: 'system',
        detail: decision.decision_id,
      }),
    );
    if (!isToldOf(decision)) return;
    await this.tell(trx, refund, cause, { what: decision.outcome.toLowerCase(), codes });
  }

  #holdOrders(refund: Refund, decision: Decision, cause: Cause): readonly ActionMessage[] {
    const { region, legal } = this.#parts;
    const untilMs = holdClocks(decision, refund.kind, refund.requestedMs, region, legal).deadline_at.getTime();
    const freezes = decision.outcome === 'HOLD' && decision.investigate;
    return [
      this.actions.holdSettlement(refund, cause, decision, untilMs),
      ...(freezes ? [this.actions.freezePayout(refund, cause, decision, untilMs)] : []),
    ];
  }

  #holdRow(refund: Refund, decision: Decision, cause: Cause, steps: readonly string[]): HoldRow {
    const { region, legal } = this.#parts;
    const clocks = holdClocks(decision, refund.kind, refund.requestedMs, region, legal);
    return {
      hold_id: holdIdOf(decision.decision_id),
      decision_id: decision.decision_id,
      refund_id: refund.refund_id,
      outcome: decision.outcome,
      codes: codesOf(decision),
      release_when: releaseWhen(decision),
      approvals: decision.approvals,
      blocked: decision.blocked,
      ...clocks,
      placed_at: new Date(cause.atMs),
      steps,
      due_at: nextHoldStep({ ...clocks, steps }),
      state: 'open',
    };
  }

  #openingOf(refund: Refund, cause: Cause, what: string, codes: readonly string[]): Opening {
    return {
      kind: 'refund',
      refundId: refund.refund_id,
      decisionId: cause.decisionId,
      mark: refund.refund_id,
      atMs: cause.atMs,
      containmentMs: this.#parts.parameters.containment_ms,
      what,
      detail: `${cause.decisionId}: ${codes.join(', ')}`,
    };
  }
}

/** Facts that are missing for a moment are asked for again by the clock, and by people once that does not help. */
function isToldOf(decision: Decision): boolean {
  if (decision.pay_now) return decision.outcome === 'PAY_AND_INVESTIGATE';
  return !codesOf(decision).every((code) => code === 'DEPENDENCY_DOWN');
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
