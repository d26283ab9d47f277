/**
 * Servers that cannot be reached and servers that refuse: each failure says its own remedy, never that of a disk, and
 * nothing of the address.
 */
import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { TLSSocket } from 'node:tls';
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { explain, LatchkeyError } from '../../../src/base/errors.ts';
import { RiskDatabase } from '../../../src/risk/store/open-database.ts';
import { type Postgres, startPostgres } from '../../support/postgres.ts';
import { makeTempDir } from '../../support/temp-dir.ts';
import { type IssuedCertificate, makeAuthority, type TestAuthority } from '../../support/test-authority.ts';

const SECRET = 'pa55-word-of-nobody';
const dir = makeTempDir('connecting');
let server: Postgres;
let front: Server;
let authority: TestAuthority;
/** Of the database `here`, as a superuser whom the server trusts. */
let url = '';

beforeAll(async () => {
  server = await startPostgres();
  url = await server.database('here');
  const admin = new pg.Client({ connectionString: url });
  await admin.connect();
  const hba = ['local all latchkey trust', 'local all barred reject', 'local all all scram-sha-256'].join("'), ('");
  await admin.query(`create role lodger login password '${SECRET}'`);
  await admin.query('create role barred login');
  await admin.query('revoke all on database here from public');
  const file = (await admin.query<{ hba_file: string }>('show hba_file')).rows[0]?.hba_file ?? '';
  await admin.query(`copy (values ('${hba}')) to '${file}'`);
  await admin.query('select pg_reload_conf()');
  await admin.end();
  authority = makeAuthority(dir.path, 'authority');
  front = createServer();
  await new Promise<void>((resolve) => front.listen(0, '127.0.0.1', resolve));
});
afterAll(async () => {
  front.close();
  await server.stop();
  dir.remove();
});

/** PostgreSQL is reached through a socket alone; over TCP somebody answers who has this certificate. */
function answeredWith({ certPath, keyPath }: IssuedCertificate, more = ''): string {
  const [cert, key] = [readFileSync(certPath), readFileSync(keyPath)];
  front.removeAllListeners('connection');
  front.on('connection', (socket) => {
    socket.on('error', () => undefined);
    // SSLRequest is answered by one byte (PostgreSQL, 55.2.10).
    socket.once('data', () => {
      socket.write('S');
      new TLSSocket(socket, { isServer: true, key, cert }).on('error', () => undefined);
    });
  });
  const { port } = front.address() as { readonly port: number };
  return `postgres://lodger:${SECRET}@127.0.0.1:${port}/here?sslmode=verify-full${more}`;
}

const as = (login: string, password = SECRET): string => url.replace('latchkey@', `${login}:${password}@`);
const trusted = (): string => `&sslrootcert=${authority.caPath}`;
const closedPort = async (): Promise<number> => {
  const once = createServer();
  await new Promise<void>((resolve) => once.listen(0, '127.0.0.1', resolve));
  const { port } = once.address() as { readonly port: number };
  await new Promise((resolve) => once.close(resolve));
  return port;
};

const KINDS: Readonly<Record<string, readonly [address: () => string | Promise<string>, code: string, said: RegExp]>> =
  {
    'a wrong password': [
      () => as('lodger', `${SECRET}-not`),
      'DATABASE_REFUSED',
      /a login or a password that .* as %40/,
    ],
    'a login that is not there': [() => as('stranger'), 'DATABASE_REFUSED', /a login or a password/],
    'no password': [() => url.replace('latchkey@', 'lodger@'), 'DATABASE_REFUSED', /no password, .* PGPASSFILE/],
    'a login that is not let in': [() => as('barred'), 'DATABASE_REFUSED', /pg_hba\.conf/],
    'a login that may not connect': [() => as('lodger'), 'DATABASE_REFUSED', /grant it connect/],
    'an unknown database': [() => url.replace('/here?', '/there?'), 'DATABASE_REFUSED', /no database of that name/],
    'a server without TLS': [
      () => `${url}&sslmode=verify-full`,
      'DATABASE_REFUSED',
      /a server without TLS; turn ssl on/,
    ],
    'a certificate of nobody': [
      () => answeredWith(authority.issue('unknown', { names: 'IP:127.0.0.1' })),
      'DATABASE_REFUSED',
      /a certificate .*; name the authority .* do not turn the check off/,
    ],
    'a certificate that has expired': [
      () => answeredWith(authority.issue('old', { names: 'IP:127.0.0.1', expired: true }), trusted()),
      'DATABASE_REFUSED',
      /has expired; renew/,
    ],
    'a certificate of another host': [
      () => answeredWith(authority.issue('other', { names: 'DNS:db.example' }), trusted()),
      'DATABASE_REFUSED',
      /for another host; write the host/,
    ],
    'an authority whose file is not there': [
      () => `${url}&sslmode=verify-full&sslrootcert=${dir.file('none.pem')}`,
      'DATABASE_REFUSED',
      /cannot be read .*none\.pem\); correct sslrootcert/,
    ],
    'nobody at the port': [
      async () => `postgres://lodger:${SECRET}@127.0.0.1:${await closedPort()}/here`,
      'DATABASE_UNREACHABLE',
      /nobody who listens there; start it/,
    ],
    'no socket in the folder': [
      () => `postgres://lodger:${SECRET}@/here?host=${encodeURIComponent(dir.path)}`,
      'DATABASE_UNREACHABLE',
      /no socket of a server there/,
    ],
    'a sign of the password that was not escaped': [
      () => `postgres://lodger:${SECRET}/@127.0.0.1/here`,
      'DATABASE_REFUSED',
      /an address that cannot be read; .* %2F/,
    ],
  };

test.each(Object.entries(KINDS))('%s has a remedy of its own, and nothing of the address is said', async (_, kind) => {
  const [address, code, said] = kind;
  const found = await address();
  const error: unknown = await RiskDatabase.open({ engine: 'postgres', url: found }).then(
    (database) => database.close(),
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(LatchkeyError);
  expect([(error as LatchkeyError).code, explain(error)]).toEqual([code, expect.stringMatching(said)]);
  for (const part of [SECRET, found, 'lodger', '127.0.0.1']) expect(explain(error)).not.toContain(part);
  expect(explain(error)).not.toMatch(/\bdisk\b/);
});

test('the socket of a server that ended is said to be no server, and the next start is found', async () => {
  await server.kill();
  const error: unknown = await RiskDatabase.open({ engine: 'postgres', url }).catch((reason: unknown) => reason);
  expect(error).toMatchObject({ code: 'DATABASE_UNREACHABLE' });
  await server.restart();
  await (await RiskDatabase.open({ engine: 'postgres', url })).close();
});
