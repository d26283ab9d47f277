/** One transaction over two schemas: each statement runs under the rights of the room that it belongs to. */
import { sql, type Transaction } from 'kysely';
import { type Database, ROLES, type Role } from '../store/schema.ts';

export type Trx = Transaction<Database>;

/** Whose rows they are. */
export interface Owner {
  readonly tenant: string;
  readonly region: string;
}

/** Does the work under other rights, then goes on under those of payments. What fails undoes the transaction. */
export async function asCases<T>(trx: Trx, work: () => Promise<T>): Promise<T> {
  await setRole(trx, 'cases');
  const done = await work();
  await setRole(trx, 'payments');
  return done;
}

async function setRole(trx: Trx, role: Role): Promise<void> {
  await sql`set local role ${sql.id(ROLES[role])}`.execute(trx);
}
