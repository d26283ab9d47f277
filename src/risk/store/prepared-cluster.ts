/**
 * The embedded database as PGlite makes it at its first start, made ahead by the build.
 *
 * Making it takes seconds of a processor and hundreds of MiB (initdb in WebAssembly); what comes out depends on PGlite alone.
 * So the build keeps it beside the command line, under the version of PGlite that made it, and a first start unpacks it.
 * Where there is none for the PGlite that is installed (from the sources, or after another was put in), PGlite makes its own.
 */
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { LatchkeyError, messageOf } from '../../base/errors.ts';
import { DIRECTORY_MODE, FILE_MODE, syncDirectory } from '../../platform/durable-file.ts';
import { compileWasmOnce } from '../../platform/plain-wasm.ts';
import { ustarEntries } from '../../platform/ustar.ts';

const PGLITE = '@electric-sql/pglite';
/** It has 40 MB. */
const BYTES_MAX = 256 * 1_048_576;

/** Of the build: beside the chunks that hold this module. */
function besideTheCommandLine(): string {
  return join(dirname(fileURLToPath(import.meta.url)), '..');
}

/**
 * Lays the prepared database where there is nothing yet: whole, or not at all, also when the power goes (once it is there,
 * nobody lays it again). Says whether there was one to lay. Rejects with STORE_IO (retry).
 */
export async function layPreparedCluster(files: string, from = besideTheCommandLine()): Promise<boolean> {
  const archive = join(from, preparedName());
  if (existsSync(files) || !existsSync(archive)) return false;
  // What an earlier start began to lay counts for nothing.
  const laying = `${files}.laying`;
  try {
    await rm(laying, { recursive: true, force: true });
    await unpack(await readFile(archive), laying);
    await rename(laying, files);
    await syncDirectory(dirname(files));
    return true;
  } catch (error) {
    throw new LatchkeyError('STORE_IO', `cannot lay the prepared database of ${archive}: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

async function unpack(archive: Uint8Array, into: string): Promise<void> {
  const directories = [into];
  await mkdir(into, { mode: DIRECTORY_MODE });
  for (const entry of ustarEntries(gunzipSync(archive, { maxOutputLength: BYTES_MAX }))) {
    const path = join(into, entry.name);
    if (entry.kind === 'directory') {
      directories.push(path);
      await mkdir(path, { mode: DIRECTORY_MODE });
    } else {
      await writeFile(path, entry.bytes, { mode: FILE_MODE, flush: true });
    }
  }
  for (const path of directories) await syncDirectory(path);
}

/** For the build. */
export async function prepareCluster(directory: string): Promise<void> {
  compileWasmOnce();
  const { PGlite } = await import('@electric-sql/pglite');
  const pglite = new PGlite();
  await pglite.exec('checkpoint');
  const archive = await pglite.dumpDataDir('gzip');
  await pglite.close();
  await writeFile(join(directory, preparedName()), new Uint8Array(await archive.arrayBuffer()));
}

/** Tells the PGlite that is installed from every other. */
function preparedName(): string {
  const entry = createRequire(import.meta.url).resolve(PGLITE);
  const { version } = JSON.parse(readFileSync(join(dirname(entry), '../package.json'), 'utf8')) as {
    readonly version: string;
  };
  return `pglite-${version}.tar.gz`;
}
