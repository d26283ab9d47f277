/** The embedded database that the build made ahead: the built command line lays it, and what cannot be laid leaves nothing. */
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { stringify } from 'yaml';
import { present } from '../../../src/base/assert.ts';
import { layPreparedCluster } from '../../../src/risk/store/prepared-cluster.ts';
import { mainPath, runLatchkey } from '../../support/child.ts';
import { makeTempDir } from '../../support/temp-dir.ts';

const LIMIT_MS = 240_000;
const dir = makeTempDir('prepared');
afterAll(() => dir.remove());

test(
  'a first start lays what the build made, whatever an earlier start began, and brings it to the present schema',
  async () => {
    const data = dir.file('data');
    mkdirSync(join(data, 'database', 'pglite.laying', 'base'), { recursive: true });
    writeFileSync(
      dir.file('risk.yaml'),
      stringify({
        data_dir: data,
        database: 'embedded',
        receipts: { name: 'refunds.example/receipts', role: 'advisory' },
        policy: dir.file('policy.json'),
        mqtt: { url: 'mqtt://127.0.0.1:1' },
        api: { name: 'refunds.example/risk', http: { port: 8480 }, clients: [] },
      }),
    );
    const { code, err } = await runLatchkey(['risk', 'migrate', '--config', dir.file('risk.yaml')], {
      limitMs: LIMIT_MS,
    });
    expect([code, err]).toEqual([0, '']);
    const laid = join(data, 'database', 'pglite');
    // PGlite gives the files that it makes itself to everybody.
    expect(statSync(join(laid, 'PG_VERSION')).mode & 0o777).toBe(0o600);
    expect(readdirSync(dirname(laid)).filter((name) => name.includes('laying'))).toEqual([]);
  },
  LIMIT_MS,
);

test('what is there already stays, and without a prepared database nothing is laid', async () => {
  const files = dir.file('there');
  expect([await layPreparedCluster(files, dir.path), existsSync(files)]).toEqual([false, false]);
  mkdirSync(files);
  expect([await layPreparedCluster(files, dirname(mainPath())), readdirSync(files)]).toEqual([false, []]);
});

test('a prepared database that is damaged is refused, and nothing of it counts', async () => {
  const build = dirname(mainPath());
  const name = present(
    readdirSync(build).find((entry) => /^pglite-.*\.tar\.gz$/.test(entry)),
    'the prepared database of the build',
  );
  const files = dir.file('fresh');
  cpSync(join(build, name), dir.file(name));
  expect(await layPreparedCluster(dir.file('sound'), dir.path)).toBe(true);
  writeFileSync(dir.file(name), readFileSync(dir.file(name)).subarray(0, 100_000));
  await expect(layPreparedCluster(files, dir.path)).rejects.toThrow(expect.objectContaining({ code: 'STORE_IO' }));
  expect(existsSync(files)).toBe(false);
});
