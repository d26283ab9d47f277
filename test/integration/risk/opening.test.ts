/**
 * Databases that cannot be used, and logins that own none: every command of the risk side says what it expected and found,
 * and leaves nothing open behind, which would keep its process alive; and who may do little can still run the service.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PGlite } from '@electric-sql/pglite';
import { Kysely, type Migration, Migrator, sql } from 'kysely';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { stringify } from 'yaml';
import { present } from '../../../src/base/assert.ts';
import { LatchkeyError } from '../../../src/base/errors.ts';
import { CommandArgs, type CommandSpec } from '../../../src/cli/command.ts';
import { RISK_COMMANDS } from '../../../src/cli/commands-risk.ts';
import { DriverDialect } from '../../../src/risk/store/dialect.ts';
import { makeRole } from '../../../src/risk/store/make-role.ts';
import { MIGRATIONS, migrate } from '../../../src/risk/store/migrate.ts';
import { RiskDatabase } from '../../../src/risk/store/open-database.ts';
import { PgliteDriver } from '../../../src/risk/store/pglite-driver.ts';
import { ServerDriver } from '../../../src/risk/store/postgres-driver.ts';
import type { Database } from '../../../src/risk/store/schema.ts';
import { embedded, embeddedInMemory } from '../../support/embedded.ts';
import { type Postgres, startPostgres } from '../../support/postgres.ts';
import { makeTempDir } from '../../support/temp-dir.ts';

const LIMIT_MS = 240_000;
const dir = makeTempDir('opening');
let server: Postgres;

beforeAll(async () => {
  server = await startPostgres();
}, LIMIT_MS);
afterAll(async () => {
  await server.stop();
  dir.remove();
});

const payment = { payment_ref: 'pay-1', currency: 'USD', captured_minor: 9_000 };
const request = {
  refund_id: 'r-1',
  kind: 'return',
  parcel_refs: ['k1.parcel'],
  amount_minor: 4_200,
  currency: 'USD',
  operator: 'op-1',
  requested_at: new Date().toISOString(),
  payment_ref: 'pay-1',
};

function fileOf(name: string, text: string): string {
  writeFileSync(dir.file(name), text, { mode: 0o600 });
  return dir.file(name);
}

function serverSettings(name: string, url: string): string {
  const written = {
    data_dir: dir.file('data'),
    store: { postgres: { url_file: fileOf(`${name}.url`, `${url}\n`) } },
    trust_first_use: true,
    mqtt: { url: 'mqtt://127.0.0.1:1' },
    witness: { name: 'refunds.example/receipts' },
  };
  return fileOf(`${name}.yaml`, stringify(written));
}

function embeddedSettings(name: string): string {
  const data_dir = dir.file(name);
  const witness = { name: 'refunds.example/receipts', role: 'advisory' };
  const written = { data_dir, store: 'embedded', trust_first_use: true, mqtt: { url: 'mqtt://127.0.0.1:1' }, witness };
  return fileOf(`${name}.yaml`, stringify(written));
}

interface Ran {
  readonly code: number;
  readonly out: string;
}

async function run(name: string, config: string, words: readonly string[] = [], more: object = {}): Promise<Ran> {
  const lines: string[] = [];
  const command = present(
    RISK_COMMANDS.find((one) => one.name === `risk ${name}`),
    name,
  );
  const code = await (await command.load())(new CommandArgs(words, { config, ...more }), {
    out: (line) => void lines.push(line),
    err: (line) => void lines.push(line),
    write: () => Promise.resolve(),
    signal: new AbortController().signal,
  });
  return { code, out: lines.join('\n') };
}

async function failure(doing: Promise<unknown>): Promise<LatchkeyError> {
  const error = await doing.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof LatchkeyError)) throw new Error('expected a failure that has a code', { cause: error });
  return error;
}

/** All that read the database of the receiver by their settings; the service and its tokens have others. */
const openers: readonly CommandSpec[] = RISK_COMMANDS.filter(({ options }) =>
  options['config']?.help.includes('receive.yaml with a database'),
);
/** What each needs to come as far as the database. */
const words = (): Readonly<Record<string, readonly [readonly string[], object?]>> => ({
  'risk refund': [[fileOf('request.json', JSON.stringify(request))]],
  'risk replay': [['d-1']],
  'risk hold-release': [['h-1'], { actor: 'ana', reason: 'seen' }],
  'risk settle': [['r-1'], { reference: 's-1', amount: '1', currency: 'USD' }],
  'risk bundle': [['parcel', 'k1.parcel']],
  'risk erase': [[], { parcel: 'k1.parcel', reason: 'asked for' }],
  'risk import': [['payments', fileOf('payments.json', JSON.stringify([payment]))]],
});

const FOREIGN = `insert into kysely_migration values ('0016_other', '2026-01-01T00:00:00.000Z')`;

describe.each(['PGlite', 'PostgreSQL'] as const)('of another line of versions, on %s', (engine) => {
  let config = '';
  let client: pg.Client | undefined;
  const close = vi.spyOn(PGlite.prototype, 'close');

  beforeAll(async () => {
    if (engine === 'PGlite') {
      config = embeddedSettings('foreign');
      const pglite = new PGlite(join(await embedded(dir.file('foreign', 'database')), 'pglite'));
      await pglite.query(FOREIGN);
      await pglite.close();
      return;
    }
    const url = await server.database('foreign');
    await (await RiskDatabase.open({ engine: 'postgres', url })).close();
    client = new pg.Client({ connectionString: url });
    await client.connect();
    await client.query(FOREIGN);
    config = serverSettings('foreign-server', url);
  }, LIMIT_MS);
  afterAll(() => client?.end());

  async function stillOpen(): Promise<number> {
    const text = `select 1 from pg_stat_activity where application_name = 'latchkey' and datname = 'foreign'`;
    return (await client?.query(text))?.rowCount ?? 0;
  }

  test(
    'every command that opens the database refuses it, says what it found, and closes what it opened',
    async () => {
      expect(openers.length).toBeGreaterThan(10);
      const given = words();
      // They open it by one way; a start of PGlite costs a second of processor time.
      for (const { name } of openers.filter((_, i) => engine === 'PostgreSQL' || i % 4 === 2)) {
        close.mockClear();
        const [positionals, more] = given[name] ?? [[]];
        const { code, message } = await failure(run(name.slice('risk '.length), config, positionals, more));
        expect([name, code, message]).toEqual([
          name,
          'STORE_VERSION',
          expect.stringMatching(
            /expected the migrations up to \d{4}_\w+, found 0016_other, .*: run the version that did/,
          ),
        ]);
        if (engine === 'PGlite') expect([name, close.mock.calls.length]).toEqual([name, 1]);
        else await vi.waitFor(async () => expect(await stillOpen()).toBe(0), { timeout: 60_000 });
      }
    },
    LIMIT_MS,
  );
});

test('an embedded database that cannot start is refused as such, and its lock is free again', async () => {
  const config = embeddedSettings('damaged');
  const files = dir.file('damaged', 'database', 'pglite');
  await embedded(dir.file('damaged', 'database'));
  writeFileSync(join(files, 'global', 'pg_control'), 'none');
  for (let i = 0; i < 2; i++) {
    expect(await failure(run('holds', config))).toMatchObject({
      code: 'STORE_IO',
      message: expect.stringMatching(/^cannot open the database: /),
    });
  }
});

test('while another process has the embedded database, commands say what to do instead', async () => {
  const config = embeddedSettings('busy');
  const held = await RiskDatabase.open({ engine: 'pglite', directory: await embedded(dir.file('busy', 'database')) });
  const { code, message } = await failure(run('holds', config));
  await held.close();
  expect([code, message]).toEqual(['STORE_BUSY', expect.stringContaining('ask the API of the service')]);
});

test.each([
  ['', 'nothing'],
  ['db.example/latchkey', 'something else'],
  ['https://lodger:pa55@db.example/latchkey', 'something else'],
])(
  'a first line of url_file that is no address of PostgreSQL goes to no server, and is not repeated: %j',
  async (url, found) => {
    const { code, message } = await failure(run('holds', serverSettings('no-address', url)));
    expect([code, message]).toEqual([
      'CONFIG_INVALID',
      expect.stringMatching(`first line of .*no-address.url, found ${found}$`),
    ]);
    expect(message).not.toContain('pa55');
  },
);

test('who makes the roles of rooms on PostgreSQL 16 and later may become them', async () => {
  const pglite = await embeddedInMemory();
  const kysely = new Kysely<unknown>({ dialect: new DriverDialect(new PgliteDriver(pglite)) });
  await pglite.exec('create role maker createrole; set session authorization maker');
  await makeRole(kysely, 'latchkey_room');
  await pglite.exec('begin; set local role latchkey_room; commit');
  await kysely.destroy();
});

test(
  'as the first steps prepare it, the owner migrates, and a login with the rights of the rooms runs all the rest',
  async () => {
    const page = readFileSync(join(import.meta.dirname, '../../../src/cli/FIRST-STEPS-POSTGRES.md'), 'utf8');
    const statements = present(/```sql\n([^`]+)```/.exec(page)?.[1], 'the preparation');
    const admin = new pg.Client({ connectionString: await server.database('administrator') });
    await admin.connect();
    for (const statement of statements.split(';').filter((text) => text.trim() !== '')) {
      // Another database of this server may have made the roles.
      await admin.query(statement).catch((error: { readonly code?: string }) => {
        if (error.code !== '42710') throw error;
      });
    }
    await admin.end();
    const url = (await server.database('unused')).replace('/unused', '/latchkey');
    const config = serverSettings('service', url.replace('latchkey@', 'latchkey_service@'));
    const owner = fileOf('owner.url', `${url.replace('latchkey@', 'latchkey_owner@')}\n`);

    const early = await failure(run('holds', config));
    expect([early.code, early.message]).toEqual(['STORE_VERSION', expect.stringContaining('latchkey risk migrate')]);
    const ran = JSON.parse((await run('migrate', config, [], { 'url-file': owner, json: true })).out) as {
      ran: string[];
    };
    expect(ran.ran).toContain('0001_custody');
    expect((await run('migrate', config, [], { 'url-file': owner })).out).toContain('0 migrations ran');

    const [payments, refund] = [words()['risk import'], words()['risk refund']];
    expect(await run('import', config, payments?.[0])).toMatchObject({ code: 0 });
    const decision = JSON.parse((await run('refund', config, refund?.[0], { json: true })).out) as {
      decision_id: string;
    };
    expect(await run('replay', config, [decision.decision_id])).toMatchObject({ code: 0 });
    for (const name of ['work', 'patterns run', 'holds']) expect(await run(name, config)).toMatchObject({ code: 0 });
    const claims = [{ parcel: 'k1.other', ref: 'w:1', at_ms: 1, body: { what: 'warehouse_received' } }];
    expect(await run('import', config, ['claims', fileOf('claims.json', JSON.stringify(claims))])).toMatchObject({
      code: 0,
    });
    const erased = await run('erase', config, [], { parcel: 'k1.other', reason: 'asked for', yes: true });
    expect(erased).toMatchObject({ code: 0, out: expect.stringContaining('1 claims') });
    expect(erased.out).toMatch(/old bytes may remain .*: this login does not own it/);
    const swept = JSON.parse((await run('retention run', config, [], { yes: true, json: true })).out) as object;
    expect(swept).toMatchObject({ outcome: 'done' });
  },
  LIMIT_MS,
);

test('what the login may not write anew is named as left, and never as done', async () => {
  const { compact } = await import('../../../src/risk/retention/compact.ts');
  const url = (await server.database('unused-too')).replace('/unused-too', '/latchkey');
  const quiet = { warn: () => undefined } as unknown as Parameters<typeof compact>[2];
  const as = async (login: string) => {
    const opened = await RiskDatabase.open({ engine: 'postgres', url: url.replace('latchkey@', `${login}@`) });
    const done = await compact(opened, ['custody.claim'], quiet);
    await opened.close();
    return done;
  };
  expect(await as('latchkey_service')).toMatchObject({
    tables: [],
    left: expect.arrayContaining(['vacuum custody.claim: this login does not own it']),
  });
  expect((await as('latchkey_owner')).tables).toEqual(['custody.claim']);
});

describe('a migration', () => {
  const pools: pg.Pool[] = [];
  afterAll(() => Promise.all(pools.map((pool) => pool.end())));

  async function session(url: string): Promise<pg.Client> {
    const client = new pg.Client({ connectionString: url, application_name: 'report' });
    await client.connect();
    return client;
  }

  test(
    'is cut off by no limit of its login, and waits a minute for a lock',
    async () => {
      const url = await server.database('limits');
      const admin = await session(url);
      await admin.query(`create role limited superuser login;
        alter role limited set statement_timeout = '5ms'; alter role limited set lock_timeout = '5ms';
        alter database limits set idle_in_transaction_session_timeout = '5ms';
        create table public.seen (statement text, lock text, idle text);
        create function public.see() returns event_trigger language plpgsql as $$ begin
          if exists (select from pg_event_trigger_ddl_commands() where schema_name in ('custody', 'payments', 'cases')) then
            insert into public.seen values (current_setting('statement_timeout'), current_setting('lock_timeout'),
              current_setting('idle_in_transaction_session_timeout'));
          end if; end $$;
        create event trigger see on ddl_command_end execute function public.see()`);
      const limited = url.replace('latchkey@', 'limited@');
      await (await RiskDatabase.open({ engine: 'postgres', url: limited })).close();
      const { rows } = await admin.query('select *, count(*)::int > 100 as often from public.seen group by 1, 2, 3');
      await admin.end();
      expect(rows).toEqual([{ statement: '0', lock: '1min', idle: '0', often: true }]);
    },
    LIMIT_MS,
  );

  test(
    'waits for no running service and no open session for ever: it names them, and changes nothing',
    async () => {
      const url = await server.database('held');
      const pool = new pg.Pool({ connectionString: url, max: 2 });
      pools.push(pool);
      const kysely = new Kysely<Database>({ dialect: new DriverDialect(new ServerDriver(pool)) });
      const before: Record<string, Migration> = Object.fromEntries(
        Object.entries(MIGRATIONS).filter(([name]) => name < '0029'),
      );
      const old = new Migrator({ db: kysely, provider: { getMigrations: async () => before } });
      expect((await old.migrateToLatest()).error).toBeUndefined();
      const run = (statement: string) => sql.raw(statement).execute(kysely);

      await run(`insert into custody.replica values
        ('lk1', 'east/1', clock_timestamp() + interval '1 hour', 'shop', 'us'),
        ('lk1', 'west/2', clock_timestamp() - interval '1 second', 'shop', 'us')`);
      const running = await failure(migrate(kysely));
      expect([running.code, running.message]).toEqual([
        'STORE_BUSY',
        expect.stringMatching(/no service runs on it, found east \(for 3\d{3} s more\); stop each of them/),
      ]);
      await run('delete from custody.replica');

      const report = await session(url);
      await report.query('begin');
      await report.query('select from payments.decision');
      const pid = (await report.query<{ pid: number }>('select pg_backend_pid() as pid')).rows[0]?.pid;
      const held = await failure(migrate(kysely, { lockMs: 200 }));
      expect([held.code, held.message]).toEqual([
        'STORE_BUSY',
        expect.stringMatching(
          new RegExp(
            `migration 0029_little_evidence waited .*process ${pid} \\(login latchkey, report, idle in transaction`,
          ),
        ),
      ]);
      await report.end();
      expect(await migrate(kysely)).toContain('0029_little_evidence');
    },
    LIMIT_MS,
  );
});
