/**
 * How a statement travels: each journey to the server costs both sides more than most statements do, so a room may say
 * that several go together. What they do, and in which order, is the same on every engine; PGlite takes them one by one.
 */
import type { CompiledQuery, RawBuilder, Transaction } from 'kysely';
import type { Database } from './schema.ts';

export interface Sending {
  /** Planned once for each connection, under this name: one name, one text, for good. */
  readonly name?: string;
  /**
   * `later`: nobody waits for its answer; it leaves with the next statement or the commit, which fails if it failed.
   * `last`: nothing follows it in its transaction; the commit leaves with it.
   */
  readonly when?: 'later' | 'last';
}

export interface SentQuery<R = unknown> extends CompiledQuery<R> {
  readonly sending?: Sending;
}

/** Resolves with the rows; with none at once when it goes later. */
export async function send<R>(
  trx: Transaction<Database>,
  query: RawBuilder<R>,
  sending: Sending,
): Promise<readonly R[]> {
  const sent: SentQuery<R> = { ...query.compile(trx), sending };
  const { rows } = await trx.executeQuery<R>(sent);
  return rows;
}
