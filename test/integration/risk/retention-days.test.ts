/** Which days of entries go, and when: to the millisecond at midnight, at the end of a month, and after the service stood still. */
import { sql } from 'kysely';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ManualScheduler } from '../../../src/base/manual-scheduler.ts';
import { nodeCrypto } from '../../../src/platform/node-crypto.ts';
import { RetentionRoom } from '../../../src/risk/retention/run.ts';
import { retentionSchema } from '../../../src/risk/retention/settings.ts';
import { openStatementKey } from '../../../src/risk/retention/statement.ts';
import type { RiskDatabase } from '../../../src/risk/store/open-database.ts';
import { openInMemory } from '../../support/embedded.ts';
import { makeTempDir } from '../../support/temp-dir.ts';
import { TextLogger } from '../../unit/intake/harness.ts';

const DAY_MS = 86_400_000;
const dir = makeTempDir('retention-days');
let database: RiskDatabase;
beforeAll(async () => {
  ({ database } = await openInMemory());
});
afterAll(async () => {
  await database.close();
  dir.remove();
});

async function roomAt(now: string): Promise<RetentionRoom> {
  return new RetentionRoom({
    ...{ database, crypto: nodeCrypto, tenant: 'default', region: 'eu', logger: new TextLogger() },
    clock: new ManualScheduler(Date.parse(now)),
    key: await openStatementKey(nodeCrypto, dir.file('key'), 'refunds.example/erasures'),
    settings: retentionSchema.parse({ bodies_days: 29, hashes_days: 30 }),
    catchUp: async () => undefined,
  });
}

/** One entry in the first millisecond of each day and one in its last; the ledger has read all of them. */
async function stored(first: string, days: number): Promise<void> {
  const origin = 'lockers.example/gw-0001/1-00000000';
  await database.as('custody', async (trx) => {
    for (let i = 0; i < days; i += 1) {
      const beginMs = Date.parse(first) + i * DAY_MS;
      await sql`select custody.ensure_day(${new Date(beginMs).toISOString().slice(0, 10)}::date)`.execute(trx);
      for (const [at, ms] of [beginMs, beginMs + DAY_MS - 1].entries()) {
        await sql`insert into custody.entry (stored_at, origin, n, position, gateway, leaf_hash, leaf, status, tenant, region)
          values (${new Date(ms)}, ${origin}, ${2 * i + at}, ${2 * i + at}, 'gw-0001', '\\x00', '\\x7b7d', 'used', 'default', 'eu')`.execute(
          trx,
        );
      }
    }
    await sql`insert into custody.read_to (origin, position, tenant, region)
      values (${origin}, ${2 * days}, 'default', 'eu')`.execute(trx);
  });
}

test('a day goes at the midnight after its term and not before, whole; after a week without a service all that are due', async () => {
  await stored('2027-12-28T00:00:00Z', 12);
  const due = async (now: string) => (await (await roomAt(now)).plan()).counts;
  // 30 days after the last entry of the oldest, which came in its last millisecond, the 27th of January ends.
  expect(await due('2028-01-26T23:59:59.999Z')).toMatchObject({ days: 0, hashes: 0, bodies: 0 });
  expect(await due('2028-01-27T23:59:59.999Z')).toMatchObject({ days: 0, hashes: 0, bodies: 2 });
  const midnight = await (await roomAt('2028-01-28T00:00:00.000Z')).run('service');
  expect(midnight.counts).toMatchObject({ days: 1, hashes: 2, bodies: 4 });
  expect(midnight.before).toBe('2027-12-30T00:00:00.000Z');
  const { rows } = await sql<{ oldest: string }>`
    select to_char(min(day), 'YYYY-MM-DD') as oldest from custody.days() as day`.execute(database.kysely);
  expect(rows).toEqual([{ oldest: '2027-12-29' }]);
  // Over the end of a year and of a month, and to the end of February of a leap year.
  expect(await due('2028-02-04T12:00:00.000Z')).toMatchObject({ days: 7, hashes: 14, bodies: 14 });
  expect(await due('2028-02-29T23:59:59.999Z')).toMatchObject({ days: 11, hashes: 22, bodies: 20 });
});
