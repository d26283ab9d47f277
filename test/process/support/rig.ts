/**
 * The product as it is used, small: a broker, `latchkey run` with a scanner and a lock board on TCP, `latchkey receive`
 * that trusts the gateway's log, all on free ports, with times shortened in the settings. Between the broker and both
 * stands an oracle.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';
import type { Child } from '../../../simulators/demo/child-process.ts';
import { siteSchema } from '../../../simulators/site/settings.ts';
import { type Site, startSite } from '../../../simulators/site.ts';
import { callControl } from '../../../src/edge/control/client.ts';
import type { GatewayStatus } from '../../../src/edge/gateway/status.ts';
import { runLatchkey, startLatchkey, startLatchkeyTraced } from '../../support/child.ts';
import { startMosquitto } from '../../support/mosquitto.ts';
import { type StraceOptions, tracedPid } from '../../support/strace.ts';
import { makeTempDir, type TempDir } from '../../support/temp-dir.ts';
import { until } from '../../support/until.ts';
import { Oracle } from './oracle.ts';
import { type ScanFeed, startScanFeed } from './scan-feed.ts';
import { readStore, type StoredLog } from './store-files.ts';
import { startTap, type Tap } from './tap.ts';

/** What the rig needs of a broker; `test/support/mosquitto.ts` and `test/support/broker.ts` have it. */
export interface RigBroker {
  readonly port: number;
  stop(): Promise<void>;
}

export interface RigOptions<B extends RigBroker> {
  readonly broker: B;
  readonly protocol?: '5' | '3.1.1';
  /** Members that replace those of gateway.yaml. */
  readonly gateway?: object;
  /** Members that replace those of receive.yaml. */
  readonly receive?: object;
  /** Environment of the daemon. */
  readonly env?: Readonly<Record<string, string>>;
  /** Without one the gateway makes system calls only for what the test does. */
  readonly board?: boolean;
}

export interface Traced {
  readonly strace: StraceOptions;
  readonly env?: Readonly<Record<string, string>>;
}

const GATEWAY = 'gw-rig';
const DOMAIN = 'lockers.example';
const START_LIMIT_MS = 60_000;
/** Each look is an answer of the daemon, which has better things to do. */
const LOOK_AGAIN_MS = 25;
const MQTT_TIMES = { reconnect: { first_ms: 20, max_ms: 200 }, ack_timeout_ms: 5_000, connect_timeout_ms: 5_000 };
export const UPLINK_TIMES = {
  memory_quiet_ms: 100,
  memory_lost_wait_ms: 2_000,
  stall_ms: 300,
  stall_max_ms: 2_000,
  retry: { first_ms: 50, max_ms: 500 },
  request_interval_ms: 100,
};
export const COMPARTMENTS = ['a1', 'a2'] as const;

export class Rig<B extends RigBroker = RigBroker> {
  readonly oracle: Oracle;
  readonly dir: TempDir;
  readonly broker: B;
  readonly tap: Tap;
  readonly feed: ScanFeed;
  readonly site: Site | undefined;
  readonly #env: Readonly<Record<string, string>>;
  readonly #trusted = new Set<string>();
  #gatewayId = GATEWAY;
  /** Content of gateway.yaml but for its `gateway` member. */
  gatewaySettings: object = {};
  #gateway: Child | undefined;
  #consumer: Child | undefined;
  readonly #traced: { readonly strace: Child; readonly logFile: string }[] = [];

  constructor(
    parts: Pick<Rig<B>, 'oracle' | 'dir' | 'broker' | 'tap' | 'feed' | 'site'> & {
      readonly env?: Readonly<Record<string, string>> | undefined;
    },
  ) {
    this.oracle = parts.oracle;
    this.dir = parts.dir;
    this.broker = parts.broker;
    this.tap = parts.tap;
    this.feed = parts.feed;
    this.site = parts.site;
    this.#env = parts.env ?? {};
  }

  get gatewayData(): string {
    return this.dir.file(this.#gatewayId);
  }

  /** The next start is the first of another gateway, with an empty disk. The one before must not be running. */
  newGateway(id: string): void {
    this.#gatewayId = id;
    const gateway = { id, operator_domain: DOMAIN, data_dir: this.gatewayData };
    writeFileSync(this.dir.file('gateway.yaml'), stringify({ ...this.gatewaySettings, gateway }));
  }

  get storeDir(): string {
    return this.dir.file('consumer');
  }

  get gateway(): Child {
    if (this.#gateway === undefined) throw new Error('the gateway was not started');
    return this.#gateway;
  }

  get consumer(): Child {
    if (this.#consumer === undefined) throw new Error('the consumer was not started');
    return this.#consumer;
  }

  /** A daemon that was started in another way with this rig's settings. */
  adoptGateway(child: Child): void {
    this.#gateway = child;
  }

  /** Starts the daemon and waits for nothing. */
  spawnGateway(traced?: Traced): Child {
    this.#gateway = this.#start(['run', '--config', this.dir.file('gateway.yaml')], traced);
    return this.#gateway;
  }

  spawnConsumer(traced?: Traced): Child {
    this.#consumer = this.#start(['receive', '--config', this.dir.file('receive.yaml')], traced);
    return this.#consumer;
  }

  /** Starts the daemon; resolves when its scanner is connected, or, when it is traced, also when it was killed before. */
  async startGateway(traced?: Traced): Promise<Child> {
    const before = this.feed.connections;
    const child = this.spawnGateway(traced);
    if (traced === undefined) await child.line('the gateway runs', START_LIMIT_MS);
    await until(
      'the gateway opens its scanner',
      () => this.feed.connections > before || (traced !== undefined && !child.running),
      START_LIMIT_MS,
    );
    return child;
  }

  async startConsumer(traced?: Traced): Promise<Child> {
    const child = this.spawnConsumer(traced);
    if (traced === undefined) await child.line('the receiver runs', START_LIMIT_MS);
    return child;
  }

  #start(args: readonly string[], traced: Traced | undefined): Child {
    const env = args[0] === 'run' ? this.#env : {};
    if (traced === undefined) return startLatchkey(args, { env });
    const strace = startLatchkeyTraced(args, traced.strace, { env: { ...env, ...traced.env } });
    this.#traced.push({ strace, logFile: traced.strace.logFile });
    return strace;
  }

  /** The consumer believes this log from now on. */
  trust(vkey: string): void {
    this.#trusted.add(vkey);
    const logs = [...this.#trusted].map((one) => ({ vkey: one }));
    writeFileSync(this.dir.file('policy.json'), JSON.stringify({ v: 1, logs }));
    this.#consumer?.signal('SIGHUP');
  }

  /** Undefined while no daemon answers. */
  async status(): Promise<GatewayStatus | undefined> {
    const call = { verb: 'status', args: {}, socketPath: join(this.gatewayData, 'control.sock'), silenceMaxMs: 5_000 };
    return (await callControl(call).catch(() => undefined)) as GatewayStatus | undefined;
  }

  /** Polls the daemon until its status is as wanted. */
  async statusUntil(what: string, wanted: (status: GatewayStatus) => boolean, limitMs = START_LIMIT_MS) {
    const endMs = performance.now() + limitMs;
    for (;;) {
      const status = await this.status();
      if (status !== undefined && wanted(status)) return status;
      if (!this.gateway.running) throw new Error(`the gateway ended while waiting: ${what}${this.gateway.tail()}`);
      if (performance.now() > endMs) {
        const { log, uplink, problems } = status ?? {};
        const seen = JSON.stringify({ log, uplink, problems });
        throw new Error(`waited ${limitMs} ms in vain: ${what}; ${seen}${this.#consumer?.tail() ?? ''}`);
      }
      await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS));
    }
  }

  /** Waits until the consumer has receipted everything that is durable at the gateway now. */
  async receipted(limitMs?: number): Promise<GatewayStatus> {
    const owed = (await this.statusUntil('the daemon answers', () => true)).log.entries;
    return this.statusUntil(
      `receipts reach ${owed}`,
      ({ log }) => log.receipted >= owed && log.entries >= owed,
      limitMs,
    );
  }

  /** Everything that left the gateway is receipted, the newest scan included. Asks only the oracle. */
  get isSettled(): boolean {
    return this.oracle.lastScan === this.feed.last && this.oracle.isReceipted;
  }

  /** Scans once more and waits until all that happened is at the consumer and receipted. */
  async settle(limitMs = START_LIMIT_MS): Promise<void> {
    this.feed.scan(1);
    await until('the newest scan is receipted', () => this.isSettled, limitMs).catch((error: unknown) => {
      const { oracle, feed } = this;
      const [origin = ''] = oracle.origins;
      const seen = `scan ${oracle.lastScan} of ${feed.last}, receipt ${oracle.receiptSize(origin)} of ${oracle.entriesSeen}`;
      throw new Error(`${String(error)}: ${seen}${this.#gateway?.tail() ?? ''}${this.#consumer?.tail() ?? ''}`);
    });
  }

  /**
   * Settles, and judges at a moment at which nothing is under way: the gateway makes entries of its own at any time, and a
   * note may leave before the entry that it covers.
   */
  async settleAndJudge(): Promise<void> {
    await this.settle();
    await until('what notes cover is receipted', () => this.isSettled && this.oracle.isCovered, START_LIMIT_MS);
    this.judge();
  }

  /** A parcel is put into a compartment: entries that do not wait for others. */
  visit(compartment: (typeof COMPARTMENTS)[number]): void {
    this.site?.open(compartment);
    this.site?.put(compartment);
  }

  stored(): readonly StoredLog[] {
    return readStore(this.storeDir);
  }

  /** Throws with everything that is wrong between what was seen outside and what the consumer's files hold. */
  judge(): void {
    const faults = [...this.oracle.judge(this.stored())];
    // A kill may never cost a log: nothing on the disk contradicts what has left.
    const { origins } = this.oracle;
    const gateways = new Set(origins.map((origin) => origin.split('/')[1]));
    if (origins.length !== gateways.size) faults.push(`a gateway has several logs: ${origins.join(', ')}`);
    if (faults.length > 0) throw new Error(`the oracle found:\n  ${faults.join('\n  ')}`);
  }

  async close(): Promise<void> {
    // A traced process outlives its tracer.
    for (const { strace, logFile } of this.#traced) if (strace.running) signalTraced(strace, logFile, 'SIGKILL');
    for (const child of [this.#gateway, this.#consumer]) await child?.stop('SIGKILL').catch(() => undefined);
    await this.site?.close();
    await this.feed.stop();
    await this.tap.stop();
    await this.broker.stop();
    this.dir.remove();
  }
}

/** Signals the process that this strace traces, and no other that came to have its number since. */
export function signalTraced(strace: Child, logFile: string, signal: NodeJS.Signals): void {
  try {
    const pid = tracedPid(logFile);
    if (pid === undefined) return;
    const parent = /^PPid:\s+(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
    if (Number(parent) === strace.pid) process.kill(pid, signal);
  } catch (error) {
    // It is gone already.
    if (!['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
  }
}

/** A rig in which gateway and consumer run and know each other. */
export async function makeRig<B extends RigBroker>(options: RigOptions<B>): Promise<Rig<B>> {
  const dir = makeTempDir('rig');
  const feed = await startScanFeed();
  const site = options.board === true ? await startSite({ site: siteSchema.parse(SITE) }) : undefined;
  const oracle = new Oracle();
  const tap = await startTap(options.broker.port, (sighting) => oracle.take(sighting));
  const rig = new Rig<B>({ oracle, dir, broker: options.broker, tap, feed, site, env: options.env });
  try {
    await settle(rig, options);
    return rig;
  } catch (error) {
    await rig.close();
    throw error;
  }
}

export async function makeMosquittoRig(options: Omit<RigOptions<RigBroker>, 'broker'> = {}) {
  return makeRig({ ...options, broker: await startMosquitto() });
}

const SITE = {
  name: 'rig',
  lines: [
    {
      name: 'bank',
      tcp: {},
      family: 'xor_8a80',
      boards: [{ name: 'board-1', address: 1, channels: 24, shut_reads: 1, unwired_reads: 1 }],
    },
  ],
  compartments: COMPARTMENTS.map((name, i) => ({ name, board: 'board-1', channel: i + 1 })),
};

/** Writes both settings files and starts both processes once, so that the policy can name the log. */
async function settle<B extends RigBroker>(rig: Rig<B>, options: RigOptions<B>): Promise<void> {
  const { dir, tap } = rig;
  const mqtt = { url: tap.url, protocol: options.protocol ?? '5', ...MQTT_TIMES };
  const receive = {
    data_dir: rig.storeDir,
    policy: dir.file('policy.json'),
    mqtt,
    witness: { name: 'refunds.example/receipts' },
    ...options.receive,
  };
  writeFileSync(dir.file('receive.yaml'), stringify(receive));
  const shown = await runLatchkey(['receive', '--config', dir.file('receive.yaml'), '--show-key']);
  const vkey = shown.out.trim();
  rig.gatewaySettings = { ...gatewaySettings(rig, vkey), mqtt, ...options.gateway };
  rig.newGateway(GATEWAY);
  await rig.startGateway();
  const status = await rig.statusUntil('the daemon answers', () => true);
  rig.trust(status.log.vkey);
  await rig.startConsumer();
  await rig.receipted();
}

function gatewaySettings(rig: Rig, receiptVkey: string): object {
  const [host = '', port = ''] = rig.site?.address('bank').split(':') ?? [];
  const scanner = { driver: 'text_scanner', name: 'scanner-1', suffix: 'crlf', settle_ms: 0 };
  const bank = {
    name: 'bank',
    link: { kind: 'tcp', host, port: Number(port), backoff_max_ms: 250 },
    poll: { cycle_ms: 100 },
    devices: [{ driver: 'xor_8a80', name: 'board-1', address: 1, channels: 24 }],
  };
  const compartments = COMPARTMENTS.map((name, i) => ({
    name,
    device: 'board-1',
    channel: i + 1,
    polarity: 'closed_is_1',
  }));
  return {
    keys: 'software',
    receivers: [{ vkey: receiptVkey, role: 'store' }],
    references: { kind: 'clear' },
    ports: [
      {
        name: 'desk',
        link: { kind: 'tcp', host: '127.0.0.1', port: rig.feed.port, backoff_max_ms: 250 },
        devices: [scanner],
      },
      ...(rig.site === undefined ? [] : [bank]),
    ],
    ...(rig.site === undefined ? {} : { custody: { compartments } }),
    uplink: UPLINK_TIMES,
    journal: { reserve_mib: 1, free_min_mib: 0 },
  };
}

/** Resolves when the process ended, for whatever reason it had. */
export async function ended(child: Child, limitMs?: number): Promise<'killed' | number | null> {
  const { code, signal } = await child.exit(limitMs);
  return signal === 'SIGKILL' || code === 137 ? 'killed' : code;
}
