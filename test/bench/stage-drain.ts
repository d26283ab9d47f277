/** A backlog: how fast a gateway comes up with it, sends it and stays small, and how fast its export is verified. */
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { Child } from '../../simulators/demo/child-process.ts';
import { keptPort } from '../../simulators/kept-port.ts';
import type { GatewayStatus } from '../../src/edge/gateway/status.ts';
import { startLatchkey } from '../support/child.ts';
import type { Bench, DrainFigures, VerifyFigures } from './bench.ts';
import { Daemon, latchkey, receiverVkey, startReceiver, statusOf } from './children.ts';
import { cpuSeconds, MemoryWatch } from './proc.ts';
import { type BenchSite, makeSite, writeGateway, writePolicy } from './site.ts';

const START_LIMIT_MS = 60_000;
const DRAIN_LIMIT_MS = 900_000;
const VERIFY_LIMIT_MS = 600_000;
const LOOK_MS = 100;

interface Backlog {
  readonly site: BenchSite;
  readonly size: number;
  readonly vkey: string;
  readonly fillPerS: number;
}

/** A gateway whose broker is away takes so many events. */
export async function fillBacklog(bench: Bench): Promise<Backlog> {
  const options = { parent: bench.folder, name: 'backlog', brokerUrl: bench.broker.url };
  const site = makeSite(options);
  const nobody = `mqtt://127.0.0.1:${await keptPort()}`;
  writeGateway(site, { ...options, brokerUrl: nobody, stopWaitS: 0 });
  const daemon = await Daemon.start(site);
  const { durableS, injected } = await daemon.fill(bench.events);
  await daemon.stop();
  const { vkey } = daemon;
  writePolicy(site, vkey);
  writeGateway(site, { ...options, receivers: [await receiverVkey(site)] });
  bench.progress(`backlog: ${injected} events, broker away, ${Math.round(injected / durableS)} events/s`);
  return { site, size: injected, vkey, fillPerS: Math.round(injected / durableS) };
}

/** `latchkey run` with the backlog, to `latchkey receive`; drained is what its receipts cover. */
export async function drain(bench: Bench, { site, fillPerS }: Backlog): Promise<DrainFigures> {
  const receiver = await startReceiver(bench, site);
  try {
    return await drainTo(bench, { site, fillPerS }, receiver);
  } finally {
    await receiver.stop();
  }
}

async function drainTo(
  bench: Bench,
  { site, fillPerS }: Pick<Backlog, 'site' | 'fillPerS'>,
  receiver: Child,
): Promise<DrainFigures> {
  const startMs = performance.now();
  const daemon = bench.own(startLatchkey(['run', '--config', site.gatewayConfig]));
  const memory = new MemoryWatch(daemon.pid);
  const receiverMemory = new MemoryWatch(receiver.pid);
  const first = await statusWhen(site, START_LIMIT_MS, 5, () => true);
  const startupMs = performance.now() - startMs;
  const { entries } = first.log;
  await statusWhen(site, START_LIMIT_MS, 5, ({ uplink }) => uplink.phase === 'live');
  const liveMs = performance.now() - startMs;
  await statusWhen(site, DRAIN_LIMIT_MS, LOOK_MS, ({ log }) => log.receipted >= entries);
  const drainS = (performance.now() - startMs - liveMs) / 1_000;
  const { maxMb, meanMb } = memory.stop();
  const figures: DrainFigures = {
    events: entries,
    fillPerS,
    startupMs,
    liveMs,
    perS: Math.round(entries / drainS),
    rssMaxMb: maxMb,
    rssMeanMb: meanMb,
    receiverRssMaxMb: receiverMemory.stop().maxMb,
  };
  await daemon.stop();
  bench.progress(
    `drain: ${figures.perS} events/s, at most ${Math.round(maxMb)} MB, up after ${Math.round(startupMs)} ms`,
  );
  return figures;
}

async function statusWhen(
  site: BenchSite,
  limitMs: number,
  everyMs: number,
  condition: (status: GatewayStatus) => boolean,
): Promise<GatewayStatus> {
  const endMs = performance.now() + limitMs;
  for (;;) {
    const status = await statusOf(site);
    if (status !== undefined && condition(status)) return status;
    if (performance.now() > endMs) {
      const { log, uplink } = status ?? {};
      throw new Error(`waited ${limitMs} ms for the gateway: ${JSON.stringify({ log, uplink })}`);
    }
    await pause(everyMs);
  }
}

export async function verifyExport(bench: Bench, { site, vkey }: Backlog): Promise<VerifyFigures> {
  const file = join(site.dir, 'export.ndjson');
  const exportStartMs = performance.now();
  await latchkey(['journal', 'export', '--config', site.gatewayConfig, '--out', file]);
  const exportS = (performance.now() - exportStartMs) / 1_000;
  const startMs = performance.now();
  const child = bench.own(startLatchkey(['verify', file, '--vkey', vkey, '--json']));
  const memory = new MemoryWatch(child.pid);
  let cpuS = 0;
  const look = setInterval(() => {
    cpuS = Math.max(cpuS, cpuSeconds(child.pid));
  }, 20);
  const { code } = await child.exit(VERIFY_LIMIT_MS);
  const tookS = (performance.now() - startMs) / 1_000;
  clearInterval(look);
  const { maxMb } = memory.stop();
  if (code !== 0) throw new Error(`latchkey verify ended with ${code}${child.tail()}`);
  const verdict = JSON.parse(child.lines('out').join('\n')) as { readonly logs: readonly { readonly end: number }[] };
  const events = verdict.logs[0]?.end ?? 0;
  bench.progress(`verify: ${Math.round(events / tookS)} events/s`);
  return {
    events,
    exportPerS: Math.round(events / exportS),
    exportMb: statSync(file).size / 1e6,
    perS: Math.round(events / tookS),
    perCoreS: Math.round(events / cpuS),
    rssMaxMb: maxMb,
  };
}
