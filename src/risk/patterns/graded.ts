/**
 * Refunds that ask for evidence, and those of them with little: by operator, and by operator and courier. One statement for
 * both, since the newest decision of each is what takes long to find.
 */
import { sql } from 'kysely';
import { MONTH_MS, SUBJECTS_MAX, type Trx, within } from './measure.ts';
import type { PairCount } from './pairs.ts';

export interface WeakCount {
  readonly operator: string;
  readonly refunds: number;
  readonly weak: number;
}

export interface Graded {
  readonly operators: readonly WeakCount[];
  readonly pairs: readonly PairCount[];
  /** There are more refunds, or pairs, than are read. */
  readonly cut: boolean;
}

/** As many of the newest are read. */
const GRADED_MAX = 50_000;
const PAIRS_MAX = 100_000;

interface Row extends WeakCount {
  readonly courier: string | null;
  readonly asked: number;
}

/**
 * Of 30 days, and with little evidence where the newest decision saw none better than WEAK for one of their parcels, or no
 * parcel at all: as the column says that is made of its answer (m0029).
 */
export async function countGraded(trx: Trx, asOfMs: number): Promise<Graded> {
  const { rows } = await sql<Row>`
    with asked as materialized (
      select refund_id, operator from payments.refund r
        where state <> 'cancelled' and kind not in ('goodwill', 'recall') and recall is not true
          and ${within(sql`r.requested_at`, asOfMs, MONTH_MS)}
        order by requested_at desc, refund_id limit ${sql.lit(GRADED_MAX + 1)}),
    decided as materialized (
      select refund_id, operator, (select d.little_evidence from payments.decision d
          where d.refund_id = asked.refund_id and d.decided_at <= ${new Date(asOfMs)}
          order by d.decided_at desc, d.decision_id limit 1) as weak
        from (select * from asked limit ${sql.lit(GRADED_MAX)}) asked),
    graded as (select * from decided where weak is not null),
    held as (
      select distinct g.refund_id, g.operator, g.weak, h.courier
        from graded g join payments.refund_parcel p using (refund_id) join custody.hand h on h.parcel = p.parcel
        where h.stored_at <= ${new Date(asOfMs)})
    (select operator, null as courier, count(*)::int as refunds, count(*) filter (where weak)::int as weak,
        (select count(*)::int from asked) as asked
      from graded group by operator order by refunds desc, operator collate "C" limit ${sql.lit(SUBJECTS_MAX)})
    union all
    (select operator, courier, count(*)::int, count(*) filter (where weak)::int, 0
      from held group by operator, courier order by 3 desc, operator collate "C", courier limit ${sql.lit(PAIRS_MAX)})`.execute(
    trx,
  );
  const pairs = rows.flatMap(({ operator, courier, refunds, weak }) =>
    courier === null ? [] : [{ operator, courier, refunds, weak }],
  );
  const operators = rows.flatMap(({ operator, courier, refunds, weak }) =>
    courier === null ? [{ operator, refunds, weak }] : [],
  );
  return { operators, pairs, cut: (rows[0]?.asked ?? 0) > GRADED_MAX || pairs.length >= PAIRS_MAX };
}
