/**
 * Embedded databases that are made once: PGlite's first start takes seconds of processor time (initdb in WebAssembly), and
 * a dozen files of tests want a fresh one each. The first that asks makes a template; the rest copy it.
 */
import { access, cp, mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PGlite } from '@electric-sql/pglite';

const TAR = 'memory.tar';
const FILES = 'files';

/** The directory itself, with an empty database in it for `RiskDatabase.open`, unless it has one. */
export async function embedded(directory: string): Promise<string> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const files = join(directory, 'pglite');
  if (!(await isThere(files))) await cp(join(await template(), FILES), files, { recursive: true });
  return directory;
}

/** An empty database in memory. */
export async function embeddedInMemory(): Promise<PGlite> {
  return new PGlite({ loadDataDir: new Blob([await readFile(join(await template(), TAR))]) });
}

async function template(): Promise<string> {
  const manifest = JSON.parse(await readFile(join(import.meta.dirname, '../../package.json'), 'utf8')) as {
    readonly dependencies: Readonly<Record<string, string>>;
  };
  const version = manifest.dependencies['@electric-sql/pglite'];
  const uid = process.getuid?.() ?? 0;
  const made = join(tmpdir(), `latchkey-embedded-${version}-${uid}`);
  if (await isThere(made)) return made;
  const own = await mkdtemp(`${made}-`);
  const database = new PGlite(join(own, FILES));
  await database.query('select 1');
  const dump = await database.dumpDataDir('none');
  await database.close();
  await writeFile(join(own, TAR), new Uint8Array(await dump.arrayBuffer()));
  try {
    await rename(own, made);
  } catch {
    // Another worker was first: its template is as good.
    await rm(own, { recursive: true, force: true });
  }
  return made;
}

async function isThere(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
