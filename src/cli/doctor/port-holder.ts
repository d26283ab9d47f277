/**
 * Who has a device open, without opening it: an open would flush its line and may reset a board.
 *
 * /proc/locks shows everybody the flock(2) of every process, which our own ports take; /proc/PID/fd shows the rest, as
 * far as this user may look (proc(5)). At a pseudo-terminal whoever plays the device has it open: there only locks count.
 */
import { readdir, readFile, readlink, realpath, stat } from 'node:fs/promises';

const PROCESSES_MAX = 20_000;

/** A process in words, or undefined when none was seen. */
export async function holderOf(path: string): Promise<string | undefined> {
  const found = await stat(path).catch(() => undefined);
  if (found === undefined) return undefined;
  const real = await realpath(path).catch(() => path);
  const locked = await lockHolder(found.dev, found.ino);
  const pid = locked ?? (real.startsWith('/dev/pts/') ? undefined : await openedBy(real, found.rdev));
  return pid === undefined ? undefined : nameOf(pid);
}

async function lockHolder(dev: number, ino: number): Promise<number | undefined> {
  const locks = await readFile('/proc/locks', 'utf8').catch(() => '');
  for (const line of locks.split('\n')) {
    // 1: FLOCK  ADVISORY  WRITE 4711 00:18:5 0 EOF
    const [, pid = '', major = '', minor = '', inode = ''] =
      /FLOCK\s+\S+\s+\S+\s+(-?\d+)\s+([0-9a-f]+):([0-9a-f]+):(\d+)\s/.exec(line) ?? [];
    const isSame = Number.parseInt(major, 16) === majorOf(dev) && Number.parseInt(minor, 16) === minorOf(dev);
    // A pid of 0 or below is a process outside this namespace: held all the same.
    if (isSame && Number(inode) === ino) return Number(pid);
  }
  return undefined;
}

/** makedev(3) of the GNU C library, as far as numbers of Node carry it. */
function majorOf(dev: number): number {
  return Math.floor(dev / 256) % 4_096;
}

function minorOf(dev: number): number {
  return (dev % 256) + Math.floor(dev / 1_048_576) * 256;
}

async function openedBy(path: string, rdev: number): Promise<number | undefined> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).slice(0, PROCESSES_MAX);
  for (const pid of pids) {
    if (Number(pid) === process.pid) continue;
    const folder = `/proc/${pid}/fd`;
    // Of other users, and of processes that ended meanwhile, nothing is seen.
    for (const fd of await readdir(folder).catch(() => [])) {
      const target = await readlink(`${folder}/${fd}`).catch(() => '');
      if (!target.startsWith('/dev/')) continue;
      if (target === path || (await stat(target).catch(() => undefined))?.rdev === rdev) return Number(pid);
    }
  }
  return undefined;
}

async function nameOf(pid: number): Promise<string> {
  if (pid <= 0) return 'a process of another container';
  const command = (await readFile(`/proc/${pid}/comm`, 'utf8').catch(() => '')).trim().replace(/[^\x20-\x7e]/g, '');
  return command === '' ? `process ${pid}` : `process ${pid} (${command})`;
}
