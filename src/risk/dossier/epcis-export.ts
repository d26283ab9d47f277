/**
 * EPCIS 2.0 of one parcel out of the database: the entries that name it, in the order of their logs. Who read it before is
 * not kept: whatever may have been read and was withdrawn since is declared to be in error, each time.
 */
import type { Transaction } from 'kysely';
import { type Clock, wallText } from '../../base/clock.ts';
import { LatchkeyError } from '../../base/errors.ts';
import { type EpcisDocument, type EpcisEntry, epcisDocument } from '../../evidence/interchange/epcis.ts';
import type { RiskDatabase } from '../store/open-database.ts';
import type { Database } from '../store/schema.ts';
import { correctionsOf, type ExportedRow, eventIn, isWithdrawn, type SaidAgain, saidAgain } from './epcis-withdrawn.ts';

export interface EpcisExportParts {
  readonly database: RiskDatabase;
  readonly clock: Pick<Clock, 'wallMs'>;
}

const ENTRIES_MAX = 20_000;

export class EpcisExport {
  readonly #parts: EpcisExportParts;

  constructor(parts: EpcisExportParts) {
    this.#parts = parts;
  }

  /** Undefined when no stored entry that may be used names the parcel. */
  async ofParcel(ref: string, signal?: AbortSignal): Promise<EpcisDocument | undefined> {
    const { database, clock } = this.#parts;
    const { rows, again } = await database.as('custody', async (trx) => {
      const rows = await trx
        .selectFrom('custody.mention as m')
        .innerJoin('custody.entry as e', (join) => join.onRef('e.origin', '=', 'm.origin').onRef('e.n', '=', 'm.n'))
        .leftJoin('custody.assurance as a', 'a.origin', 'e.origin')
        .select(['e.origin', 'e.gateway', 'e.n', 'e.leaf', 'e.leaf_hash', 'e.stored_at'])
        .select(['a.revoked_first', 'a.revoked_size'])
        .where('m.key', '=', `parcel ${ref}`)
        .where('e.status', '=', 'used')
        .where('e.leaf', 'is not', null)
        .orderBy('e.origin')
        .orderBy('e.n')
        .limit(ENTRIES_MAX + 1)
        .execute();
      return { rows, again: await againOf(trx, rows) };
    });
    signal?.throwIfAborted();
    if (rows.length === 0) return undefined;
    if (rows.length > ENTRIES_MAX) {
      const detail = `more than ${ENTRIES_MAX} entries name the parcel`;
      throw new LatchkeyError('STORE_IO', `${detail}: a document of a part of them would be taken for the whole`);
    }
    const createdAt = wallText(clock.wallMs());
    const entries = rows.map((row): EpcisEntry => {
      const said = again.get(row.origin)?.get(row.n);
      if (!isWithdrawn(row)) return entryOf(row);
      if (said?.same !== undefined) return entryOf(said.same);
      return { ...entryOf(row), withdrawn: { declaredAt: createdAt, correctedBy: correctionsOf(row, said) } };
    });
    return epcisDocument(entries, createdAt);
  }
}

/** By log, of those alone of which an entry is withdrawn. */
async function againOf(
  trx: Transaction<Database>,
  rows: readonly ExportedRow[],
): Promise<ReadonlyMap<string, ReadonlyMap<number, SaidAgain>>> {
  const found = new Map<string, ReadonlyMap<number, SaidAgain>>();
  for (const row of rows.filter(isWithdrawn)) {
    if (!found.has(row.origin)) found.set(row.origin, await saidAgain(trx, row));
  }
  return found;
}

function entryOf(row: ExportedRow): EpcisEntry {
  const { leaf_hash, stored_at } = row;
  return { event: eventIn(row), leafHash: Uint8Array.from(leaf_hash), storedAt: wallText(stored_at.getTime()) };
}
