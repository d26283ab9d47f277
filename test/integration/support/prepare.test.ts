/**
 * `test/prepare.mjs` with every command that it calls replaced by a script of this test: nothing is installed here.
 */
import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Finished, runToEnd } from '../../../simulators/demo/child-process.ts';
import { makeTempDir, type TempDir } from '../../support/temp-dir.ts';

const PREPARE = join(import.meta.dirname, '../../prepare.mjs');
let dir: TempDir;
beforeEach(() => {
  dir = makeTempDir('prepare');
});
afterEach(() => dir.remove());

function script(name: string, body: string): void {
  writeFileSync(dir.file(name), `#!/bin/sh\n${body}\n`);
  chmodSync(dir.file(name), 0o755);
}

/** `user` 0 is root. `installs`: whether apt-get brings what was asked for. */
async function prepare(
  tier: string,
  user: number,
  setup: { sudo?: boolean; installs?: boolean } = {},
): Promise<Finished> {
  const have = (name: string): object => ({
    package: name,
    probe: `test -e ${dir.file(`has-${name}`)}`,
    for: 'a test',
  });
  writeFileSync(
    dir.file('needs.json'),
    JSON.stringify({ test: [have('one'), have('two')], campaign: [have('three')] }),
  );
  writeFileSync(dir.file('has-one'), '');
  script('id', `echo ${user}`);
  script('sudo', setup.sudo === true ? '[ "$1" = -n ] && shift; exec "$@"' : 'exit 1');
  const install = setup.installs === false ? '' : `for p in "$@"; do : > ${dir.file('has-')}"$p"; done`;
  script('apt-get', `echo "$*" >> ${dir.file('calls')}\n[ "$1" = install ] || exit 0\n${install}`);
  return runToEnd(process.execPath, [PREPARE, tier, dir.file('needs.json')], {
    env: { PATH: `${dir.path}:${process.env['PATH']}` },
  });
}

const calls = (): string => (existsSync(dir.file('calls')) ? readFileSync(dir.file('calls'), 'utf8') : '');

describe('what the tests need from Debian', () => {
  test('is installed by root in one call, which is said', async () => {
    const done = await prepare('test', 0);
    expect(done.code).toBe(0);
    expect(done.err).toContain('installing: apt-get install -y --no-install-recommends two');
    expect(calls()).toBe('update\ninstall -y --no-install-recommends two\n');
  });

  test('of the campaign includes that of the tests', async () => {
    expect((await prepare('campaign', 0)).code).toBe(0);
    expect(calls()).toBe('update\ninstall -y --no-install-recommends two three\n');
  });

  test('is installed with sudo where sudo asks nothing', async () => {
    expect((await prepare('test', 1_000, { sudo: true })).code).toBe(0);
    expect(calls()).toContain('install -y --no-install-recommends two\n');
  });

  test('is printed as one line, and fails, for anybody else', async () => {
    const done = await prepare('test', 1_000);
    expect(done.code).toBe(1);
    expect(done.err).toContain('apt-get update && apt-get install -y --no-install-recommends two');
    expect(calls()).toBe('');
  });

  test('fails when it is not there after all', async () => {
    const done = await prepare('test', 0, { installs: false });
    expect(done.code).toBe(1);
    expect(done.err).toContain('two');
  });

  test('that is there costs no word', async () => {
    writeFileSync(dir.file('has-two'), '');
    const done = await prepare('test', 1_000);
    expect(done).toMatchObject({ code: 0, out: '', err: '' });
    expect((await prepare('nonsense', 0)).code).toBe(1);
  });
});
