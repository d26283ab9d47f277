/**
 * A disk of a few MiB under the journal of a real daemon: a file system in memory, mounted in a namespace of the
 * daemon's own, so that it needs no rights beyond those of a user and is gone with the process.
 */
import { existsSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Child } from '../../../simulators/demo/child-process.ts';
import { mainPath } from '../../support/child.ts';
import { until } from '../../support/until.ts';
import type { Rig } from './rig.ts';

export interface SmallDisk {
  /** Free bytes. */
  readonly freeBytes: number;
  /** The reserve for the last records lies there. */
  has(name: string): boolean;
  /** Somebody else's file takes all but so many bytes. */
  fill(leaveBytes: number): void;
  empty(): void;
}

const MOUNT = [
  'set -e',
  'cp -a "$1" "$1.before"',
  'mount -t tmpfs -o "size=$2,mode=700" latchkey-test "$1"',
  'cp -a "$1.before/." "$1/"',
  'shift 2',
  'exec "$@"',
].join('\n');

/** Starts the daemon of a rig, which is not running, with its journal on such a disk. */
export async function startOnSmallDisk(rig: Rig, sizeMib: number): Promise<SmallDisk> {
  const journal = join(rig.gatewayData, 'journal');
  const user = process.getuid?.() === 0 ? [] : ['--user', '--map-root-user'];
  const daemon = [process.execPath, mainPath(), 'run', '--config', rig.dir.file('gateway.yaml')];
  const connections = rig.feed.connections;
  const child = new Child('unshare', [...user, '--mount', 'sh', '-c', MOUNT, 'sh', journal, `${sizeMib}m`, ...daemon]);
  rig.adoptGateway(child);
  await child.line('the gateway runs');
  await until('the gateway opens its scanner', () => rig.feed.connections > connections);
  const inside = `/proc/${child.pid}/root${journal}`;
  const ballast = join(inside, 'ballast');
  const freeBytes = (): number => {
    const { bavail, bsize } = statfsSync(inside);
    return bavail * bsize;
  };
  return {
    get freeBytes() {
      return freeBytes();
    },
    has: (name) => existsSync(join(inside, name)),
    fill: (leaveBytes) => {
      rmSync(ballast, { force: true });
      writeFileSync(ballast, Buffer.alloc(Math.max(0, freeBytes() - leaveBytes)));
    },
    empty: () => rmSync(ballast, { force: true }),
  };
}
