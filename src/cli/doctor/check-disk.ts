/** The disk under the journal: whose it is, what one fsync takes and what a power cut therefore costs, and its room. */
import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { access, open, readdir, rm, stat, statfs } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { JournalSettings } from '../../edge/journal/journal-settings.ts';
import { isMissing } from '../../platform/durable-file.ts';
import { type Check, fault, sound } from './check.ts';
import { thisUser } from './may-use.ts';

const MiB = 1_048_576;
const WRITE_BYTES = 4_096;
const WRITES_MAX = 64;
const MEASURE_LIMIT_MS = 2_000;
/** From here on a burst of scans waits for the disk. */
const SLOW_MS = 100;
/** statfs(2). */
const IN_MEMORY: ReadonlyMap<number, string> = new Map([
  [0x0102_1994, 'tmpfs'],
  [0x8584_58f6, 'ramfs'],
]);

export async function checkDisk(dataDir: string, journal: JournalSettings): Promise<readonly Check[]> {
  const place = await nearest(dataDir);
  const folder = await checkFolder(dataDir, place);
  const checks = [folder, await checkRoom(dataDir, place, journal)];
  if (!(await isWritable(place))) return checks;
  return [...checks, await checkSync(place, journal)];
}

/** The folder, or the nearest above it that is there. */
async function nearest(path: string): Promise<string> {
  let at = path;
  while (at !== dirname(at)) {
    const found = await stat(at).catch(() => undefined);
    if (found?.isDirectory() === true) return at;
    at = dirname(at);
  }
  return at;
}

async function checkFolder(dataDir: string, place: string): Promise<Check> {
  const name = 'disk-folder';
  const user = process.getuid?.() ?? 0;
  if (place !== dataDir) {
    const there = await stat(dataDir).catch((error: unknown) => (isMissing(error) ? undefined : error));
    const isMadeLater = there === undefined && (await isWritable(place));
    if (isMadeLater) return sound(name, `${dataDir} is not there yet: the first start makes it`);
    const remedy = `make it for the user of the daemon: "install -d -m 700 -o latchkey -g latchkey ${dataDir}"`;
    return fault(name, `${dataDir} is no folder, and user ${user} cannot make it in ${place}`, remedy);
  }
  const { uid, mode } = await stat(dataDir);
  const shown = `${dataDir} of user ${uid}, mode ${(mode & 0o777).toString(8).padStart(4, '0')}`;
  if (!(await isWritable(dataDir))) {
    return fault(
      name,
      `${shown}: user ${user} may not write there`,
      `run this as the user of the daemon ("sudo -u latchkey latchkey doctor"); if that is ${thisUser()}, give it the folder: "chown -R ${user} ${dataDir}"`,
    );
  }
  if ((mode & 0o022) !== 0) {
    return fault(name, `${shown}: others may write there`, `"chmod 700 ${dataDir}"`);
  }
  const advice = uid === user ? '' : `run this as user ${uid} to see what the daemon sees`;
  return sound(name, shown, advice);
}

async function checkRoom(dataDir: string, place: string, journal: JournalSettings): Promise<Check> {
  const name = 'disk-room';
  const { bavail, bsize } = await statfs(place);
  const freeBytes = bavail * bsize;
  const usableBytes = Math.max(0, freeBytes - journal.freeMinBytes);
  const usedBytes = await sizeBelow(join(dataDir, 'journal'));
  const bound = Math.min(journal.sizeMaxBytes, usedBytes + usableBytes);
  const percent = (100 * usedBytes) / Math.max(1, bound);
  const found = `${mib(freeBytes)} free, of which ${mib(journal.freeMinBytes)} are never used; the journal takes ${mib(usedBytes)} of ${mib(journal.sizeMaxBytes)}`;
  if (usableBytes < journal.reserveBytes) {
    const remedy = `make room on the file system of ${place}, or lower journal.free_min_mib`;
    return fault(name, `${found}: there is no room for the journal`, remedy);
  }
  if (percent >= journal.lowStopPercent) {
    const remedy =
      'make room, raise journal.size_max_mib or lower journal.keep_days; without receipts nothing is ever removed';
    return fault(name, `${found}: ${Math.round(percent)} % full, so events are refused or soon will be`, remedy);
  }
  const isShort = usedBytes + usableBytes < journal.sizeMaxBytes;
  const advice = `the disk ends before the journal's share does: lower journal.size_max_mib to ${Math.floor((usedBytes + usableBytes) / MiB)}`;
  return sound(name, found, isShort ? advice : '');
}

async function checkSync(place: string, journal: JournalSettings): Promise<Check> {
  const name = 'disk-sync';
  const { type } = await statfs(place);
  const memory = IN_MEMORY.get(type);
  if (memory !== undefined) {
    const remedy = 'choose a data_dir on a disk';
    return fault(
      name,
      `${place} lies in memory (${memory}): a power cut costs everything that is not receipted`,
      remedy,
    );
  }
  const { medianMs, worstMs, count } = await measureSync(place);
  const costMs = Math.ceil(journal.groupCommitMs + worstMs);
  const found = `an fsync of 4 KiB takes ${ms(medianMs)}, at worst ${ms(worstMs)} of ${count}; with a commit every ${journal.groupCommitMs} ms a power cut costs the last ${costMs} ms at most`;
  if (medianMs > SLOW_MS)
    return fault(
      name,
      `${found}, and bursts of scans wait`,
      'use a disk with faster fsync: an SSD, or an SD card for industrial use',
    );
  return sound(name, `${found}, if the disk keeps what it says is written`);
}

/** Small writes, each made durable: what a commit of the journal waits for. */
export async function measureSync(
  folder: string,
): Promise<{ readonly medianMs: number; readonly worstMs: number; readonly count: number }> {
  const path = join(folder, `doctor-${randomBytes(6).toString('hex')}.tmp`);
  const bytes = randomBytes(WRITE_BYTES);
  const took: number[] = [];
  const file = await open(path, constants.O_CREAT | constants.O_EXCL | constants.O_WRONLY, 0o600);
  try {
    const endMs = performance.now() + MEASURE_LIMIT_MS;
    while (took.length < WRITES_MAX && (took.length === 0 || performance.now() < endMs)) {
      const fromMs = performance.now();
      await file.write(bytes);
      await file.sync();
      took.push(performance.now() - fromMs);
    }
  } finally {
    await file.close();
    await rm(path, { force: true });
  }
  const sorted = took.sort((a, b) => a - b);
  return { medianMs: sorted[Math.floor(sorted.length / 2)] ?? 0, worstMs: sorted.at(-1) ?? 0, count: sorted.length };
}

async function sizeBelow(folder: string): Promise<number> {
  const names = await readdir(folder).catch(() => []);
  const sizes = await Promise.all(
    names.map((name) =>
      stat(join(folder, name)).then(
        ({ size }) => size,
        () => 0,
      ),
    ),
  );
  return sizes.reduce((sum, size) => sum + size, 0);
}

function isWritable(path: string): Promise<boolean> {
  return access(path, constants.W_OK | constants.X_OK).then(
    () => true,
    () => false,
  );
}

function mib(bytes: number): string {
  return `${Math.floor(bytes / MiB)} MiB`;
}

function ms(value: number): string {
  return `${value.toFixed(value < 10 ? 2 : 0)} ms`;
}
