/**
 * Anchors over a closed log that stand in entries of the logs after it: an intent that was open when a log ended is finished
 * in the next one. What they say of the closed log's entries, a bundle shows only with those entries.
 */
import { sql, type Transaction } from 'kysely';
import { utf8 } from '../../base/bytes.ts';
import { parseOrigin } from '../../evidence/log/origin.ts';
import type { Database } from '../store/schema.ts';
import { anchorSaid } from './anchor-entries.ts';

export interface AnchorElsewhere {
  /** The entry that holds it. */
  readonly origin: string;
  readonly index: number;
  /** Of the closed log, by that entry's word. */
  readonly tree: { readonly size: number; readonly root: Uint8Array };
}

/** Logs after it that are looked through: an open intent goes from one to the next. */
const LOGS_MAX = 4;
/** Entries of each: an intent is finished as soon as the TPM answers. */
const SCAN_MAX = 100_000;
const CANDIDATES = 16;

/** Over a tree in (first, end]: the smallest that holds all of [0, last], and else the largest. */
export async function anchorsElsewhere(
  trx: Transaction<Database>,
  origin: string,
  { first, last, end }: { readonly first: number; readonly last: number; readonly end: number },
): Promise<readonly AnchorElsewhere[]> {
  const found: AnchorElsewhere[] = [];
  for (const later of await logsAfter(trx, origin)) {
    const over = (await anchorsIn(trx, later, origin)).filter(({ tree }) => tree.size > first && tree.size <= end);
    found.push(...over);
  }
  const ascending = found.sort((a, b) => a.tree.size - b.tree.size);
  const chosen = ascending.find(({ tree }) => tree.size > last) ?? ascending.at(-1);
  return chosen === undefined ? [] : [chosen];
}

/** Of the same gateway, by their numbers. */
async function logsAfter(trx: Transaction<Database>, origin: string): Promise<readonly string[]> {
  const own = parseOrigin(origin);
  if (!own.ok) return [];
  const rows = await trx
    .selectFrom('custody.log')
    .select('origin')
    .where('gateway', '=', own.value.gateway)
    .where('origin', '<>', origin)
    .execute();
  return rows
    .flatMap((row) => {
      const parsed = parseOrigin(row.origin);
      const isAfter = parsed.ok && parsed.value.domain === own.value.domain && parsed.value.number > own.value.number;
      return isAfter ? [{ origin: row.origin, number: parsed.value.number }] : [];
    })
    .sort((a, b) => a.number - b.number)
    .slice(0, LOGS_MAX)
    .map((log) => log.origin);
}

/** What stands above a revocation counts for nothing, and would leave the whole bundle open. */
async function anchorsIn(
  trx: Transaction<Database>,
  later: string,
  origin: string,
): Promise<readonly AnchorElsewhere[]> {
  const rows = await trx
    .selectFrom('custody.entry as e')
    .leftJoin('custody.assurance as a', 'a.origin', 'e.origin')
    .select(['e.n', 'e.leaf'])
    .where('e.origin', '=', later)
    .where('e.n', '<', SCAN_MAX)
    .where(sql<boolean>`(a.revoked_size is null or e.n < a.revoked_size)`)
    .where(sql<boolean>`position(convert_to('"type":"anchor.made"', 'UTF8') in e.leaf) > 0`)
    .where(sql<boolean>`position(${Buffer.from(utf8(`"log":"${origin}"`))}::bytea in e.leaf) > 0`)
    .orderBy('e.n')
    .limit(CANDIDATES)
    .execute();
  return rows.flatMap(({ n, leaf }) => {
    const said = anchorSaid(Uint8Array.from(leaf ?? []));
    return said?.log === origin ? [{ origin: later, index: n, tree: said.tree }] : [];
  });
}
