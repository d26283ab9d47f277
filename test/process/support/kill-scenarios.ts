/** Hundreds of kills, or a few of them: the same code for `npm test` and the campaign. */
import type { Dice } from '../../../simulators/dice.ts';
import { until } from '../../support/until.ts';
import { findKillPoints, gatewayOf, type KillPoint, killAt, refuse, SMALL_GROUPS, type Victim } from './kill-points.ts';
import type { Rig } from './rig.ts';

export interface KillReport {
  readonly killed: number;
  /** Runs that came to their end before the call: its number was not reached. */
  readonly missed: number;
  /** Kinds of calls of a whole run, and those of them that were not hit. */
  readonly kinds: number;
  readonly kindsMissed: readonly string[];
}

/** Kills the victim at the chosen calls of a run, one run each, and has each kill put right and judged. */
export async function killAtCalls(
  rig: Rig,
  victim: Victim,
  choose: (points: readonly KillPoint[]) => readonly KillPoint[],
  groups: readonly number[] = SMALL_GROUPS,
): Promise<KillReport> {
  await victim.child().stop();
  const points = await findKillPoints(rig, victim, groups);
  const hit = new Set<string>();
  let killed = 0;
  let missed = 0;
  for (const point of choose(points)) {
    const outcome = await within(`SIGKILL at ${point.kind} ${point.nth}`, () =>
      killInTries(rig, victim, point, groups),
    );
    if (outcome === 'killed') {
      killed += 1;
      hit.add(point.kind);
    } else missed += 1;
  }
  await victim.start();
  const kinds = [...new Set(points.map(({ kind }) => kind))];
  return { killed, missed, kinds: kinds.length, kindsMissed: kinds.filter((kind) => !hit.has(kind)) };
}

/** A run on a machine that is held up may make fewer calls than the one before, and miss its number. */
const TRIES = 3;

async function killInTries(
  rig: Rig,
  victim: Victim,
  point: KillPoint,
  groups: readonly number[],
): Promise<'killed' | 'missed'> {
  for (let tries = 1; tries < TRIES; tries += 1) {
    if ((await killAt(rig, victim, point, groups)) === 'killed') return 'killed';
  }
  return killAt(rig, victim, point, groups);
}

/** Kills at calls of the very first start of a gateway, a new one for each, with an empty disk. */
export async function killAtFirstStart(
  rig: Rig,
  choose: (points: readonly KillPoint[]) => readonly KillPoint[],
): Promise<KillReport> {
  /** The consumer is told of the new log as soon as there is one. */
  const victim = (): Victim => ({
    ...gatewayOf(rig),
    start: async (traced) => {
      const child = await rig.startGateway(traced);
      const status = await rig.statusUntil('the daemon answers', () => true).catch(() => undefined);
      if (status !== undefined) rig.trust(status.log.vkey);
      return child;
    },
  });
  await rig.gateway.stop();
  rig.newGateway('gw-first-0');
  const found = (await findKillPoints(rig, victim())).filter(({ phase }) => phase === 'start');
  const hit = new Set<string>();
  let killed = 0;
  let missed = 0;
  for (const [i, point] of choose(found).entries()) {
    rig.newGateway(`gw-first-${i + 1}`);
    const outcome = await within(`SIGKILL at first ${point.kind} ${point.nth}`, () => killAt(rig, victim(), point));
    if (outcome === 'killed') {
      killed += 1;
      hit.add(point.kind);
    } else missed += 1;
  }
  const kinds = [...new Set(found.map(({ kind }) => kind))];
  return { killed, missed, kinds: kinds.length, kindsMissed: kinds.filter((kind) => !hit.has(kind)) };
}

const SCANS_EACH = 5;
const SCANS_EVERY_MS = 10;
const KILLS_BETWEEN_JUDGEMENTS = 10;
/** A start may be cut short anywhere, or the victim lives on for a while under load. */
const START_MS = 800;
const LOAD_MS = 400;
const CUT_START = 0.4;

/** Kills the victim `count` times under load, at moments by the dice, also while it starts. It runs afterwards. */
export async function killAtRandom(rig: Rig, victim: Victim, count: number, dice: Dice): Promise<void> {
  for (let done = 0; done < count; ) {
    const stopScanning = rig.feed.keepScanning(SCANS_EACH, SCANS_EVERY_MS);
    const group = Math.min(KILLS_BETWEEN_JUDGEMENTS, count - done);
    const connections = rig.feed.connections;
    for (let i = 0; i < group; i += 1) {
      const cutsStart = dice.chance(CUT_START);
      const lifeMs = dice.int(cutsStart ? START_MS : LOAD_MS);
      if (!cutsStart) await victim.child().line(victim.ready);
      // Chance is the point here: there is nothing to wait for.
      await new Promise((resolve) => setTimeout(resolve, lifeMs));
      const child = victim.child();
      child.signal('SIGKILL');
      await child.exit();
      if (victim.name === 'consumer') refuse(`kill ${done + i + 1}`, rig.oracle.unstoredReceipts(rig.stored()));
      victim.spawn();
    }
    done += group;
    await within(`after ${done} kills`, async () => {
      await victim.child().line(victim.ready);
      await until('the scanner is connected', () => victim.name === 'consumer' || rig.feed.connections > connections);
      stopScanning();
      await rig.settleAndJudge();
    });
  }
}

async function within<T>(what: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw new Error(`${what}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
}
