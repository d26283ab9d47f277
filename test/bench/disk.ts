/** The disk under the benchmark: which file system it is, and what one fsync takes on it. */
import { closeSync, fsyncSync, mkdtempSync, openSync, rmSync, statfsSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { percentile } from './figures.ts';

/** statfs(2) names ext2, ext3 and ext4 alike. */
const NAMES: ReadonlyMap<number, string> = new Map([
  [0xef53, 'ext4'],
  [0x58465342, 'xfs'],
  [0x9123683e, 'btrfs'],
  [0x2fc12fc1, 'zfs'],
  [0xf2f52010, 'f2fs'],
  [0x794c7630, 'overlayfs'],
  [0x6969, 'nfs'],
  [0x01021994, 'tmpfs'],
  [0x858458f6, 'ramfs'],
]);
const IN_MEMORY = new Set(['tmpfs', 'ramfs']);

export function fileSystemOf(path: string): string {
  const { type } = statfsSync(path);
  return NAMES.get(type) ?? `0x${type.toString(16)}`;
}

/** A new folder on a disk: in `wanted`, or else where temporary files go, or here. Throws when all are in memory. */
export function diskFolder(wanted: string | undefined): { readonly path: string; readonly fsType: string } {
  const places = wanted === undefined ? [tmpdir(), process.cwd()] : [wanted];
  for (const place of places) {
    const fsType = fileSystemOf(place);
    if (!IN_MEMORY.has(fsType)) return { path: mkdtempSync(join(place, 'latchkey-bench-')), fsType };
  }
  throw new Error(
    `${places.join(' and ')} lie in memory, where fsync does nothing: name a folder on a disk with --dir`,
  );
}

export interface FsyncTimes {
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** Appends of one page, each with its fsync, as a WAL makes them. */
export function measureFsync(folder: string, times = 200): FsyncTimes {
  const path = join(folder, 'fsync-probe');
  const file = openSync(path, 'w');
  const page = Buffer.alloc(4_096, 0x61);
  const tookMs: number[] = [];
  for (let i = 0; i < times; i += 1) {
    writeSync(file, page);
    const startMs = performance.now();
    fsyncSync(file);
    tookMs.push(performance.now() - startMs);
  }
  closeSync(file);
  rmSync(path);
  return { p50Ms: percentile(tookMs, 50), p99Ms: percentile(tookMs, 99) };
}
