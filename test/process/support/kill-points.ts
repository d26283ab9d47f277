/**
 * SIGKILL at system calls. A traced run of a short script finds the calls; each later run of the same script is killed
 * just before one of them is carried out. Nothing in the product knows of it.
 */
import { rmSync } from 'node:fs';
import type { Child } from '../../../simulators/demo/child-process.ts';
import { readStrace, type Syscall } from '../../support/strace.ts';
import { until } from '../../support/until.ts';
import { type Rig, signalTraced, type Traced } from './rig.ts';

/** Calls that change something outside the process, or may. */
const CALLS = [
  'openat',
  'pwrite64',
  'pwritev',
  'write',
  'writev',
  'sendmsg',
  'fsync',
  'fdatasync',
  'ftruncate',
  'fallocate',
  'rename',
  'link',
  'unlink',
  'mkdir',
  'connect',
];

export type Phase = 'start' | 'commit' | 'stop';

export interface KillPoint {
  readonly call: string;
  /** Number of the call in its thread, from 1. */
  readonly nth: number;
  readonly phase: Phase;
  /** What kind of call it is: phase, name, and the kind of file. */
  readonly kind: string;
}

export interface Victim {
  readonly name: 'gateway' | 'consumer';
  readonly dataDir: string;
  /** Its log line once it is up. */
  readonly ready: string;
  start(traced?: Traced): Promise<Child>;
  /** Starts it and waits for nothing. */
  spawn(): Child;
  child(): Child;
}

export function gatewayOf(rig: Rig): Victim {
  return {
    name: 'gateway',
    dataDir: rig.gatewayData,
    ready: 'the gateway runs',
    start: (traced) => rig.startGateway(traced),
    spawn: () => rig.spawnGateway(),
    child: () => rig.gateway,
  };
}

export function consumerOf(rig: Rig): Victim {
  return {
    name: 'consumer',
    dataDir: rig.storeDir,
    ready: 'the receiver runs',
    start: (traced) => rig.startConsumer(traced),
    spawn: () => rig.spawnConsumer(),
    child: () => rig.consumer,
  };
}

/** Scans of the groups of the script, unless said otherwise: small commits. */
export const SMALL_GROUPS: readonly number[] = [2, 3];
const STEP_LIMIT_MS = 60_000;

/**
 * Start, groups of scans, each receipted, and a clean stop; ends at any time with the process. Resolves with the
 * times between the phases, seconds since 1970.
 */
async function script(
  rig: Rig,
  victim: Victim,
  traced: Traced,
  groups: readonly number[],
): Promise<{ readonly liveS: number; readonly stopS: number }> {
  const child = await victim.start(traced);
  const dead = (): boolean => !child.running;
  const settled = (): boolean => dead() || rig.isSettled;
  rig.feed.scan(1);
  await until('the traced run is live', settled, STEP_LIMIT_MS);
  const liveS = Date.now() / 1_000;
  for (const group of groups) {
    rig.feed.scan(group);
    await until('scans of the traced run are receipted', settled, STEP_LIMIT_MS);
  }
  const stopS = Date.now() / 1_000;
  if (!dead()) signalTraced(child, traced.strace.logFile, 'SIGTERM');
  await child.exit(STEP_LIMIT_MS);
  return { liveS, stopS };
}

function traced(rig: Rig, inject: readonly string[]): Traced {
  // One thread for files: then the numbers of its calls are the same in every run.
  const env = { UV_THREADPOOL_SIZE: '1' };
  const logFile = rig.dir.file('trace');
  rmSync(logFile, { force: true });
  return { strace: { logFile, trace: CALLS, inject, bytesMax: 16 }, env };
}

/** All calls of a whole run that concern the victim's files or a socket, in order. The victim must not be running. */
export async function findKillPoints(
  rig: Rig,
  victim: Victim,
  groups: readonly number[] = SMALL_GROUPS,
): Promise<readonly KillPoint[]> {
  const run = traced(rig, []);
  const { liveS, stopS } = await script(rig, victim, run, groups);
  const counts = new Map<string, number>();
  return readStrace(run.strace.logFile).flatMap((call) => {
    const thread = `${call.pid} ${call.name}`;
    const nth = (counts.get(thread) ?? 0) + 1;
    counts.set(thread, nth);
    const file = fileKind(call, victim);
    if (file === undefined) return [];
    const phase = call.startS < liveS ? 'start' : call.startS < stopS ? 'commit' : 'stop';
    // Whether two buffers leave in one call or in two is chance.
    const name = file === 'socket' && call.name.startsWith('write') ? 'send' : call.name;
    return [{ call: call.name, nth, phase, kind: `${phase} ${name} ${file}` }];
  });
}

/** Undefined for what is not the victim's: libraries, settings, pipes. */
function fileKind(call: Syscall, victim: Victim): string | undefined {
  const [first, second] = call.args;
  // Log lines: nothing hangs on them.
  if (/^[12]</.test(first?.text ?? '')) return undefined;
  const text = (bytes: Uint8Array | undefined): string => Buffer.from(bytes ?? []).toString();
  const named = call.name === 'openat' ? second : first;
  const path = first?.path ?? text(named?.buffers[0]);
  const whole = call.name === 'openat' ? text(second?.buffers[0]) : path;
  if (/^(socket|TCP|TCPv6|UNIX)/.test(whole)) return 'socket';
  if (!whole.startsWith(victim.dataDir)) return undefined;
  const name = whole.slice(victim.dataDir.length + 1);
  return name.replace(/^.*\//, '').replace(/[0-9a-f]{4,}/g, '#') || 'directory';
}

/**
 * One run that is killed at this point, then one that must put everything right: whatever left before or after the kill
 * is stored once. Resolves with whether the point was reached; both processes run afterwards, the victim does not.
 */
export async function killAt(
  rig: Rig,
  victim: Victim,
  point: KillPoint,
  groups: readonly number[] = SMALL_GROUPS,
): Promise<'killed' | 'missed'> {
  const run = traced(rig, [`${point.call}:signal=SIGKILL:when=${point.nth}`]);
  await script(rig, victim, run, groups);
  const { signal } = await victim.child().exit();
  if (victim.name === 'consumer') refuse('after the kill', rig.oracle.unstoredReceipts(rig.stored()));
  const again = await victim.start();
  await rig.settleAndJudge();
  await again.stop();
  return signal === 'SIGKILL' ? 'killed' : 'missed';
}

export function refuse(when: string, faults: readonly string[]): void {
  if (faults.length > 0) throw new Error(`${when}:\n  ${faults.join('\n  ')}`);
}

/** One point of each kind, then more by the dice, at most `count`, in the order of the run. */
export function samplePoints(points: readonly KillPoint[], count: number, random: () => number): readonly KillPoint[] {
  const kinds = new Map<string, KillPoint[]>();
  for (const point of points) kinds.set(point.kind, [...(kinds.get(point.kind) ?? []), point]);
  const pick = (from: readonly KillPoint[]): KillPoint | undefined => from[Math.floor(random() * from.length)];
  // What a commit does comes first, should there be more kinds than places.
  const rank = (kind: string): number => (kind.startsWith('commit') ? 0 : kind.startsWith('stop') ? 1 : 2);
  const ranked = [...kinds].sort(([a], [b]) => rank(a) - rank(b));
  const chosen = new Set(ranked.flatMap(([, of]) => pick(of) ?? []).slice(0, count));
  for (let tries = 0; chosen.size < Math.min(count, points.length) && tries < 1_000; tries += 1) {
    const more = pick(points);
    if (more !== undefined) chosen.add(more);
  }
  return points.filter((point) => chosen.has(point));
}
