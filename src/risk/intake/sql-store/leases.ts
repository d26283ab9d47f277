/**
 * Leases of the partitions of a fleet, for several receivers on one database.
 *
 * Each round renews what is held, and takes what nobody renewed, up to a fair share. A take-over raises the epoch of the
 * partition; every write of intake first locks the lease rows that it stands on and finds its own epoch in them
 * (`fence`), or is refused. That lock lets renewals through and holds a take-over back until the write is done, so no
 * write of a former holder comes after it. Whether a lease ran out is asked of the database's clock alone.
 */
import { randomBytes } from 'node:crypto';
import { sql } from 'kysely';
import type { EvidenceCrypto } from '../../../evidence/crypto.ts';
import { PARTITIONS, partitionOf } from '../../../evidence/wire/topics.ts';
import type { RiskDatabase } from '../../store/open-database.ts';
import { failureOf, type Trx } from './statements.ts';

export interface LeasesParts {
  readonly database: RiskDatabase;
  readonly crypto: EvidenceCrypto;
  readonly tenant: string;
  readonly region: string;
  /** Topic prefix: gateways of two fleets may have one name. */
  readonly fleet: string;
  /** A start of the same name takes over at once what the one before it held. */
  readonly replica: string;
  /** What this receiver is for. Of a list it takes all that is free; those that are for `all` share evenly. */
  readonly partitions: readonly string[] | 'all';
  readonly ttlMs: number;
}

export interface LeaseRound {
  /** Held before this round, and another's now. */
  readonly lost: readonly string[];
  /** Held beyond the fair share: to be given back once nothing works on them. */
  readonly excess: readonly string[];
}

export class PartitionLeases {
  /** This start of this replica. */
  readonly holder: string;
  readonly ttlMs: number;
  readonly #parts: LeasesParts;
  readonly #partitions: readonly string[];
  /** Epoch by partition. */
  #held = new Map<string, number>();
  #isPrepared = false;

  constructor(parts: LeasesParts) {
    this.#parts = parts;
    this.ttlMs = parts.ttlMs;
    this.holder = `${parts.replica}/${randomBytes(8).toString('hex')}`;
    this.#partitions = parts.partitions === 'all' ? allPartitions() : parts.partitions;
  }

  get held(): readonly string[] {
    return [...this.#held.keys()].sort();
  }

  holds(gateway: string): boolean {
    return this.#held.has(partitionOf(this.#parts.crypto, gateway));
  }

  partitionOf(gateway: string): string {
    return partitionOf(this.#parts.crypto, gateway);
  }

  /** Renews and takes. Rejects with STORE_IO: then nothing is known to have changed. */
  round(): Promise<LeaseRound> {
    return this.#as(async (trx) => {
      await this.#prepare(trx);
      if (this.#parts.partitions === 'all') await this.#appear(trx);
      const renewed = await this.#renew(trx);
      const share = await this.#share(trx);
      const taken = renewed.size < share ? await this.#take(trx, share - renewed.size) : new Map<string, number>();
      return { renewed, share, taken };
    }).then(({ renewed, share, taken }) => {
      const lost = this.held.filter((partition) => renewed.get(partition) !== this.#held.get(partition));
      this.#held = new Map([...renewed, ...taken]);
      return { lost, excess: taken.size > 0 ? [] : this.held.slice(share) };
    });
  }

  /** Not held any more, as far as this process is concerned: nothing of it is written until it is taken anew. */
  forget(partitions: readonly string[]): void {
    for (const partition of partitions) this.#held.delete(partition);
  }

  /** Others may take these at once. Call `forget` first. */
  async release(partitions: readonly string[]): Promise<void> {
    if (partitions.length === 0) return;
    await this.#as((trx) =>
      trx
        .updateTable('custody.lease')
        .set({ holder: '', until: sql<Date>`clock_timestamp()` })
        .where('fleet', '=', this.#parts.fleet)
        .where('holder', '=', this.holder)
        .where('partition', 'in', [...partitions])
        .execute(),
    );
  }

  /** Gives everything back. */
  async leave(): Promise<void> {
    const { held } = this;
    this.forget(held);
    await this.release(held);
    await this.#as((trx) =>
      trx
        .deleteFrom('custody.replica')
        .where('fleet', '=', this.#parts.fleet)
        .where('holder', '=', this.holder)
        .execute(),
    );
  }

  /**
   * Partitions of these gateways that this receiver holds, locked against a take-over until the transaction ends. What
   * is not among them was taken by another: nothing may be written for it.
   */
  async fence(trx: Trx, gateways: readonly string[]): Promise<ReadonlySet<string>> {
    const partitions = [...new Set(gateways.map((gateway) => this.partitionOf(gateway)))].sort();
    if (partitions.length === 0) return new Set();
    const rows = await trx
      .selectFrom('custody.lease')
      .select(['partition', 'epoch'])
      .where('fleet', '=', this.#parts.fleet)
      .where('holder', '=', this.holder)
      .where('partition', 'in', partitions)
      .orderBy('partition')
      // Renewals touch no key and pass; a take-over asks for the whole row and waits.
      .forKeyShare()
      .execute();
    return new Set(
      rows.filter(({ partition, epoch }) => this.#held.get(partition) === epoch).map((row) => row.partition),
    );
  }

  async #prepare(trx: Trx): Promise<void> {
    if (this.#isPrepared) return;
    const { fleet, tenant, region } = this.#parts;
    const until = sql<Date>`'-infinity'::timestamptz`;
    await trx
      .insertInto('custody.lease')
      .values(
        allPartitions().map((partition) => ({
          fleet,
          partition,
          epoch: 0,
          holder: '',
          replica: '',
          until,
          tenant,
          region,
        })),
      )
      .onConflict((conflict) => conflict.doNothing())
      .execute();
    this.#isPrepared = true;
  }

  async #appear(trx: Trx): Promise<void> {
    const { fleet, tenant, region } = this.#parts;
    await trx
      .insertInto('custody.replica')
      .values({ fleet, holder: this.holder, until: this.#until(), tenant, region })
      .onConflict((conflict) => conflict.columns(['fleet', 'holder']).doUpdateSet({ until: this.#until() }))
      .execute();
    // Those that are long gone; a frozen one appears again by itself.
    await trx
      .deleteFrom('custody.replica')
      .where('fleet', '=', fleet)
      .where('until', '<', sql<Date>`clock_timestamp() - interval '1 hour'`)
      .execute();
  }

  async #renew(trx: Trx): Promise<ReadonlyMap<string, number>> {
    const rows = await trx
      .updateTable('custody.lease')
      .set({ until: this.#until() })
      .where('fleet', '=', this.#parts.fleet)
      .where('holder', '=', this.holder)
      .returning(['partition', 'epoch'])
      .execute();
    return new Map(rows.map(({ partition, epoch }) => [partition, epoch]));
  }

  /** Partitions that each of the living may hold. */
  async #share(trx: Trx): Promise<number> {
    if (this.#parts.partitions !== 'all') return this.#partitions.length;
    const { count } = await trx
      .selectFrom('custody.replica')
      .select(({ fn }) => fn.countAll<number>().as('count'))
      .where('fleet', '=', this.#parts.fleet)
      .where('until', '>', sql<Date>`clock_timestamp()`)
      .executeTakeFirstOrThrow();
    return Math.ceil(this.#partitions.length / Math.max(1, Number(count)));
  }

  async #take(trx: Trx, count: number): Promise<ReadonlyMap<string, number>> {
    const { fleet, replica } = this.#parts;
    const free = await trx
      .selectFrom('custody.lease')
      .select('partition')
      .where('fleet', '=', fleet)
      .where('holder', '!=', this.holder)
      .where('partition', 'in', [...this.#partitions])
      .where((eb) => eb.or([eb('until', '<', sql<Date>`clock_timestamp()`), eb('replica', '=', replica)]))
      .orderBy('partition')
      .limit(count)
      .forUpdate()
      // One that a write stands on, or another takes, is asked for again in the next round.
      .skipLocked()
      .execute();
    if (free.length === 0) return new Map();
    const rows = await trx
      .updateTable('custody.lease')
      .set((eb) => ({ holder: this.holder, replica, epoch: eb('epoch', '+', 1), until: this.#until() }))
      .where('fleet', '=', fleet)
      .where(
        'partition',
        'in',
        free.map(({ partition }) => partition),
      )
      .returning(['partition', 'epoch'])
      .execute();
    return new Map(rows.map(({ partition, epoch }) => [partition, epoch]));
  }

  #until() {
    return sql<Date>`clock_timestamp() + ${this.ttlMs} * interval '1 millisecond'`;
  }

  async #as<T>(work: (trx: Trx) => Promise<T>): Promise<T> {
    try {
      return await this.#parts.database.as('custody', work);
    } catch (error) {
      throw failureOf(error);
    }
  }
}

function allPartitions(): readonly string[] {
  return Array.from({ length: PARTITIONS }, (_, i) => i.toString(16).padStart(2, '0'));
}
