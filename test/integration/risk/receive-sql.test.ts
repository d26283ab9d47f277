/** The whole receiver on a database: stored, receipted, restarted, and honest about what a receipt may promise. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { embedded } from '../../support/embedded.ts';
import { type Postgres, startPostgres } from '../../support/postgres.ts';
import { grow, newLog } from '../../unit/intake/events.ts';
import { Fleet } from '../receive/fleet.ts';

let postgres: Postgres;
let fleet: Fleet;
let count = 0;
beforeAll(async () => {
  postgres = await startPostgres();
});
afterAll(() => postgres.stop());
beforeEach(async () => {
  fleet = await Fleet.start();
});
afterEach(() => fleet.end());

async function onPostgres(): Promise<object> {
  count += 1;
  const file = join(fleet.home, 'database.url');
  writeFileSync(file, `${await postgres.database(`receive${count}`)}\n`, { mode: 0o600 });
  return { store: { postgres: { url_file: file } } };
}

async function restartAndGoOn(settings: ReturnType<Fleet['settings']>): Promise<void> {
  const log = grow(newLog(), 8);
  fleet.believe(log);
  const first = await fleet.receive(settings);
  await fleet.send(log, 'batch', log.batch(0, 5));
  await fleet.untilReceipted(log, 5);
  await first.stop();
  await fleet.broker.forgetRetained();
  await fleet.receive(settings);
  await fleet.untilReceipted(log, 5);
  await fleet.send(log, 'batch', log.batch(5, 8));
  await fleet.untilReceipted(log, 8);
}

describe('a receiver', () => {
  test('on PostgreSQL stores, receipts, and goes on after a restart', async () => {
    await restartAndGoOn(fleet.settings(await onPostgres()));
  });

  test('on the embedded database does so with advisory receipts', async () => {
    await embedded(join(fleet.dataDir, 'database'));
    await restartAndGoOn(
      fleet.settings({ store: 'embedded', witness: { name: 'refunds.example/receipts', role: 'advisory' } }),
    );
  });

  test('on a database that does not sync promises nothing that it cannot hold', async () => {
    fleet.believe(grow(newLog(), 1));
    await embedded(join(fleet.dataDir, 'database'));
    await expect(fleet.receive(fleet.settings({ store: 'embedded' }))).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringContaining('use advisory'),
    });
  });

  test('goes on when the server crashes under it: nothing receipted is lost, the rest comes again', async () => {
    const log = grow(newLog(), 30);
    fleet.believe(log);
    await fleet.receive(fleet.settings(await onPostgres()));
    await fleet.send(log, 'batch', log.batch(0, 10));
    await fleet.untilReceipted(log, 10);
    await postgres.kill('SIGQUIT');
    await fleet.send(log, 'batch', log.batch(10, 20));
    await postgres.restart();
    await fleet.sendUntilReceipted(log, 'batch', log.batch(10, 20), 20);
    await fleet.send(log, 'batch', log.batch(20, 30));
    await fleet.untilReceipted(log, 30);
  });

  test('that cannot reach its database says so, and names no password', async () => {
    const file = join(fleet.home, 'database.url');
    writeFileSync(file, 'postgres://latchkey:hunter2@127.0.0.1:1/none\n');
    fleet.believe(grow(newLog(), 1));
    const failed = fleet.receive(fleet.settings({ store: { postgres: { url_file: file } } }));
    await expect(failed).rejects.toMatchObject({ code: 'DATABASE_UNREACHABLE' });
    const text = await failed.then(String, (error: unknown) =>
      JSON.stringify(error, Object.getOwnPropertyNames(error)),
    );
    expect(text).not.toContain('hunter2');
    expect(fleet.logger.text).not.toContain('hunter2');
  });
});
