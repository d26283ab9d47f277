/**
 * What codes were granted for that somebody tried again once they were spent: a refusal names its credential and no
 * compartment. Such refusals are few, and only where there are any is this asked.
 */
import { sql } from 'kysely';
import { utf8Text } from '../../base/bytes.ts';
import type { CustodyEvent } from '../../evidence/event/event.ts';
import { parseOrigin } from '../../evidence/log/origin.ts';
import type { RiskDatabase } from '../store/open-database.ts';
import type { LedgerEntry } from './inputs.ts';
import { codeKeyOf, isSpentCode } from './select.ts';

/** A code opens a few times at most. */
const GRANTS_MAX = 10_000;

interface GrantRow {
  readonly origin: string;
  readonly n: number;
  readonly gateway: string;
  readonly leaf: Uint8Array | null;
  readonly at: Date;
}

/** Of the codes that these entries refuse as spent. They say which parcel a code was for, and weigh nothing by themselves. */
export async function grantsOf(
  database: RiskDatabase,
  entries: readonly LedgerEntry[],
): Promise<readonly LedgerEntry[]> {
  const refused = entries.filter(({ event }) => isSpentCode(event));
  const keys = [...new Set(refused.flatMap(({ gateway, event }) => codeKeyOf(gateway, event) ?? []))];
  if (keys.length === 0) return [];
  const { rows } = await database.as('custody', (trx) =>
    sql<GrantRow>`
      select m.origin, m.n, m.gateway, m.stored_at as at, e.leaf
      from custody.mention m
      cross join lateral (select leaf from custody.entry
        where origin = m.origin and n = m.n and stored_at = m.stored_at limit 1) e
      where m.key = any((select ${keys}::text[])::text[]) order by m.origin, m.n limit ${sql.lit(GRANTS_MAX)}`.execute(
      trx,
    ),
  );
  return rows.flatMap(({ origin, n, gateway, leaf, at }) => {
    const named = parseOrigin(origin);
    const text = leaf === null ? undefined : utf8Text(Uint8Array.from(leaf));
    if (text === undefined || !named.ok) return [];
    const event = JSON.parse(text) as CustodyEvent;
    const place = { ref: `${origin}#${n}`, gateway, log: named.value.number, n: Number(n) };
    return [{ kind: 'entry', ...place, storedMs: at.getTime(), event, level: 'A0' } as const];
  });
}
