/**
 * A gateway with simulated doors and a broker of its own, somebody who signs commands, and a count of the unlock frames
 * that left for the boards.
 */
import { siteSchema } from '../../simulators/site/settings.ts';
import { type Site, startSite } from '../../simulators/site.ts';
import { base64url } from '../../src/base/bytes.ts';
import { silentLogger } from '../../src/base/logger.ts';
import { MemoryMetrics } from '../../src/base/metrics.ts';
import { systemScheduler } from '../../src/base/system-scheduler.ts';
import { type Gateway, startGateway } from '../../src/edge/gateway/gateway.ts';
import { gatewaySettingsSchema } from '../../src/edge/gateway/settings.ts';
import { pae } from '../../src/evidence/batch/pae.ts';
import type { CustodyEvent } from '../../src/evidence/event/event.ts';
import { formatVkey, logVkey, type Vkey } from '../../src/evidence/log/note.ts';
import {
  COMMAND_TYPE,
  type Command,
  commandEnvelope,
  commandHash,
  commandPayload,
  parseReply,
  type Reply,
  verifyReply,
} from '../../src/evidence/wire/command.ts';
import { envelopeBytes, parseEnvelope } from '../../src/evidence/wire/envelope.ts';
import { gatewayRoot } from '../../src/evidence/wire/topics.ts';
import { nodeCrypto } from '../../src/platform/node-crypto.ts';
import { startBroker, type TestBroker } from './broker.ts';
import { makeTempDir, type TempDir } from './temp-dir.ts';
import { seedOf, TestKey } from './test-log.ts';
import { startUnlockTap, type UnlockTap } from './unlock-tap.ts';
import { until } from './until.ts';

export const GATEWAY = 'gw-doors';
export const DOORS = ['A1', 'A2', 'A3'] as const;
/** Wired, and never commissioned. */
export const RAW_DOOR = 'A4';
const ROOT = gatewayRoot(nodeCrypto, 'latchkey', GATEWAY);

const SITE = {
  name: 'doors',
  lines: [
    {
      name: 'bank',
      tcp: {},
      family: 'xor_8a80',
      boards: [{ name: 'board-1', address: 1, channels: 12, shut_reads: 1, unwired_reads: 1 }],
    },
  ],
  compartments: [...DOORS, RAW_DOOR].map((name, i) => ({ name, board: 'board-1', channel: i + 1 })),
};

/** A machine that is held up still sees its doors in time. */
export const DOOR_SETTINGS = {
  seen_within_ms: 30_000,
  open_max: 2,
  per_minute: { compartment: 600, actor: 600, site: 600 },
};

/** Somebody with a key for commands. */
export class Commander {
  readonly key: TestKey;
  readonly vkey: Vkey;

  constructor(name: string) {
    this.key = new TestKey(seedOf(`commander ${name}`));
    this.vkey = logVkey(nodeCrypto, `${name}.lockers.example`, this.key.publicKey);
  }

  sign(command: Command): { readonly bytes: Uint8Array; readonly hash: string } {
    const payload = commandPayload(command);
    const envelope = commandEnvelope(payload, this.vkey.keyId, this.key.sign(pae(COMMAND_TYPE, payload)));
    return { bytes: envelopeBytes(envelope), hash: commandHash(nodeCrypto, payload) };
  }
}

export interface BenchOptions {
  /** Members that replace those of gateway.yaml. */
  readonly gateway?: Readonly<Record<string, unknown>>;
}

export class OpeningBench {
  readonly dir: TempDir = makeTempDir('opening');
  readonly metrics = new MemoryMetrics();
  /** Granted every verb of doors; the clerk only `recount`; the stranger nothing. */
  readonly ops = new Commander('ops');
  readonly clerk = new Commander('clerk');
  readonly stranger = new Commander('stranger');
  readonly broker: TestBroker;
  readonly site: Site;
  readonly tap: UnlockTap;
  readonly #more: Readonly<Record<string, unknown>>;
  readonly #replies: Uint8Array[] = [];
  #gateway: Gateway | undefined;

  constructor(broker: TestBroker, site: Site, tap: UnlockTap, more: Readonly<Record<string, unknown>>) {
    this.broker = broker;
    this.site = site;
    this.tap = tap;
    this.#more = more;
    broker.judge(({ topic, payload }) => {
      if (topic === `${ROOT}/reply`) this.#replies.push(payload);
      return 'deliver';
    });
  }

  static async make({ gateway = {} }: BenchOptions = {}): Promise<OpeningBench> {
    const broker = await startBroker();
    const site = await startSite({ site: siteSchema.parse(SITE) });
    return new OpeningBench(broker, site, await startUnlockTap(site.address('bank')), gateway);
  }

  /** Content of gateway.yaml. */
  settings(): object {
    const verbs = ['open', 'stop_pick', 'resume', 'recount'];
    return {
      gateway: { id: GATEWAY, operator_domain: 'lockers.example', data_dir: this.dir.file('data') },
      keys: 'software',
      mqtt: { url: this.broker.url, protocol: '3.1.1', reconnect: { first_ms: 20, max_ms: 200 } },
      references: { kind: 'clear' },
      ports: [
        {
          name: 'bank',
          link: { kind: 'tcp', host: '127.0.0.1', port: this.tap.port, backoff_max_ms: 250 },
          poll: { cycle_ms: 50, reply_timeout_ms: 1_500 },
          devices: [{ driver: 'xor_8a80', name: 'board-1', address: 1, channels: 12 }],
        },
      ],
      custody: {
        compartments: [
          ...DOORS.map((name, i) => ({ name, device: 'board-1', channel: i + 1, polarity: 'closed_is_1' })),
          { name: RAW_DOOR, device: 'board-1', channel: 4 },
        ],
      },
      doors: { ...DOOR_SETTINGS },
      commands: {
        keys: [
          { vkey: formatVkey(this.ops.vkey), verbs },
          { vkey: formatVkey(this.clerk.vkey), verbs: ['recount'] },
        ],
      },
      uplink: { memory_quiet_ms: 100, memory_lost_wait_ms: 500, stall_ms: 300 },
      journal: { reserve_mib: 1, free_min_mib: 0 },
      stop_wait_s: 0,
      ...this.#more,
    };
  }

  get gateway(): Gateway {
    if (this.#gateway === undefined) throw new Error('the gateway was not started');
    return this.#gateway;
  }

  /** The daemon in this process; resolves when it takes commands and sees its doors shut. */
  async start(doors: readonly string[] = DOORS): Promise<void> {
    const settings = gatewaySettingsSchema.parse(this.settings());
    const parts = { settings, version: '0.1.0', scheduler: systemScheduler(), logger: silentLogger };
    const gateway = await startGateway({ ...parts, metrics: this.metrics });
    this.#gateway = gateway;
    await until('the uplink is live', () => gateway.uplink.health().phase === 'live');
    await this.untilShut(...doors);
  }

  async stop(): Promise<void> {
    await this.#gateway?.stop('signal');
    this.#gateway = undefined;
  }

  async untilShut(...names: readonly string[]): Promise<void> {
    const { custody } = this.gateway;
    const isShut = (name: string): boolean =>
      custody.status().compartments.some((each) => each.name === name && each.door === 'shut');
    await until(`${names.join(', ')} are seen shut`, () => names.every(isShut));
  }

  entries(): readonly CustodyEvent[] {
    const log = this.gateway.journal.log();
    return [...log.database.leaves(0, log.size)].map(
      ({ leaf }) => JSON.parse(Buffer.from(leaf ?? []).toString()) as CustodyEvent,
    );
  }

  of(type: string): readonly CustodyEvent[] {
    return this.entries().filter((entry) => entry.type === type);
  }

  /** A command for now. */
  command(verb: string, args: Command['args'] = {}, more: Partial<Command> = {}): Command {
    const { journal, observer } = this.gateway;
    const started = this.of('gateway.started').at(-1);
    return {
      gateway: GATEWAY,
      log: journal.origin(),
      start: String(started?.data['start']),
      id: randomId(),
      until_up_ms: Math.round(observer.observe().upMs) + 60_000,
      verb,
      args,
      by: { kind: 'operator', ref: 'desk-7' },
      ...more,
    };
  }

  open(compartment: string, more: Partial<Command> = {}): Command {
    return this.command('open', { compartment }, more);
  }

  publish(bytes: Uint8Array, retain = false): Promise<void> {
    return this.broker.publish(`${ROOT}/command`, bytes, retain);
  }

  /** Believed replies: signed by the open log's key. */
  replies(): readonly Reply[] {
    const { vkey } = this.gateway.journal.log();
    return this.#replies.flatMap((bytes) => {
      const envelope = parseEnvelope(bytes);
      const reply = envelope.ok ? verifyReply(nodeCrypto, envelope.value, vkey) : undefined;
      return reply?.ok === true ? [reply.value] : [];
    });
  }

  /** What was said to that command, whoever signed it. */
  heard(hash: string): Reply | undefined {
    for (const bytes of this.#replies) {
      const envelope = parseEnvelope(bytes);
      const reply = envelope.ok ? parseReply(envelope.value.payload) : undefined;
      if (reply?.ok === true && reply.value.command === hash) return reply.value;
    }
    return undefined;
  }

  /** Signs, publishes, and waits for the reply. */
  async ask(command: Command, by: Commander = this.ops): Promise<Reply> {
    const { bytes, hash } = by.sign(command);
    await this.publish(bytes);
    const found = (): Reply | undefined => this.replies().find((reply) => reply.command === hash);
    await until(`the reply to ${command.verb}`, () => found() !== undefined);
    const reply = found();
    if (reply === undefined) throw new Error('no reply');
    return reply;
  }

  async close(): Promise<void> {
    await this.stop();
    await this.tap.stop();
    await this.site.close();
    await this.broker.stop();
    this.dir.remove();
  }
}

export function randomId(): string {
  return base64url(crypto.getRandomValues(new Uint8Array(16)));
}
