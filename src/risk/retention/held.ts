/** Parcels that somebody still needs: those of a refund that is held, disputed, looked into, or about to be paid. */
import { sql, type Transaction } from 'kysely';
import type { Database } from '../store/schema.ts';
import type { CustomerRows } from './customers.ts';

type Trx = Transaction<Database>;

export type HeldBy = 'hold' | 'case' | 'dispute' | 'payment_ordered' | OtherCommand;

/** Actions of commands beside `pay`, as the outbox names them. */
type OtherCommand = 'hold_settlement' | 'freeze_payout' | 'release_payout' | 'deny' | 'cancel' | 'ticket';

export interface HeldParcel {
  readonly parcel: string;
  /** A command that has not arrived yet by its action, of which `payment_ordered` is `pay`. */
  readonly by: HeldBy;
  /** Name of the hold, case, dispute or refund. */
  readonly name: string;
}

/**
 * GDPR Art. 17(3)(e) and Art. 18: what a legal claim needs is kept until it is over. All of them unless one is named.
 *
 * A customer is needed as long as a refund of theirs is open: looked at again, it must find what it was held for.
 */
export async function heldParcels(
  trx: Trx,
  parcel?: string,
  names?: CustomerRows['names'],
): Promise<readonly HeldParcel[]> {
  const asked = parcel ?? null;
  const { rows } = await sql<HeldParcel>`
    with asked as (select parcel, refund_id from payments.refund_parcel where ${asked}::text is null or parcel = ${asked}
      union select ${asked}, r.refund_id from payments.customer_payment c join payments.refund r using (payment_ref)
        where c.customer = ${names?.customer ?? null} or c.customer in (
          select h.customer from payments.household h where h.operator = ${names?.operator ?? null}))
    select a.parcel, 'hold' as by, h.hold_id as name
      from asked a join payments.hold h on h.refund_id = a.refund_id and h.state = 'open'
    union all
    select a.parcel, 'case', c.case_id
      from asked a join cases.case c on c.refund_id = a.refund_id and c.state = 'open'
    union all
    select a.parcel, 'dispute', d.dispute_ref
      from asked a join payments.refund r on r.refund_id = a.refund_id
      join payments.dispute d on d.payment_ref = r.payment_ref and d.result is null
    union all
    select distinct a.parcel,
        case o.action when 'pay' then 'payment_ordered' else o.action end, o.refund_id
      from asked a join payments.outbox o on o.refund_id = a.refund_id and o.state = 'waiting'
    order by 1, 2, 3`.execute(trx);
  return rows;
}
