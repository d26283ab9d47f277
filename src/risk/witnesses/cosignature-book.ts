/**
 * Cosignatures of independent witnesses in the database: which logs are owed one, what is offered for it, and what came.
 *
 * Nothing here needs a lease: whoever stores a cosignature that is there already changes nothing.
 */
import { sql, type Transaction } from 'kysely';
import { LatchkeyError } from '../../base/errors.ts';
import type { EvidenceCrypto } from '../../evidence/crypto.ts';
import { type Checkpoint, parseCheckpoint } from '../../evidence/log/checkpoint.ts';
import { formatVkey, parseNote, type Vkey } from '../../evidence/log/note.ts';
import { consistencyProof, rootFrom, verifyConsistency } from '../../evidence/log/proofs.ts';
import type { RiskDatabase } from '../store/open-database.ts';
import type { Database } from '../store/schema.ts';
import { StoredSubtrees } from '../store/stored-subtrees.ts';
import type { FoundCosignature, Offer } from './add-checkpoint.ts';

type Trx = Transaction<Database>;

export interface CosignatureBookParts {
  readonly database: Pick<RiskDatabase, 'as'>;
  readonly crypto: EvidenceCrypto;
  readonly tenant: string;
  readonly region: string;
}

/** A log whose newest checkpoint a witness has not cosigned. */
export interface OwedLog {
  readonly origin: string;
  readonly gateway: string;
  /** The newest that it did, 0 for none, and its own time for it. */
  readonly cosignedSize: number;
  readonly cosignedAtS: number | undefined;
}

export interface OfferedCheckpoint extends Offer {
  readonly size: number;
  /** The checkpoint text, which is signed. */
  readonly text: string;
}

export interface OwedQuestion {
  readonly witness: number;
  /** Logs in order, from behind this one. */
  readonly after: string;
  /** Not those that were cosigned later than this, so that none is submitted at each batch. */
  readonly cosignedBefore: Date;
  /** Our clock: what was stored later than now was stored before a clock was set back. */
  readonly now: Date;
  readonly limit: number;
}

export class CosignatureBook {
  readonly #parts: CosignatureBookParts;

  constructor(parts: CosignatureBookParts) {
    this.#parts = parts;
  }

  /** The row of a witness, made when there is none. */
  async witness(vkey: Vkey): Promise<number> {
    const { tenant, region } = this.#parts;
    const text = formatVkey(vkey);
    const { id } = await this.#parts.database.as('custody', async (trx) => {
      const row = trx.selectFrom('custody.witness').select('id').where('vkey', '=', text);
      const known = await row.executeTakeFirst();
      if (known !== undefined) return known;
      await trx
        .insertInto('custody.witness')
        .values({ vkey: text, tenant, region })
        .onConflict((conflict) => conflict.doNothing())
        .execute();
      return row.executeTakeFirstOrThrow();
    });
    return id;
  }

  /** When it cosigned last, by its clock. */
  newestOf(witness: number): Promise<Date | undefined> {
    return this.#parts.database.as('custody', async (trx) => {
      const { at } = await trx
        .selectFrom('custody.cosignature')
        .select(({ fn }) => fn.max('at').as('at'))
        .where('witness', '=', witness)
        .executeTakeFirstOrThrow();
      return (at as Date | null) ?? undefined;
    });
  }

  owed({ witness, after, cosignedBefore, now, limit }: OwedQuestion): Promise<readonly OwedLog[]> {
    return this.#parts.database.as('custody', async (trx) => {
      const { rows } = await sql<{
        readonly origin: string;
        readonly gateway: string;
        readonly size: number | null;
        readonly at: Date | null;
      }>`
        select l.origin, l.gateway, c.size, c.at from custody.log l
          cross join lateral (select end_size from custody.range
            where origin = l.origin and note is not null order by first desc limit 1) r
          left join lateral (select size, at, stored_at from custody.cosignature
            where origin = l.origin and witness = ${witness} order by size desc limit 1) c on true
          where l.origin > ${after} and r.end_size > coalesce(c.size, 0)
            and (c.stored_at is null or c.stored_at < ${cosignedBefore} or c.stored_at > ${now})
          order by l.origin limit ${limit}`.execute(trx);
      return rows.map(({ origin, gateway, size, at }) => {
        return {
          origin,
          gateway,
          cosignedSize: size ?? 0,
          cosignedAtS: at === null ? undefined : at.getTime() / 1_000,
        };
      });
    });
  }

  /**
   * The newest checkpoint of a log, with the proof from `oldSize`. `unprovable`: entries below are not stored here, or what
   * is stored does not make the tree that its note names, so that nothing could be said against a witness who refuses it.
   */
  async offer(origin: string, oldSize: number): Promise<OfferedCheckpoint | 'smaller' | 'unprovable'> {
    const { database, crypto } = this.#parts;
    return database.as('custody', async (trx) => {
      const newest = await newestNoted(trx, origin);
      if (newest === undefined) return 'unprovable';
      const { note, text, size, root } = newest;
      if (oldSize > size) return 'smaller';
      if (oldSize === 0) return { oldSize, proof: [], note, size, text };
      const subtrees = new StoredSubtrees(trx, crypto, origin);
      try {
        const subtree = await subtrees.prepare((zeros) => {
          rootFrom(crypto, zeros, oldSize);
          consistencyProof(crypto, zeros, oldSize, size);
        });
        const proof = consistencyProof(crypto, subtree, oldSize, size);
        const oldRoot = rootFrom(crypto, subtree, oldSize);
        const isSound = verifyConsistency(crypto, { oldSize, oldRoot, newSize: size, newRoot: root, proof });
        return isSound ? { oldSize, proof, note, size, text } : 'unprovable';
      } catch (error) {
        if (error instanceof LatchkeyError) return 'unprovable';
        throw error;
      }
    });
  }

  /** Durable when it resolves, and whoever judges the log is told of it in the same transaction. */
  async keep(
    { origin, gateway, size }: { readonly origin: string; readonly gateway: string; readonly size: number },
    witness: number,
    { signature, timestampS }: FoundCosignature,
    storedAt: Date,
  ): Promise<void> {
    const { database, tenant, region } = this.#parts;
    await database.as('custody', async (trx) => {
      const at = new Date(timestampS * 1_000);
      await trx
        .insertInto('custody.cosignature')
        .values({ origin, witness, size, at, signature, stored_at: storedAt, tenant, region })
        .onConflict((conflict) => conflict.doNothing())
        .execute();
      await sql`insert into custody.assurance (origin, gateway, cosigned_due, tenant, region)
        values (${origin}, ${gateway}, 1, ${tenant}, ${region})
        on conflict (origin) do update set cosigned_due = assurance.cosigned_due + 1`.execute(trx);
    });
  }
}

interface Noted extends Checkpoint {
  readonly note: Uint8Array;
  readonly text: string;
}

async function newestNoted(trx: Trx, origin: string): Promise<Noted | undefined> {
  const row = await trx
    .selectFrom('custody.range')
    .select('note')
    .where('origin', '=', origin)
    .where('note', 'is not', null)
    .orderBy('first', 'desc')
    .limit(1)
    .executeTakeFirst();
  const note = row?.note === undefined || row.note === null ? undefined : Uint8Array.from(row.note);
  const parsed = note && parseNote(note);
  const checkpoint = parsed?.ok ? parseCheckpoint(parsed.value.text) : undefined;
  if (note === undefined || parsed?.ok !== true || checkpoint?.ok !== true) return undefined;
  return { ...checkpoint.value, note, text: parsed.value.text };
}
