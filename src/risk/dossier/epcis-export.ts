/** EPCIS 2.0 of one parcel out of the database: the entries that name it, in the order of their logs. */
import { utf8Text } from '../../base/bytes.ts';
import { type Clock, wallText } from '../../base/clock.ts';
import { LatchkeyError } from '../../base/errors.ts';
import type { CustodyEvent } from '../../evidence/event/event.ts';
import { type EpcisDocument, type EpcisEntry, epcisDocument } from '../../evidence/interchange/epcis.ts';
import type { RiskDatabase } from '../store/open-database.ts';

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
    const rows = await database.as('custody', (trx) =>
      trx
        .selectFrom('custody.mention as m')
        .innerJoin('custody.entry as e', (join) => join.onRef('e.origin', '=', 'm.origin').onRef('e.n', '=', 'm.n'))
        .select(['e.origin', 'e.n', 'e.leaf', 'e.leaf_hash', 'e.stored_at'])
        .where('m.key', '=', `parcel ${ref}`)
        .where('e.status', '=', 'used')
        .where('e.leaf', 'is not', null)
        .orderBy('e.origin')
        .orderBy('e.n')
        .limit(ENTRIES_MAX + 1)
        .execute(),
    );
    signal?.throwIfAborted();
    if (rows.length === 0) return undefined;
    if (rows.length > ENTRIES_MAX) {
      const detail = `more than ${ENTRIES_MAX} entries name the parcel`;
      throw new LatchkeyError('STORE_IO', `${detail}: a document of a part of them would be taken for the whole`);
    }
    const entries = rows.map(({ leaf, leaf_hash, stored_at }): EpcisEntry => {
      // Intake judged it before it was stored.
      const event = JSON.parse(utf8Text(Uint8Array.from(leaf ?? [])) ?? '') as CustodyEvent;
      return { event, leafHash: Uint8Array.from(leaf_hash), storedAt: wallText(stored_at.getTime()) };
    });
    return epcisDocument(entries, wallText(clock.wallMs()));
  }
}
