/** Sustained ingest beside the floor: the same broker, the same leaves, one after the other in one run. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Child } from '../../simulators/demo/child-process.ts';
import type { Bench, FloorFigures, IngestFigures, SyscallFigures } from './bench.ts';
import { Daemon, latchkey, ReceiptGiver, receiverVkey, runFloor, startReceiver } from './children.ts';
import { busySeconds } from './proc.ts';
import { type StageTime, stageTimes } from './profile.ts';
import { type BenchSite, makeSite, writeGateway, writePolicy } from './site.ts';

const FLOOR_S = 5;
const TRACED_S = 4;
const PROFILED_S = 10;
const LEAVES = 5_000;

/** A run under strace, which counts from outside; it also leaves the leaves that the floor sends. */
export async function traceSyscalls(bench: Bench): Promise<{ figures: SyscallFigures; leavesFile: string }> {
  const site = makeSite({ parent: bench.folder, name: 'traced', brokerUrl: bench.broker.url });
  const giver = await ReceiptGiver.start(bench.broker.url, site);
  const summary = join(site.dir, 'strace.txt');
  const strace = ['strace', '-f', '-c', '-e', 'trace=fsync,fdatasync', '-o', summary, '--'];
  const daemon = await Daemon.start(site, { wrapper: strace });
  await daemon.live();
  const { injected } = await daemon.flood(TRACED_S);
  const commits = await daemon.commits();
  await daemon.stop();
  await giver.stop();
  const counts = readFileSync(summary, 'utf8').matchAll(
    /^\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s+(?:\d+\s+)?f(?:data)?sync$/gm,
  );
  const fsyncs = [...counts].reduce((sum, [, calls]) => sum + Number(calls), 0);
  return { figures: { commits, fsyncs, events: injected }, leavesFile: await writeLeaves(site) };
}

async function writeLeaves(site: BenchSite): Promise<string> {
  const exported = join(site.dir, 'export.ndjson');
  await latchkey(['journal', 'export', '--config', site.gatewayConfig, '--out', exported]);
  const lines = readFileSync(exported, 'utf8').split('\n');
  const leaves = lines.filter((line) => line.includes('"type":"code.scanned"')).slice(0, LEAVES);
  const file = join(site.dir, 'leaves.ndjson');
  writeFileSync(file, `${leaves.join('\n')}\n`);
  return file;
}

/** Ours in three editions, and the floor before, between and after: what the machine does meanwhile meets all of them. */
export async function compareIngest(
  bench: Bench,
  leavesFile: string,
): Promise<{ floor: FloorFigures; ingest: readonly IngestFigures[]; stages: readonly StageTime[] }> {
  const perS: number[] = [];
  const floorOnce = async (): Promise<void> => {
    perS.push(await runFloor(bench.broker.url, leavesFile, FLOOR_S));
    bench.progress(`floor: ${perS.at(-1)} messages/s`);
  };
  const ingest: IngestFigures[] = [];
  await floorOnce();
  ingest.push(await ingestOnce(bench, { references: 'pseudonym', seconds: bench.ingestS }));
  await floorOnce();
  ingest.push(await ingestOnce(bench, { references: 'clear', seconds: bench.ingestS }));
  await floorOnce();
  ingest.push(await ingestOnce(bench, { references: 'pseudonym', seconds: bench.ingestS, consumer: true }));
  const leaves = readFileSync(leavesFile);
  const leafBytes = Math.round(leaves.length / LEAVES) - 1;
  const isShort = (ingest[0]?.perS ?? 0) < Math.max(...perS);
  return { floor: { perS, leafBytes }, ingest, stages: isShort ? await profileIngest(bench) : [] };
}

/** Where the time goes, in a run of its own: a profile costs some of it. */
async function profileIngest(bench: Bench): Promise<readonly StageTime[]> {
  const site = makeSite({ parent: bench.folder, name: 'profiled', brokerUrl: bench.broker.url });
  const folder = join(site.dir, 'profile');
  const giver = await ReceiptGiver.start(bench.broker.url, site);
  const daemon = await Daemon.start(site, {
    node: ['--cpu-prof', '--cpu-prof-interval', '500', '--cpu-prof-dir', folder],
  });
  await daemon.live();
  await daemon.flood(PROFILED_S);
  await daemon.stop();
  await giver.stop();
  bench.progress('profiled: ours fell short of the floor');
  return stageTimes(folder);
}

interface IngestOptions {
  readonly references: 'pseudonym' | 'clear';
  readonly seconds: number;
  /** The real `latchkey receive` beside it instead of the receipt giver. */
  readonly consumer?: boolean;
}

async function ingestOnce(bench: Bench, options: IngestOptions): Promise<IngestFigures> {
  const { references, seconds, consumer = false } = options;
  const name = `ingest-${references}${consumer ? '-consumer' : ''}`;
  const siteOptions = { parent: bench.folder, name, brokerUrl: bench.broker.url, references };
  const site = makeSite(siteOptions);
  let receiver: Child | undefined;
  let giver: ReceiptGiver | undefined;
  if (consumer) writeGateway(site, { ...siteOptions, receivers: [await receiverVkey(site)] });
  else giver = await ReceiptGiver.start(bench.broker.url, site);
  const daemon = await Daemon.start(site);
  if (consumer) {
    writePolicy(site, daemon.vkey);
    receiver = await startReceiver(bench, site);
  }
  await daemon.live();
  const busyBefore = busySeconds();
  const startMs = performance.now();
  const found = await daemon.flood(seconds);
  const busyCores = (busySeconds() - busyBefore) / ((performance.now() - startMs) / 1_000);
  await daemon.stop();
  await giver?.stop();
  await receiver?.stop();
  const beside = consumer ? 'latchkey receive' : 'the receipt giver';
  const figures: IngestFigures = {
    what: `${references} references, beside ${beside}`,
    perS: Math.round(found.injected / found.acknowledgedS),
    durablePerS: Math.round(found.injected / found.durableS),
    events: found.injected,
    perCommit: Math.round(found.entries / found.commits),
    cpuUs: (found.cpuS * 1e6) / found.injected,
    busyCores,
    refused: found.refused,
    rewinds: found.rewinds,
  };
  if (found.refused > 0) throw new Error(`${found.refused} scans were refused: the injector does not wait for room`);
  bench.progress(`ingest, ${figures.what}: ${figures.perS} events/s`);
  return figures;
}
