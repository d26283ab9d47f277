/**
 * One database, one tenant: names of refunds and idempotency keys are kept apart by nothing else, and no question asks for
 * a tenant's rows alone. So whoever opens a database for another tenant than wrote to it is refused.
 */
import { type RawBuilder, sql } from 'kysely';
import { LatchkeyError } from '../../base/errors.ts';
import type { RiskDatabase } from './open-database.ts';

interface Table {
  readonly schema: string;
  readonly name: string;
}

/** Rejects with CONFIG_INVALID. Of each table one row is looked at: all who write have passed here. */
export async function refuseOtherTenant({ kysely }: Pick<RiskDatabase, 'kysely'>, tenant: string): Promise<void> {
  const tables = await sql<Table>`
    select n.nspname as schema, c.relname as name
      from pg_class c join pg_namespace n on n.oid = c.relnamespace join pg_attribute a on a.attrelid = c.oid
      where n.nspname in ('custody', 'payments', 'cases') and c.relkind in ('r', 'p') and not c.relispartition
        and a.attname = 'tenant' and not a.attisdropped
      order by 1, 2`.execute(kysely);
  const firsts: readonly RawBuilder<unknown>[] = tables.rows.map(
    ({ schema, name }) => sql`(select tenant from ${sql.id(schema, name)} limit 1)`,
  );
  const { rows } = await sql<{ readonly tenant: string }>`
    select distinct tenant from (${sql.join(firsts, sql` union all `)}) t where tenant <> ${tenant} limit 1`.execute(
    kysely,
  );
  const other = rows[0];
  if (other === undefined) return;
  throw new LatchkeyError(
    'CONFIG_INVALID',
    `tenant: expected ${JSON.stringify(other.tenant)}, whose rows this database holds, found ${JSON.stringify(tenant)}; give each tenant a database of its own`,
  );
}
