/** What the doctor says of the console's port, certificate and files, and how a password file is made. */
import { readFileSync, statSync } from 'node:fs';
import { createServer } from 'node:net';
import { afterAll, expect, test } from 'vitest';
import { checkConsole } from '../../../src/cli/doctor/check-console.ts';
import { consoleSettingsSchema } from '../../../src/edge/console/settings.ts';
import type { GatewayStatus } from '../../../src/edge/gateway/status.ts';
import { isPassword, readPasswordHash } from '../../../src/platform/http/password.ts';
import { startLatchkey } from '../../support/child.ts';
import { makeTempDir } from '../../support/temp-dir.ts';

const dir = makeTempDir('console-doctor');
afterAll(() => dir.remove());
const signal = new AbortController().signal;
const people = [{ name: 'v', role: 'viewer', password_file: '/p' }];
const webOf = (web: object) => consoleSettingsSchema.parse({ people, web }).web;
const running = (notices: readonly string[] = []) => ({ notices }) as unknown as GatewayStatus;

test('no page, nothing to say', async () => {
  expect(await checkConsole(undefined, undefined, signal)).toEqual([]);
});

test('a port that somebody else has, that is free, that is served, and whose page is away', async () => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { readonly port: number };
  const web = webOf({ port });
  const [taken] = await checkConsole(web, undefined, signal);
  expect(taken).toMatchObject({ ok: false, found: expect.stringContaining('somebody else answers') });
  const [served] = await checkConsole(web, running(), signal);
  expect(served).toMatchObject({ ok: true, found: `served on 127.0.0.1 port ${port}` });
  await new Promise((resolve) => server.close(resolve));
  const [free] = await checkConsole(web, undefined, signal);
  expect(free).toMatchObject({ ok: true, found: expect.stringContaining('is free') });
  const [other] = await checkConsole(web, running(), signal);
  expect(other).toMatchObject({ ok: false, remedy: expect.stringContaining('start it again') });
  const away = 'the console is not served, and is tried again: taken';
  expect(await checkConsole(web, running([away]), signal)).toMatchObject([{ ok: false, found: away }]);
});

test('a certificate that cannot be read is named', async () => {
  const tls = { cert_file: dir.file('no.pem'), key_file: dir.file('no.key') };
  const [found] = await checkConsole(webOf({ port: 0, tls }), undefined, signal);
  expect(found).toMatchObject({ name: 'console-certificate', ok: false, found: expect.stringContaining('no.pem and') });
});

test('a password is read as a line, kept as a hash for this user alone, and not written over', async () => {
  const path = dir.file('chief.password');
  const run = async (line: string, ...more: readonly string[]) => {
    const child = startLatchkey(['console', 'password', path, ...more]);
    child.write(`${line}\n`);
    const { code } = await child.exited;
    return [code, child.lines('err').join('\n')] as const;
  };
  expect(await run('short')).toMatchObject([64, expect.stringContaining('10 to 256 characters')]);
  expect(await run('correct horse battery')).toMatchObject([0, expect.not.stringContaining('correct horse')]);
  expect([statSync(path).mode & 0o777, readFileSync(path, 'utf8')]).toEqual([
    0o600,
    expect.stringMatching(/^\$scrypt\$/),
  ]);
  const read = readPasswordHash(path);
  expect(read.ok && isPassword('correct horse battery', read.value)).toBe(true);
  expect(await run('another password')).toMatchObject([73, expect.stringContaining('--force')]);
  expect(await run('another password', '--force')).toMatchObject([0, expect.any(String)]);
});
