/**
 * Power cuts without a plug: the daemon runs once under load and under strace; then its disk is laid out anew as of many
 * moments of that run, without what was not synced by then, and the product opens it.
 */
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import { base64 } from '../../../src/base/bytes.ts';
import { callControl } from '../../../src/edge/control/client.ts';
import type { GatewayStatus } from '../../../src/edge/gateway/status.ts';
import { LogDatabase } from '../../../src/edge/journal/log-database.ts';
import { nodeCrypto } from '../../../src/platform/node-crypto.ts';
import { startBroker, type TestBroker } from '../../support/broker.ts';
import { runLatchkey, startLatchkey } from '../../support/child.ts';
import { readStrace, type Syscall } from '../../support/strace.ts';
import { until } from '../../support/until.ts';
import { DISK_CALLS, DiskModel, type Moment, momentsOf, type Survivors } from './disk-model.ts';
import { Oracle } from './oracle.ts';
import { type Rig, signalTraced } from './rig.ts';
import { SOCKET_CALLS, type TracedMessage, tracedMessages } from './sightings.ts';
import { startTap } from './tap.ts';

export interface TracedRun {
  readonly calls: readonly Syscall[];
  readonly moments: readonly Moment[];
  readonly messages: readonly TracedMessage[];
  /** Folder with what lay on the disk before. */
  readonly before: string;
  /** What the broker held before, topic to payload. */
  readonly retained: ReadonlyMap<string, Uint8Array>;
}

export interface Load {
  /** Scans of each burst; after each of them everything is receipted. */
  readonly bursts: readonly number[];
  /** Scans one by one, each with its commit. */
  readonly singles: number;
}

const LIMIT_MS = 60_000;
/** A whole window of batches may go to a socket in one call. */
const BYTES_MAX = 4_000_000;

/** One traced life of the daemon, from its start to a clean end. It is not running before and after. */
export async function traceLoad(rig: Rig<TestBroker>, load: Load): Promise<TracedRun> {
  const before = rig.dir.file('before');
  rmSync(before, { recursive: true, force: true });
  cpSync(rig.gatewayData, before, { recursive: true, filter: (path) => !path.endsWith('.sock') });
  const retained = new Map(rig.broker.retained);
  const logFile = rig.dir.file('power-trace');
  rmSync(logFile, { force: true });
  const child = await rig.startGateway({
    strace: { logFile, trace: [...DISK_CALLS, ...SOCKET_CALLS], bytesMax: BYTES_MAX },
  });
  for (const burst of load.bursts) {
    rig.feed.scan(burst);
    await settled(rig);
  }
  for (let i = 0; i < load.singles; i += 1) {
    rig.feed.scan(1);
    const { last } = rig.feed;
    await until(`scan ${last} leaves`, () => rig.oracle.lastScan >= last, LIMIT_MS);
  }
  await settled(rig);
  signalTraced(child, logFile, 'SIGTERM');
  await child.exit(LIMIT_MS);
  const calls = readStrace(logFile);
  return { calls, moments: momentsOf(calls), messages: tracedMessages(calls), before, retained };
}

async function settled(rig: Rig): Promise<void> {
  const { last } = rig.feed;
  await until(
    'everything is receipted',
    () => {
      const origin = rig.oracle.origins.at(-1) ?? '';
      return rig.oracle.lastScan >= last && rig.oracle.receiptSize(origin) >= rig.oracle.entriesOf(origin);
    },
    LIMIT_MS,
  );
}

/** A disk as of one moment. */
export interface Cut {
  readonly line: number;
  readonly survivors: 'none' | 'some';
  readonly dataDir: string;
  /** Messages whose last byte was handed to a socket before. */
  readonly seen: readonly TracedMessage[];
}

export interface CutChoice {
  readonly line: number;
  readonly survivors: 'none' | 'some';
}

/** Random lines of the trace, and as many just before a batch leaves; both kinds of survivors at each second one. */
export function chooseCuts(run: TracedRun, count: number, random: () => number): readonly CutChoice[] {
  const last = run.moments.at(-1)?.line ?? 0;
  const batches = run.messages.filter(({ topic }) => topic.endsWith('/batch'));
  const choices = Array.from({ length: count }, (_, i): CutChoice => {
    const survivors = i % 2 === 0 ? 'none' : 'some';
    const batch = batches[Math.floor(random() * batches.length)];
    // One line later, so that the batch itself counts as seen and nothing that follows is on the disk.
    if (i % 4 < 2 && batch !== undefined) return { line: batch.lastLine + 1, survivors };
    return { line: Math.floor(random() * last), survivors };
  });
  return choices.sort((a, b) => a.line - b.line);
}

/** Calls `look` with the disk as of each of the cuts, in the order of the trace. */
export async function replay(
  rig: Rig,
  run: TracedRun,
  cuts: readonly CutChoice[],
  random: () => number,
  look: (cut: Cut, nth: number) => Promise<void> | void,
): Promise<void> {
  const model = new DiskModel(rig.gatewayData, run.before);
  const dataDir = rig.dir.file('after-cut');
  let done = 0;
  for (const [nth, { line, survivors }] of cuts.entries()) {
    for (let next = run.moments[done]; next !== undefined && next.line < line; next = run.moments[done]) {
      model.take(next);
      done += 1;
    }
    rmSync(dataDir, { recursive: true, force: true });
    const some: Survivors = survivors === 'none' ? { kind: 'none' } : { kind: 'some', random };
    model.writeTo(dataDir, some);
    const seen = run.messages.filter((message) => message.lastLine < line);
    await look({ line, survivors, dataDir, seen }, nth);
  }
}

/** What was published before the cut and is not on its disk, or other there. Opens the files as a start does. */
export function missingAfter(cut: Cut): readonly string[] {
  const oracle = oracleOf(cut.seen);
  const faults: string[] = [...oracle.faults];
  for (const origin of oracle.origins) {
    const seen = oracle.seen(origin);
    const path = join(cut.dataDir, 'journal', `${origin.split('/')[2]}.db`);
    if (!existsSync(path)) {
      faults.push(`line ${cut.line}: ${origin} was published and its file is gone`);
      continue;
    }
    const database = LogDatabase.open(path, nodeCrypto, 'write');
    try {
      faults.push(...judgeDatabase(database, seen).map((fault) => `line ${cut.line}, ${cut.survivors}: ${fault}`));
    } finally {
      database.close();
    }
  }
  return faults;
}

function judgeDatabase(database: LogDatabase, seen: ReturnType<Oracle['seen']>): readonly string[] {
  const size = database.size();
  const faults: string[] = [];
  const verdict = database.verifyRange(0, size);
  if (!verdict.ok) faults.push(`the tree is not whole: ${verdict.reason} ${verdict.detail}`);
  const held = new Map([...database.leaves(0, size)].map(({ index, leaf }) => [index, leaf]));
  for (const [n, line] of seen.leaves) {
    const leaf = held.get(n);
    // A body that was receipted may have been removed; its root is compared below.
    if (leaf === undefined && held.has(n)) continue;
    if (leaf === undefined || Buffer.from(leaf).toString() !== line) {
      faults.push(`entry ${n} was published and is ${leaf === undefined ? 'missing' : 'other'}; ${size} are held`);
      break;
    }
  }
  for (const [at, root] of seen.roots) {
    const found = at > size ? undefined : database.rootAt(at);
    if (found === undefined || base64(found) !== root) faults.push(`the published root of ${at} entries is not held`);
  }
  return faults;
}

export function oracleOf(messages: readonly TracedMessage[]): Oracle {
  const oracle = new Oracle();
  for (const message of messages) oracle.take(message);
  return oracle;
}

/**
 * A real start on the disk of a cut, at a broker that holds what had been published to it: the same log goes on, a scan
 * is recorded, batches leave, no index and no size leaves twice with different contents, and `journal check` finds nothing.
 */
export async function startAfter(rig: Rig, run: TracedRun, cut: Cut): Promise<readonly string[]> {
  const oracle = oracleOf(cut.seen);
  const published = [...oracle.origins];
  const broker = await startBroker();
  const kept = new Map(run.retained);
  for (const { topic, payload, retain } of cut.seen) if (retain) kept.set(topic, payload);
  for (const [topic, payload] of kept) await broker.publish(topic, payload, true);
  const tap = await startTap(broker.port, (sighting) => oracle.take(sighting));
  const config = rig.dir.file('after-cut.yaml');
  const settings = parse(readFileSync(rig.dir.file('gateway.yaml'), 'utf8')) as {
    gateway: object;
    mqtt: object;
  };
  const moved = {
    ...settings,
    gateway: { ...settings.gateway, data_dir: cut.dataDir },
    mqtt: { ...settings.mqtt, url: tap.url },
    stop_wait_s: 0,
  };
  mkdirSync(cut.dataDir, { recursive: true });
  writeFileSync(config, stringify(moved));
  const connections = rig.feed.connections;
  const { batches } = oracle;
  const child = startLatchkey(['run', '--config', config]);
  try {
    await child.line('the gateway runs', LIMIT_MS);
    await until('the scanner is connected', () => rig.feed.connections > connections, LIMIT_MS);
    const socketPath = join(cut.dataDir, 'control.sock');
    const ask = async (): Promise<GatewayStatus> =>
      (await callControl({ verb: 'status', args: {}, socketPath, silenceMaxMs: 5_000 })) as GatewayStatus;
    const { entries } = (await ask()).log ?? { entries: 0 };
    rig.feed.scan(1);
    // Nobody receipts here, so only as much leaves as may be ahead of receipts: the scan itself perhaps not.
    await until('batches leave', () => oracle.batches > batches, LIMIT_MS);
    let status = await ask();
    for (const endMs = Date.now() + LIMIT_MS; (status.log?.entries ?? 0) <= entries; status = await ask()) {
      if (Date.now() > endMs) throw new Error('the scan is not recorded');
    }
    await child.stop('SIGTERM');
    const check = await runLatchkey(['journal', 'check', '--config', config, '--json'], { limitMs: LIMIT_MS });
    const faults = [...oracle.faults];
    const origin = status.log?.origin;
    if (published.length > 0 && origin !== published.at(-1)) faults.push(`${origin} was opened`);
    if (check.code !== 0) faults.push(`journal check says ${check.out}`);
    return faults.map((fault) => `started after line ${cut.line}, ${cut.survivors}: ${fault}`);
  } catch (error) {
    const files = readdirSync(cut.dataDir, { recursive: true }).join(' ');
    throw new Error(`line ${cut.line}, ${cut.survivors}: ${String(error)}${child.tail()}\n${files}`);
  } finally {
    await child.stop('SIGKILL');
    await tap.stop();
    await broker.stop();
  }
}
