/**
 * The clocks of a case: contained once everything that was ordered about its refund has reached the payment side, with its
 * evidence kept in time; where not, people are told.
 */

import type { RiskDatabase } from '../store/open-database.ts';
import { caseEvent } from './case-book.ts';
import { caseStepsDue, nextCaseStep } from './clocks.ts';
import type { FollowUp } from './follow-up.ts';
import { keptRefund } from './kept.ts';
import { asCases, type Owner, type Trx } from './rights.ts';

interface CaseSweepParts extends Owner {
  readonly database: RiskDatabase;
}

export function sweepCase(parts: CaseSweepParts, followUp: FollowUp, caseId: string, nowMs: number): Promise<void> {
  return parts.database.as('payments', async (trx) => {
    const row = await asCases(trx, () =>
      trx
        .selectFrom('cases.case')
        .selectAll()
        .where('case_id', '=', caseId)
        .where('state', '=', 'open')
        .forUpdate()
        .executeTakeFirst(),
    );
    if (row === undefined) return;
    const refund = await keptRefund(trx, row.refund_id);
    const contained_at = row.contained_at ?? (await containedAt(trx, row.refund_id, row.opened_at));
    const steps = caseStepsDue({ ...row, contained_at }, nowMs);
    for (const what of steps) {
      await asCases(trx, () => caseEvent(trx, parts, { caseId, atMs: nowMs, what, actor: 'system' }));
      if (refund === undefined) continue;
      const cause = { decisionId: row.decision_id, atMs: nowMs };
      const ticket = followUp.actions.ticket(refund, cause, { subject: caseId, what, codes: [what] });
      await followUp.send(trx, ticket, nowMs);
    }
    const next = { ...row, contained_at, steps: [...row.steps, ...steps] };
    await asCases(trx, () =>
      trx
        .updateTable('cases.case')
        .set({ contained_at, steps: JSON.stringify(next.steps), due_at: nextCaseStep(next) })
        .where('case_id', '=', caseId)
        .execute(),
    );
  });
}

/** When the last command about money arrived; null while one has not, or was given up. */
async function containedAt(trx: Trx, refundId: string, openedAt: Date): Promise<Date | null> {
  const rows = await trx
    .selectFrom('payments.outbox')
    .select(['state', 'ended_at'])
    .where('refund_id', '=', refundId)
    .where('lane', '=', 'money')
    .execute();
  if (rows.some(({ state }) => state !== 'delivered')) return null;
  const times = rows.flatMap(({ ended_at }) => (ended_at === null ? [] : [ended_at.getTime()]));
  return new Date(Math.max(openedAt.getTime(), ...times));
}
