/** What a service does of retention by itself, on a database that a test has opened. */
import { sql } from 'kysely';
import { expect } from 'vitest';
import type { ManualScheduler } from '../../../src/base/manual-scheduler.ts';
import { MemoryMetrics } from '../../../src/base/metrics.ts';
import { nodeCrypto } from '../../../src/platform/node-crypto.ts';
import { RetentionRounds } from '../../../src/risk/retention/rounds.ts';
import { RetentionRoom } from '../../../src/risk/retention/run.ts';
import { retentionSchema } from '../../../src/risk/retention/settings.ts';
import { openStatement, type StatementKey } from '../../../src/risk/retention/statement.ts';
import type { RiskDatabase } from '../../../src/risk/store/open-database.ts';
import type { TextLogger } from '../../unit/intake/harness.ts';

const DAY_MS = 86_400_000;
const owner = { tenant: 'default', region: 'eu' };

export interface RoundsWhere {
  readonly database: RiskDatabase;
  readonly key: StatementKey;
  readonly clock: ManualScheduler;
  readonly logger: TextLogger;
}

export async function expectRounds({ database, key, clock, logger }: RoundsWhere): Promise<void> {
  const oldMs = clock.wallMs() - 600 * DAY_MS;

  const claims = (like: string) =>
    sql<{ n: number }>`select count(*)::int as n from custody.claim where ref like ${like}`;
  const left = async (like: string) => (await claims(like).execute(database.kysely)).rows[0]?.n;
  const keepOld = (name: string) =>
    database.as('custody', (trx) =>
      sql`insert into custody.claim (ref, parcel, at, received_at, body, level, tenant, region)
            select ${name}::text || i, 'p-' || i, ${new Date(oldMs)}, ${new Date(oldMs)}, '{}', 'declared', ${owner.tenant},
              ${owner.region} from generate_series(1, 2500) as i`.execute(trx),
    );
  const statements = async () =>
    (await database.kysely.selectFrom('custody.erasure').select('statement').where('actor', '=', 'service').execute())
      .length;
  const metrics = new MemoryMetrics();
  const { signal } = new AbortController();
  const service = (catchUp: () => Promise<unknown>) =>
    new RetentionRounds({
      ...{ database, crypto: nodeCrypto, key, ...owner, logger, metrics, catchUp },
      ...{ scheduler: clock, settings: retentionSchema.parse({ every_h: 24 }) },
    });
  await keepOld('one ');
  let first = async (): Promise<unknown> => Promise.reject(new Error('no answer of the ledger'));
  const a = service(() => first());
  expect(await a.round(signal)).toBe(false);
  expect(a.status()).toMatchObject({ failures: 1, failure: 'no answer of the ledger', overdue: false });
  expect(metrics.value('retention_failures')).toBe(1);
  clock.advance(2 * DAY_MS + 1);
  expect(a.status()).toMatchObject({ overdue: true });
  // While one is at it, another finds that it is not its turn.
  const b = service(async () => undefined);
  first = async () => {
    expect(await b.round(signal)).toBe(true);
    expect([await left('one %'), b.status()?.rows_gone]).toEqual([2_500, 0]);
  };
  expect(await a.round(signal)).toBe(true);
  expect(await left('one %')).toBe(0);
  expect(a.status()).toMatchObject({ age_ms: 0, overdue: false, failures: 1 });
  expect(a.status()?.rows_gone).toBeGreaterThanOrEqual(2_500);
  expect(metrics.value('retention_rows_gone')).toBe(a.status()?.rows_gone);
  expect(await statements()).toBe(1);
  const [kept] = await database.kysely
    .selectFrom('custody.erasure')
    .selectAll()
    .where('actor', '=', 'service')
    .execute();
  expect(openStatement(nodeCrypto, key.vkey, kept?.statement ?? '')).toMatchObject({
    ok: true,
    value: { kind: 'retention', by: 'service', counts: { claims: 2_500 } },
  });
  // Whoever starts anew knows that it was done, and does it when it is due.
  await keepOld('two ');
  const again = service(async () => undefined);
  expect([await again.round(signal), await left('two %')]).toEqual([true, 2_500]);
  // One who lost the turn takes nothing, and what it took before is signed.
  clock.advance(DAY_MS);
  first = async () => {
    await sql`update custody.job set epoch = epoch + 1`.execute(database.kysely);
  };
  expect([await a.round(signal), await left('two %')]).toEqual([false, 2_500]);
  expect(a.status()?.failure).toContain('another has taken over');
  await sql`update custody.job set held_until = '-infinity'`.execute(database.kysely);
  const cut = new RetentionRoom({
    ...{ database, crypto: nodeCrypto, key, ...owner, clock, logger, settings: retentionSchema.parse({}) },
    catchUp: async () => undefined,
    renew: async (trx) => {
      if (((await claims('two %').execute(trx)).rows[0]?.n ?? 0) < 2_500) throw new Error('cut off');
    },
  });
  await expect(cut.run('service', signal)).rejects.toThrow('cut off');
  expect([await left('two %'), await statements()]).toEqual([500, 2]);
  expect([await again.round(signal), await left('two %')]).toEqual([true, 0]);
  const off = new RetentionRounds({
    ...{ database, crypto: nodeCrypto, key, ...owner, logger, metrics, catchUp: async () => undefined },
    ...{ scheduler: clock, settings: retentionSchema.parse({ every_h: 'off' }) },
  });
  await off.run(signal);
  expect(off.status()).toBeUndefined();
}
