/**
 * Up to where the entries of a gateway came out of their turn: noted as they are read, one row for each gateway.
 *
 * The fold takes a gateway's entries by log and number, and holds a clock that goes back against them. An entry behind all
 * that was read of its gateway, whose clock is behind none of it, so comes last in every fold, and moves nothing that went
 * before. Any other upsets the order: it and all that were read up to then count as upset, and what they concern is looked
 * for in all of the gateway. Two that stand the wrong way round are both upset, whichever was read first.
 */
import { sql, type Transaction } from 'kysely';
import type { CustodyEvent } from '../../evidence/event/event.ts';
import type { Database } from '../store/schema.ts';
import { placedAt } from './order.ts';

export interface ReadEntry {
  readonly n: number;
  readonly event: Pick<CustodyEvent, 'at'>;
  readonly storedMs: number;
}

export interface OfGateway {
  readonly gateway: string;
  /** Number of the log. */
  readonly log: number;
  readonly tenant: string;
  readonly region: string;
}

/** In the transaction that notes them, so that of two logs of one gateway one is read after the other. */
export async function noteOrder(
  trx: Transaction<Database>,
  of: OfGateway,
  entries: readonly ReadEntry[],
): Promise<void> {
  const { gateway, log, tenant, region } = of;
  const [first, ...more] = entries.map(({ n, event, storedMs }) => ({ n, atMs: placedAt(event.at, storedMs).atMs }));
  if (first === undefined) return;
  let [leastN, mostN, leastMs, mostMs, isUpset] = [first.n, first.n, first.atMs, first.atMs, false];
  for (const { n, atMs } of more) {
    isUpset ||= n <= mostN || atMs < mostMs;
    [leastN, mostN] = [Math.min(leastN, n), Math.max(mostN, n)];
    [leastMs, mostMs] = [Math.min(leastMs, atMs), Math.max(mostMs, atMs)];
  }
  await sql`
    insert into custody.gateway_order as o (gateway, log, n, at_ms, upset_log, upset_n, tenant, region)
      values (${gateway}, ${log}, ${mostN}, ${mostMs}, ${isUpset ? log : 0}, ${isUpset ? mostN : -1}, ${tenant}, ${region})
    on conflict (gateway) do update set (log, n, at_ms, upset_log, upset_n) = (
      select last.log, last.n, greatest(o.at_ms, excluded.at_ms),
          case when page.upset then last.log else o.upset_log end, case when page.upset then last.n else o.upset_n end
        from (values (o.log, o.n), (excluded.log, excluded.n)) as last (log, n),
          (select ${isUpset}::boolean or (excluded.log, ${leastN}::bigint) <= (o.log, o.n)
            or ${leastMs}::bigint < o.at_ms as upset) page
        order by last.log desc, last.n desc limit 1)`.execute(trx);
}
