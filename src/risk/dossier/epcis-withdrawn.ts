/**
 * Entries that a partner may have read as EPCIS and that are no longer the gateway's by anything that is shown: those of a key
 * that was revoked since, outside of the tree that the revocation names. A later log of the gateway may have taken the same
 * entry over, which is then that log's word; or may say something else of its place, which corrects it.
 */
import { sql, type Transaction } from 'kysely';
import { base64url, utf8, utf8Text } from '../../base/bytes.ts';
import type { CustodyEvent } from '../../evidence/event/event.ts';
import { isTrusted } from '../../evidence/verify/entry-levels.ts';
import { type LogProof, trustedOf } from '../ledger/entry-level.ts';
import type { Database } from '../store/schema.ts';

export interface ExportedRow extends Pick<LogProof, 'revoked_first' | 'revoked_size'> {
  readonly origin: string;
  readonly gateway: string;
  readonly n: number;
  readonly leaf: Uint8Array | null;
  readonly leaf_hash: Uint8Array;
  readonly stored_at: Date;
}

/** What trusted logs of the gateway say of the place of a withdrawn entry. */
export interface SaidAgain {
  /** The same entry, under another key: it stands. */
  readonly same?: ExportedRow;
  /** Leaf hashes, base64url, of others that were taken over from that place. */
  readonly other: readonly string[];
}

/** Entries are taken over at the beginning of a log; an original may come late, and stand anywhere among as many. */
const SCAN_MAX = 100_000;

export function isWithdrawn(row: ExportedRow): boolean {
  return !isTrusted(row.n, trustedOf(row));
}

/** By index in the log. */
export async function saidAgain(
  trx: Transaction<Database>,
  { origin, gateway }: Pick<ExportedRow, 'origin' | 'gateway'>,
): Promise<ReadonlyMap<number, SaidAgain>> {
  const rows = await trx
    .selectFrom('custody.entry as e')
    .leftJoin('custody.assurance as a', 'a.origin', 'e.origin')
    .select([
      'e.origin',
      'e.gateway',
      'e.n',
      'e.leaf',
      'e.leaf_hash',
      'e.stored_at',
      'e.of_origin',
      'e.of_n',
      'a.revoked_first',
      'a.revoked_size',
    ])
    .where('e.gateway', '=', gateway)
    .where('e.origin', '<>', origin)
    .where('e.n', '<', SCAN_MAX)
    .where('e.leaf', 'is not', null)
    .where('e.status', 'in', ['used', 'duplicate_of'])
    .where('e.withheld_why', 'is', null)
    .where((eb) =>
      eb.or([
        eb('e.of_origin', '=', origin),
        sql<boolean>`position(${Buffer.from(utf8(`,"log":"${origin}","n":`))}::bytea in e.leaf) > 0`,
      ]),
    )
    .orderBy('e.origin')
    .orderBy('e.n')
    .execute();
  const found = new Map<number, { same?: ExportedRow; other: string[] }>();
  for (const row of rows.filter((each) => !isWithdrawn(each))) {
    const { carried } = eventIn(row);
    const n = row.of_origin === origin ? row.of_n : carried?.log === origin ? carried.n : undefined;
    if (typeof n !== 'number') continue;
    const one = found.get(n) ?? { other: [] };
    if (row.of_origin === origin) one.same ??= row;
    else if (carried !== undefined) one.other.push(carried.leaf);
    found.set(n, one);
  }
  return found;
}

/** Of an entry that intake judged before it was stored. */
export function eventIn({ leaf }: Pick<ExportedRow, 'leaf'>): CustodyEvent {
  return JSON.parse(utf8Text(Uint8Array.from(leaf ?? [])) ?? '') as CustodyEvent;
}

/** Those that say something else than the entry itself. */
export function correctionsOf({ leaf_hash }: ExportedRow, again: SaidAgain | undefined): readonly string[] {
  const own = base64url(Uint8Array.from(leaf_hash));
  return [...new Set(again?.other ?? [])].filter((leaf) => leaf !== own);
}
