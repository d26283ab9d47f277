/** Both engines that the statements of the risk side run on, for one file of tests: a folder and a server of its own. */
import { afterAll, beforeAll } from 'vitest';
import { present } from '../../src/base/assert.ts';
import type { DatabaseSettings } from '../../src/risk/store/open-database.ts';
import { embedded } from './embedded.ts';
import { type Postgres, startPostgres } from './postgres.ts';
import { makeTempDir, type TempDir } from './temp-dir.ts';

export interface Engines {
  /** Goes when the tests are over. */
  readonly dir: TempDir;
  /** Once the tests run. */
  postgres(): Postgres;
  /** By the engine's name: an empty database on it, once each. */
  readonly settings: Readonly<Record<string, () => Promise<DatabaseSettings>>>;
}

/** For the top of a file: the server starts before its other hooks, and ends after them. */
export function bothEngines(name: string, poolMax = 4): Engines {
  const dir = makeTempDir(name);
  let server: Postgres | undefined;
  beforeAll(async () => {
    server = await startPostgres();
  });
  afterAll(async () => {
    await server?.stop();
    dir.remove();
  });
  const postgres = (): Postgres => present(server, 'the server of this file, which starts before its tests');
  return {
    dir,
    postgres,
    settings: {
      PGlite: async () => ({ engine: 'pglite', directory: await embedded(dir.file('pglite')) }),
      PostgreSQL: async () => ({ engine: 'postgres', url: await postgres().database(name), poolMax }),
    },
  };
}
