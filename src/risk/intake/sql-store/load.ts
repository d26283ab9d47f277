/**
 * What is held of a gateway, by its tails: of a log without gaps, which is nearly every one, the last range alone is
 * read, however long the log is.
 */
import { sql } from 'kysely';
import type { HeldGateway, HeldLog, HeldSegment, TrustRecord } from '../store.ts';
import { frontierOf, plain } from './rows.ts';
import { cosignedOf, type Trx } from './statements.ts';

interface LogRow {
  readonly origin: string;
  readonly positions: number;
  readonly carried: number;
  readonly cosigned_size: number | null;
  readonly cosigned_root: Uint8Array | null;
  readonly cosigned_note: Uint8Array | null;
  readonly forks: number;
  readonly end_size: number | null;
  readonly after_roots: Uint8Array | null;
  readonly note: Uint8Array | null;
}

export async function loadGateway(trx: Trx, gateway: string): Promise<HeldGateway> {
  const { rows } = await sql<LogRow>`
    select l.origin, l.positions, l.carried, l.cosigned_size, l.cosigned_root, l.cosigned_note,
      (select count(*) from custody.fork f where f.origin = l.origin) as forks, r.end_size, r.after_roots, r.note
    from custody.log l left join lateral (
      select end_size, after_roots, note from custody.range where origin = l.origin order by first desc limit 1
    ) r on true where l.gateway = ${gateway} order by l.origin`.execute(trx);
  const logs: HeldLog[] = [];
  for (const row of rows) {
    const { origin, forks } = row;
    const segments = await segmentsOf(trx, row);
    if (segments.length > 0 || forks > 0 || row.cosigned_size !== null) {
      logs.push({ origin, segments, cosigned: cosignedOf(row), forks, cutBytes: 0 });
    }
  }
  const records = await trx
    .selectFrom('custody.trust')
    .select('record')
    .where('gateway', '=', gateway)
    .orderBy('id')
    .execute();
  const trust = records.map(({ record }) => JSON.parse(record) as TrustRecord);
  return { gateway, logs, trust, carried: rows.reduce((sum, { carried }) => sum + carried, 0) };
}

async function segmentsOf(trx: Trx, row: LogRow): Promise<readonly HeldSegment[]> {
  const { origin, positions, end_size, after_roots, note } = row;
  if (end_size === null || after_roots === null) return [];
  // As many entries as the end says: none is missing before it.
  if (positions === end_size) return [segment(0, { end_size, after_roots, note })];
  return segmentsWithGaps(trx, origin);
}

/** Ranges that nothing touches before, and those that nothing touches after, in one order. */
async function segmentsWithGaps(trx: Trx, origin: string): Promise<readonly HeldSegment[]> {
  const starts = await sql<{ readonly first: number }>`
    select r.first from custody.range r where r.origin = ${origin} and not exists (
      select from custody.range b where b.origin = r.origin and b.end_size = r.first) order by r.first`.execute(trx);
  const ends = await sql<EndRow>`
    select r.end_size, r.after_roots, r.note from custody.range r where r.origin = ${origin} and not exists (
      select from custody.range n where n.origin = r.origin and n.first = r.end_size) order by r.first`.execute(trx);
  return ends.rows.map((end, i) => segment(starts.rows[i]?.first ?? 0, end));
}

interface EndRow {
  readonly end_size: number;
  readonly after_roots: Uint8Array;
  readonly note: Uint8Array | null;
}

function segment(first: number, { end_size, after_roots, note }: EndRow): HeldSegment {
  return { first, end: frontierOf(end_size, after_roots), ...(note !== null && { note: plain(note) }) };
}
