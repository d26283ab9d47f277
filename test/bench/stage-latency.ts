/** One gateway at an easy pace: how long a scan takes to the disk and to the broker, and what it weighs on the wire. */
import { journalSettingsSchema } from '../../src/edge/journal/journal-settings.ts';
import type { Bench, LatencyFigures, WireFigures } from './bench.ts';
import { Daemon, ReceiptGiver } from './children.ts';
import { measureFsync } from './disk.ts';
import { percentile } from './figures.ts';
import { makeSite } from './site.ts';

const PER_S = 100;
const STEADY_S = 20;
/** Batch sizes, and how many batches of each. */
const GROUPS = [
  { size: 1, times: 40 },
  { size: 10, times: 40 },
  { size: 100, times: 20 },
] as const;

export async function measureLatency(bench: Bench): Promise<{ latency: LatencyFigures; wire: readonly WireFigures[] }> {
  const site = makeSite({ parent: bench.folder, name: 'steady', brokerUrl: bench.broker.url });
  const giver = await ReceiptGiver.start(bench.broker.url, site);
  const daemon = await Daemon.start(site);
  await daemon.live();
  await daemon.steady(PER_S, 2);
  const found = await daemon.steady(PER_S, STEADY_S);
  const fsync = measureFsync(bench.folder);
  const wire: WireFigures[] = [];
  for (const group of GROUPS) wire.push(await weigh(daemon, giver, group));
  await daemon.stop();
  await giver.stop();
  const latency: LatencyFigures = {
    samples: found.durableMs.length,
    durableP50Ms: percentile(found.durableMs, 50),
    durableP99Ms: percentile(found.durableMs, 99),
    ackP50Ms: percentile(found.acknowledgedMs, 50),
    ackP99Ms: percentile(found.acknowledgedMs, 99),
    fsyncP50Ms: fsync.p50Ms,
    fsyncP99Ms: fsync.p99Ms,
    groupCommitMs: journalSettingsSchema.parse({}).groupCommitMs,
  };
  bench.progress(
    `at ${PER_S}/s: durable after ${latency.durableP50Ms.toFixed(1)} ms, p99 ${latency.durableP99Ms.toFixed(1)} ms`,
  );
  return { latency, wire };
}

async function weigh(
  daemon: Daemon,
  giver: ReceiptGiver,
  { size, times }: { readonly size: number; readonly times: number },
): Promise<WireFigures> {
  await giver.wire();
  await daemon.groups(size, times);
  const { batches, checkpoints, checkpointBytes } = await giver.wire();
  const own = batches.find((seen) => seen.entries === size);
  if (own === undefined || own.batches < times / 2) throw new Error(`batches of ${size} came as others`);
  const each = own.bytes / (own.batches * size);
  return { entries: size, bytes: each, withCheckpoints: each + checkpointBytes / Math.max(1, checkpoints) / size };
}
