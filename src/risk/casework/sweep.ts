/**
 * Does what the clocks of holds and cases ask for: another look, warnings, and what a passed deadline does.
 *
 * Each hold is worked on in one transaction that moves its `due_at` on: a crash before its commit leaves it due, a crash
 * after leaves nothing to do, and of two services that sweep at once the second finds it moved. What is looked at again is
 * decided anew from the facts of now; an answer that differs is kept as another decision, and the hold goes over to it.
 */
import { sql } from 'kysely';
import { messageOf } from '../../base/errors.ts';
import { type Decision, decide } from '../decision/decision.ts';
import { OTHER_PAYMENT } from '../decision/eligibility.ts';
import type { Facts } from '../decision/facts.ts';
import { sweepCase } from './case-sweep.ts';
import { deadlineEffect, type HoldStep, holdStepsDue, nextCheck, nextHoldStep } from './clocks.ts';
import { codesOf, type FollowUp, type Hold, openHoldOf } from './follow-up.ts';
import { type KeptRefund, keepDecision, keptRefund } from './kept.ts';
import { lockRefund } from './locks.ts';
import { otherPaymentsIn, otherPaymentsSeen } from './payment-side.ts';
import { followUpOf, type RefundDeskParts } from './refund-desk.ts';
import { type ParcelsRead, readFacts, readParcels } from './refund-facts.ts';
import type { Trx } from './rights.ts';

export interface SweepReport {
  readonly holds: number;
  readonly cases: number;
  /** What could not be worked on now, and is due still. */
  readonly failed: number;
}

const BATCH = 100;
const ROUNDS_MAX = 100;

export class Sweep {
  readonly #parts: RefundDeskParts;
  readonly #followUp: FollowUp;
  readonly #batch: number;

  constructor(parts: RefundDeskParts, batch = BATCH) {
    this.#parts = parts;
    this.#batch = batch;
    this.#followUp = followUpOf(parts);
  }

  /** All that is due now, in batches. What fails is left for the next time and holds up nothing else. */
  async due(signal?: AbortSignal): Promise<SweepReport> {
    const holds = await this.#all('hold', signal);
    const cases = await this.#all('case', signal);
    return { holds: holds.done, cases: cases.done, failed: holds.failed + cases.failed };
  }

  async #all(
    kind: 'hold' | 'case',
    signal: AbortSignal | undefined,
  ): Promise<{ readonly done: number; readonly failed: number }> {
    const nowMs = this.#parts.clock.wallMs();
    const failed = new Set<string>();
    let done = 0;
    for (let round = 0; round < ROUNDS_MAX; round += 1) {
      const ids = kind === 'hold' ? await this.#dueHolds(nowMs, failed) : await this.#dueCases(nowMs, failed);
      if (ids.length === 0) break;
      for (const id of ids) {
        signal?.throwIfAborted();
        try {
          if (kind === 'hold') await this.#hold(id, nowMs);
          else await sweepCase(this.#parts, this.#followUp, id, nowMs);
          done += 1;
        } catch (error) {
          failed.add(id);
          this.#parts.logger.error({ error: messageOf(error), [kind]: id }, 'what is due could not be done');
        }
      }
    }
    return { done, failed: failed.size };
  }

  /** What failed in this look stands before the rest, and must not hide it. */
  #dueHolds(nowMs: number, failed: ReadonlySet<string>): Promise<readonly string[]> {
    return this.#parts.database.as('payments', async (trx) => {
      const rows = await trx
        .selectFrom('payments.hold')
        .select('hold_id')
        .where('state', '=', 'open')
        .where('due_at', '<=', new Date(nowMs))
        .where(sql<boolean>`hold_id <> all(${[...failed]}::text[])`)
        .orderBy('due_at')
        .limit(this.#batch)
        .execute();
      return rows.map(({ hold_id }) => hold_id);
    });
  }

  #dueCases(nowMs: number, failed: ReadonlySet<string>): Promise<readonly string[]> {
    return this.#parts.database.as('cases', async (trx) => {
      const rows = await trx
        .selectFrom('cases.case')
        .select('case_id')
        .where('state', '=', 'open')
        .where('due_at', '<=', new Date(nowMs))
        .where(sql<boolean>`case_id <> all(${[...failed]}::text[])`)
        .orderBy('due_at')
        .limit(this.#batch)
        .execute();
      return rows.map(({ case_id }) => case_id);
    });
  }

  async #hold(holdId: string, nowMs: number): Promise<void> {
    const seen = await this.#refundOf(holdId);
    if (seen === undefined) return;
    const read = await readParcels(this.#parts, seen, nowMs);
    await this.#parts.database.as('payments', async (trx) => {
      await lockRefund(trx, seen);
      const hold = await openHoldOf(trx, seen.refund_id);
      const refund = await keptRefund(trx, seen.refund_id);
      if (hold?.hold_id !== holdId || refund?.state !== 'open') return;
      const steps = holdStepsDue(hold, nowMs);
      if (steps.length > 0) await this.#step(trx, { hold, refund, steps, nowMs }, read);
    });
  }

  #refundOf(holdId: string): Promise<KeptRefund | undefined> {
    return this.#parts.database.as('payments', async (trx) => {
      const row = await trx
        .selectFrom('payments.hold')
        .select('refund_id')
        .where('hold_id', '=', holdId)
        .executeTakeFirst();
      return row && keptRefund(trx, row.refund_id);
    });
  }

  async #step(trx: Trx, due: Due, read: ParcelsRead): Promise<void> {
    const { hold, refund, steps, nowMs } = due;
    const { ruleset, crypto } = this.#parts;
    const facts = await readFacts(trx, this.#parts, refund, nowMs, read);
    const decision = decide(crypto, facts, ruleset);
    if (isAnother(hold, decision) || (await namesOthers(trx, hold, facts))) {
      await this.#keep(trx, facts, decision);
      // The other hold has the same legal end: what falls due of it is found in the next round.
      await this.#followUp.follow(trx, refund, decision);
      return;
    }
    await this.#warn(trx, due);
    if (hold.deadline_at.getTime() <= nowMs && (await this.#end(trx, due, facts, decision))) return;
    const change = {
      steps: [...hold.steps, ...steps.filter((step) => step !== 'check')],
      next_check_at: new Date(steps.includes('check') ? nextCheck(decision) : hold.next_check_at),
    };
    await trx
      .updateTable('payments.hold')
      .set({ ...change, steps: JSON.stringify(change.steps), due_at: nextHoldStep({ ...hold, ...change }) })
      .where('hold_id', '=', hold.hold_id)
      .execute();
  }

  /** People are told, once of each; nothing is paid for that. */
  async #warn(trx: Trx, { hold, refund, steps, nowMs }: Due): Promise<void> {
    const cause = { decisionId: hold.decision_id, atMs: nowMs };
    for (const what of steps) {
      if (what === 'check' || what === 'deadline') continue;
      await this.#followUp.holdEvent(trx, hold.hold_id, { atMs: nowMs, what, actor: 'system' });
      await this.#followUp.tell(trx, refund, cause, { what, codes: hold.codes, subject: hold.hold_id });
    }
  }

  /** The legal end. True when it is paid by that; else people are told why not, once, and it stays held. */
  async #end(trx: Trx, { hold, refund, steps, nowMs }: Due, facts: Facts, decision: Decision): Promise<boolean> {
    const effect = deadlineEffect(decision, facts, hold.on_deadline);
    const cause = { decisionId: effect.pays ? decision.decision_id : hold.decision_id, atMs: nowMs };
    if (!effect.pays) {
      if (!steps.includes('deadline')) return false;
      const event = { atMs: nowMs, what: 'deadline_passed', actor: 'system', detail: effect.why };
      await this.#followUp.holdEvent(trx, hold.hold_id, event);
      const codes = [effect.why, ...hold.codes];
      await this.#followUp.tell(trx, refund, cause, { what: 'deadline_passed', codes, subject: hold.hold_id });
      return false;
    }
    await this.#keep(trx, facts, decision);
    const end = { state: 'deadline_paid', atMs: nowMs, actor: 'system', detail: hold.basis } as const;
    await this.#followUp.endHold(trx, hold, end);
    // By the means it was paid with, whatever was asked: nobody has looked at another destination.
    const pay = this.#followUp.actions.pay(refund, cause, { because: 'DEADLINE_PAID', toOriginal: true });
    await this.#followUp.send(trx, pay, nowMs);
    await this.#followUp.tell(trx, refund, cause, { what: 'deadline_paid', codes: hold.codes, subject: hold.hold_id });
    return true;
  }

  async #keep(trx: Trx, facts: Facts, decision: Decision): Promise<void> {
    await keepDecision(trx, this.#parts, this.#parts.ruleset, facts, decision);
  }
}

interface Due {
  readonly hold: Hold;
  readonly refund: KeptRefund;
  readonly steps: readonly HoldStep[];
  readonly nowMs: number;
}

/** The goods are refunded by others than before, for the same reasons: whoever answers it must be shown which. */
async function namesOthers(trx: Trx, hold: Hold, { refund }: Facts): Promise<boolean> {
  if (!hold.codes.includes(OTHER_PAYMENT)) return false;
  const [now, seen] = [otherPaymentsIn(refund), await otherPaymentsSeen(trx, hold.decision_id)];
  return now.length !== seen.size || now.some((id) => !seen.has(id));
}

function isAnother(hold: Hold, decision: Decision): boolean {
  const { pay_now, outcome, approvals, blocked } = decision;
  if (pay_now || outcome !== hold.outcome || approvals !== hold.approvals || blocked !== hold.blocked) return true;
  return JSON.stringify(codesOf(decision)) !== JSON.stringify(hold.codes);
}
