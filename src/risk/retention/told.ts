/**
 * Which webhooks told of payments and refunds that go. A payment, a refund and a dispute may have one name, and two sources
 * a dispute of one name each: what is told of another thing keeps its digest, so that it is still known when it is sent again.
 */
import { type RawBuilder, sql } from 'kysely';

export interface Going {
  readonly payments: readonly string[];
  readonly refunds: readonly string[];
}

/** A condition on `payments.source_event`, as long as the disputes are there, under their names; as `aboutOf` names them. */
export function toldOf({ payments, refunds }: Going): RawBuilder<unknown> {
  return sql`((type in ('payment.captured', 'dispute.opened') and about = any(${payments}::text[]))
    or (type = 'refund.settled' and about = any(${refunds}::text[]))
    or (type = 'dispute.closed' and (source, about) in (
      select source, dispute_ref from payments.dispute where payment_ref = any(${payments}::text[]))))`;
}
