/**
 * Embedded databases that are made once: PGlite's first start takes seconds of processor time (initdb in WebAssembly), each
 * migration some more, and two dozen files of tests want a fresh one each. The first that asks makes a template; the rest
 * copy it. Tests of migrations take an empty one.
 */
import { createHash } from 'node:crypto';
import {
  access,
  cp,
  mkdir,
  mkdtemp,
  open,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PGlite } from '@electric-sql/pglite';
import { Kysely } from 'kysely';
import { DriverDialect } from '../../src/risk/store/dialect.ts';
import { migrate } from '../../src/risk/store/migrate.ts';
import { RiskDatabase } from '../../src/risk/store/open-database.ts';
import { PgliteDriver } from '../../src/risk/store/pglite-driver.ts';
import type { Database } from '../../src/risk/store/schema.ts';

const TAR = 'memory.tar';
const FILES = 'files';
const ROOT = join(import.meta.dirname, '../..');
/** A template that nobody took for so long is of a schema that is no more. */
const UNUSED_MS = 3_600_000;
const MAKE_LIMIT_MS = 120_000;

/** The directory itself, with a database of the present schema in it for `RiskDatabase.open`, unless it has one. */
export async function embedded(directory: string): Promise<string> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const files = join(directory, 'pglite');
  if (!(await isThere(files))) await cp(join(await presentTemplate(), FILES), files, { recursive: true });
  return directory;
}

/** A database in memory without anything in it: for tests of migrations. */
export async function embeddedInMemory(): Promise<PGlite> {
  return inMemory(await emptyTemplate());
}

/** A database of the present schema in memory; through `pglite` a test does what no room of the service may. */
export async function openInMemory(): Promise<{ readonly pglite: PGlite; readonly database: RiskDatabase }> {
  const pglite = await inMemory(await presentTemplate());
  const kysely = new Kysely<Database>({ dialect: new DriverDialect(new PgliteDriver(pglite)) });
  return { pglite, database: RiskDatabase.make(kysely, false, () => undefined) };
}

async function inMemory(template: string): Promise<PGlite> {
  return new PGlite({ loadDataDir: new Blob([await readFile(join(template, TAR))]) });
}

async function emptyTemplate(): Promise<string> {
  return madeOnce(`latchkey-embedded-${await version()}-${process.getuid?.() ?? 0}`, async (files) => {
    const database = new PGlite(files);
    await database.query('select 1');
    return database;
  });
}

/** Once for a process, which lives for less than a template that nobody takes. */
let present: Promise<string> | undefined;

function presentTemplate(): Promise<string> {
  present ??= makePresent().catch((error: unknown) => {
    // Whoever asks next tries again.
    present = undefined;
    throw error;
  });
  return present;
}

async function makePresent(): Promise<string> {
  const prefix = `latchkey-present-${await version()}-${process.getuid?.() ?? 0}`;
  return madeOnce(`${prefix}-${await schemaDigest()}`, async (files) => {
    await removeUnused(prefix);
    await cp(join(await emptyTemplate(), FILES), files, { recursive: true });
    const database = new PGlite(files);
    await migrate(new Kysely<Database>({ dialect: new DriverDialect(new PgliteDriver(database)) }));
    // Nobody makes a second database in it: without these, half as many files are copied each time.
    await database.query('update pg_database set datistemplate = false');
    for (const name of ['template0', 'template1']) await database.query(`drop database ${name}`);
    return database;
  });
}

async function version(): Promise<string> {
  const manifest = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8')) as {
    readonly dependencies: Readonly<Record<string, string>>;
  };
  return manifest.dependencies['@electric-sql/pglite'] ?? '';
}

/** Of all that migrations are made of, and of this file. */
async function schemaDigest(): Promise<string> {
  const store = join(ROOT, 'src/risk/store');
  const names = (await readdir(store, { recursive: true })).filter((name) => /\.[jt]s$/.test(name)).sort();
  const hash = createHash('sha256').update(await readFile(import.meta.filename));
  for (const name of names) hash.update(`${name}\0${await readFile(join(store, name), 'utf8')}\0`);
  return hash.digest('hex').slice(0, 16);
}

async function madeOnce(name: string, make: (files: string) => Promise<PGlite>): Promise<string> {
  const made = join(tmpdir(), name);
  if (await isThere(made)) {
    await utimes(made, new Date(), new Date());
    return made;
  }
  const claim = `${made}.claim`;
  await claimOrWait(claim, made);
  try {
    if (!(await isThere(made))) await makeInto(made, make);
  } finally {
    await rm(claim, { force: true });
  }
  return made;
}

/** Until it is claimed for this worker, or made by another; one that makes nothing for so long was killed. */
async function claimOrWait(claim: string, made: string): Promise<void> {
  const endMs = performance.now() + MAKE_LIMIT_MS;
  while (performance.now() < endMs && !(await isThere(made))) {
    const file = await open(claim, 'wx').catch(() => undefined);
    await file?.close();
    if (file !== undefined) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

async function makeInto(made: string, make: (files: string) => Promise<PGlite>): Promise<void> {
  const own = await mkdtemp(`${made}-`);
  const database = await make(join(own, FILES));
  const dump = await database.dumpDataDir('none');
  await database.close();
  await writeFile(join(own, TAR), new Uint8Array(await dump.arrayBuffer()));
  try {
    await rename(own, made);
  } catch {
    // Another worker was faster than its limit let this one believe: its template is as good.
    await rm(own, { recursive: true, force: true });
  }
}

async function removeUnused(prefix: string): Promise<void> {
  const names = (await readdir(tmpdir())).filter((name) => name.startsWith(prefix));
  for (const path of names.map((name) => join(tmpdir(), name))) {
    const takenMs = await stat(path).then(
      ({ mtimeMs }) => mtimeMs,
      () => Date.now(),
    );
    if (Date.now() - takenMs > UNUSED_MS) await rm(path, { recursive: true, force: true });
  }
}

async function isThere(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
