/**
 * The daemon's event rate while its console is flooded, beside quiet runs of the same daemon: quiet, flooded, quiet, flooded.
 * The flood comes from a process of the lowest priority, since an attacker's processor is not the box's.
 */
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { Child } from '../../simulators/demo/child-process.ts';
import { callControl } from '../../src/edge/control/client.ts';
import type { GatewayStatus } from '../../src/edge/gateway/status.ts';
import { Daemon, ReceiptGiver } from '../bench/children.ts';
import { percentile } from '../bench/figures.ts';
import { makeSite } from '../bench/site.ts';
import { makePeople, Visitor } from '../support/console-bench.ts';
import { type Mosquitto, startMosquitto } from '../support/mosquitto.ts';
import { makeTempDir } from '../support/temp-dir.ts';
import { recordResult } from './support/results.ts';

const ROUNDS = 2;
const FULL_S = 5;
const STEADY_PER_S = 200;
const STEADY_S = 5;
/** Two cores, and whatever else runs on them. */
const SHARE_MIN = 0.5;
const RESIDENT_MAX_MIB = 400;

const dir = makeTempDir('console-flood');
let broker: Mosquitto | undefined;
let flooder: Child | undefined;
afterEach(async () => {
  await flooder?.stop('SIGKILL').catch(() => undefined);
  await broker?.stop();
  dir.remove();
});

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { readonly port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

function residentMib(pid: number): number {
  return Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1]) / 1_024;
}

interface Run {
  readonly injected: number;
  readonly perS: number;
  readonly p99Ms: number;
  readonly answered: number;
}

async function run(daemon: Daemon, flood: Visitor | undefined): Promise<Run> {
  const cookie = [...(flood?.cookies ?? [])].map(([name, value]) => `${name}=${value}`).join('; ');
  if (flood !== undefined) {
    const script = join(import.meta.dirname, 'support/flooder.mjs');
    flooder = new Child('nice', ['-n', '19', process.execPath, script, flood.url, cookie]);
  }
  const full = await daemon.flood(FULL_S);
  const steady = await daemon.steady(STEADY_PER_S, STEADY_S);
  expect([full.refused, steady.refused]).toEqual([0, 0]);
  let answered = 0;
  if (flooder !== undefined) {
    await flooder.stop('SIGTERM');
    answered = Number(flooder.lines().at(-1));
    flooder = undefined;
  }
  const injected = full.injected + steady.injected;
  return { injected, perS: full.injected / full.durableS, p99Ms: percentile(steady.durableMs, 99), answered };
}

test('a flooded console costs the daemon no event, and little of its rate', async () => {
  const startedMs = Date.now();
  broker = await startMosquitto();
  const port = await freePort();
  const console = { people: makePeople((name) => dir.file(name)), web: { port, requests_per_minute: 1_000_000 } };
  const site = makeSite({ parent: dir.path, name: 'flooded', brokerUrl: broker.url, console });
  const giver = await ReceiptGiver.start(broker.url, site);
  const daemon = await Daemon.start(site);
  await daemon.live();
  const visitor = new Visitor(`http://127.0.0.1:${port}`);
  expect((await visitor.signIn('viewer-1')).status).toBe(200);
  const warm = await daemon.flood(2);
  const quiet: Run[] = [];
  const flooded: Run[] = [];
  let residentMax = 0;
  for (let round = 0; round < ROUNDS; round += 1) {
    quiet.push(await run(daemon, undefined));
    flooded.push(await run(daemon, visitor));
    residentMax = Math.max(residentMax, residentMib(daemon.pid));
  }
  await daemon.live();
  const call = { verb: 'status', args: {}, socketPath: join(site.dataDir, 'control.sock'), silenceMaxMs: 30_000 };
  const { log } = (await callControl(call)) as GatewayStatus;
  const injected = [...quiet, ...flooded].reduce((sum, each) => sum + each.injected, warm.injected);
  expect(log.entries).toBeGreaterThanOrEqual(injected);
  await daemon.stop();
  await giver.stop();
  const mean = (runs: readonly Run[], of: keyof Run): number =>
    runs.reduce((sum, each) => sum + each[of], 0) / runs.length;
  const share = mean(flooded, 'perS') / mean(quiet, 'perS');
  const answersPerS = mean(flooded, 'answered') / (FULL_S + STEADY_S);
  expect(answersPerS).toBeGreaterThan(20);
  expect(share).toBeGreaterThan(SHARE_MIN);
  expect(residentMax).toBeLessThan(RESIDENT_MAX_MIB);
  const rates = `${Math.round(mean(quiet, 'perS'))} events/s quiet, ${Math.round(mean(flooded, 'perS'))} flooded (${share.toFixed(2)})`;
  const p99 = `at ${STEADY_PER_S}/s durable after ${mean(quiet, 'p99Ms').toFixed(0)} and ${mean(flooded, 'p99Ms').toFixed(0)} ms, p99`;
  const counts = `${rates}; ${p99}; ${Math.round(answersPerS)} answers/s; no event refused; resident ${Math.round(residentMax)} MiB at most`;
  await recordResult({ scenario: 'the console is flooded', counts, startedMs });
}, 300_000);
