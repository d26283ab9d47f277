/** Retention takes refunds away, whole, after a term of their own: with decisions, holds, commands and cases. */
import { type Kysely, type Migration, sql } from 'kysely';
import { RETENTION_ROLE } from './m0004-sources.ts';

export const refundRetentionMigration: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    await sql
      .raw(
        `grant delete on payments.payment, payments.dispute, payments.refund, payments.refund_parcel, payments.decision,
          payments.fresh_decision, payments.request, payments.hold, payments.hold_event, payments.outbox,
          payments.settlement, cases.case, cases.case_event, cases.verdict to ${RETENTION_ROLE}`,
      )
      .execute(db);
  },
};
