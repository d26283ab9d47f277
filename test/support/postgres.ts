/**
 * Debian's PostgreSQL as child processes of a test: a cluster in a temporary folder, reached through a Unix socket there
 * and by nothing else.
 *
 * PostgreSQL refuses to run as root, so as root it runs as the user that its package makes.
 */
import { execFileSync, spawn } from 'node:child_process';
import { chmodSync, chownSync, existsSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { makeTempDir } from './temp-dir.ts';

const VERSIONS = '/usr/lib/postgresql';
const START_LIMIT_MS = 60_000;

export interface Postgres {
  /** A new, empty database of that name in the cluster. */
  database(name: string): Promise<string>;
  readonly version: string;
  /** `SIGQUIT` is a crash: nothing is flushed, and the next start recovers. */
  kill(signal?: NodeJS.Signals): Promise<void>;
  restart(): Promise<void>;
  stop(): Promise<void>;
}

export async function startPostgres(): Promise<Postgres> {
  const [version = ''] = readdirSync(VERSIONS).sort((a, b) => Number(b) - Number(a));
  const bin = (name: string): string => join(VERSIONS, version, 'bin', name);
  const dir = makeTempDir('pg');
  const data = dir.file('data');
  const owner = ownerOf();
  // Below the folder of the test, which others may pass through but not list.
  chmodSync(dir.path, 0o755);
  if (owner !== undefined) chownSync(dir.path, owner.uid, owner.gid);
  // The copy belongs to whom the template belongs to.
  execFileSync('cp', ['-a', template(version, owner), data]);
  const options = { listen_addresses: '', unix_socket_directories: dir.path, fsync: 'on', max_connections: '50' };
  const args = Object.entries(options).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  let ended: Promise<void> = Promise.resolve();
  let child: ReturnType<typeof spawn> | undefined;

  const start = async (): Promise<void> => {
    const started = spawn(bin('postgres'), ['-D', data, ...args], { ...owner, stdio: 'ignore', cwd: dir.path });
    child = started;
    ended = new Promise((resolve) => started.once('exit', () => resolve()));
    const endMs = performance.now() + START_LIMIT_MS;
    while (!(await answers(dir.path))) {
      if (performance.now() > endMs) throw new Error('PostgreSQL does not answer');
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  };
  const kill = async (signal: NodeJS.Signals = 'SIGINT'): Promise<void> => {
    child?.kill(signal);
    await ended;
  };
  await start();
  return {
    version,
    async database(name) {
      const client = new pg.Client({ host: dir.path, user: 'latchkey', database: 'postgres' });
      await client.connect();
      await client.query(`create database ${client.escapeIdentifier(name)}`);
      await client.end();
      return `postgres://latchkey@/${name}?host=${encodeURIComponent(dir.path)}`;
    },
    kill,
    restart: start,
    async stop() {
      await kill();
      dir.remove();
    },
  };
}

/** A cluster that initdb made once; every file of tests has a copy of its own. */
function template(version: string, owner: ReturnType<typeof ownerOf>): string {
  const made = join(tmpdir(), `latchkey-postgres-${version}-${owner?.uid ?? process.getuid?.() ?? 0}`);
  if (existsSync(made)) return made;
  const own = mkdtempSync(`${made}-`);
  if (owner !== undefined) chownSync(own, owner.uid, owner.gid);
  const initdb = join(VERSIONS, version, 'bin/initdb');
  const options = ['-U', 'latchkey', '-A', 'trust', '--no-locale', '-E', 'UTF8', '--no-sync'];
  execFileSync(initdb, ['-D', own, ...options], { ...owner, stdio: 'ignore', cwd: tmpdir() });
  try {
    renameSync(own, made);
  } catch {
    // Another worker was first: its template is as good.
    rmSync(own, { recursive: true, force: true });
  }
  return made;
}

function ownerOf(): { readonly uid: number; readonly gid: number } | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const id = (flag: string): number => Number(execFileSync('id', [flag, 'postgres'], { encoding: 'utf8' }));
  return { uid: id('-u'), gid: id('-g') };
}

async function answers(socketDir: string): Promise<boolean> {
  if (!existsSync(join(socketDir, '.s.PGSQL.5432'))) return false;
  const client = new pg.Client({ host: socketDir, user: 'latchkey', database: 'postgres' });
  try {
    await client.connect();
    return true;
  } catch {
    return false;
  } finally {
    await client.end().catch(() => undefined);
  }
}
