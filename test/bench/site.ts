/** Settings files of one gateway and one consumer under measurement: the example's settings, but for places. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { formatVkey } from '../../src/evidence/log/note.ts';
import { TestWitness } from '../support/test-log.ts';

export const PREFIX = 'latchkey';
export const SCANNER = 'scanner-1';
/** The name of the receipt giver's key; its key comes from the name. */
export const GIVER = 'receipts.bench';
const CONSUMER = 'refunds.example/receipts';

/**
 * How long the uplink listens for retained messages at its first connection. Its default of 10 s only lengthens the
 * benchmark: nothing is measured in it.
 */
const MEMORY_QUIET_MS = 500;

export interface BenchSite {
  /** Gateway id: each site has its own, since one broker serves all of them. */
  readonly gateway: string;
  readonly dir: string;
  readonly gatewayConfig: string;
  readonly receiveConfig: string;
  readonly policy: string;
  readonly dataDir: string;
  readonly consumerDir: string;
}

export interface SiteOptions {
  readonly parent: string;
  /** Of the gateway and its folder. */
  readonly name: string;
  readonly brokerUrl: string;
  readonly references?: 'pseudonym' | 'clear';
  /** Verifier keys of those whose receipts count. */
  readonly receivers?: readonly string[];
  /** How long a clean stop waits for receipts. */
  readonly stopWaitS?: number;
  /** In place of software keys. */
  readonly keys?: object;
  readonly ports?: readonly object[];
  readonly compartments?: readonly object[];
  /** Served by the gateway beside its work. */
  readonly console?: object;
}

export function giverVkey(): string {
  return formatVkey(new TestWitness(GIVER).vkey);
}

export function makeSite(options: SiteOptions): BenchSite {
  const dir = join(options.parent, options.name);
  const keysDir = join(dir, 'reference-keys');
  mkdirSync(keysDir, { recursive: true });
  writeFileSync(join(keysDir, '2026-11.key'), `${'5a'.repeat(32)}\n`, { mode: 0o600 });
  const site: BenchSite = {
    gateway: options.name,
    dir,
    gatewayConfig: join(dir, 'gateway.yaml'),
    receiveConfig: join(dir, 'receive.yaml'),
    policy: join(dir, 'policy.json'),
    dataDir: join(dir, 'gateway'),
    consumerDir: join(dir, 'consumer'),
  };
  writeGateway(site, options);
  writeFileSync(site.policy, '{"v":1,"logs":[]}\n');
  const mqtt = { url: options.brokerUrl };
  const receive = {
    data_dir: site.consumerDir,
    policy: site.policy,
    mqtt,
    prefix: PREFIX,
    witness: { name: CONSUMER },
    status_interval_s: 1,
  };
  writeFileSync(site.receiveConfig, stringify({ ...receive, log_level: 'warn' }));
  return site;
}

/** Also to change the settings of a gateway that has run: whose receipts count. */
export function writeGateway(site: BenchSite, options: SiteOptions): void {
  const { brokerUrl, references = 'pseudonym', receivers = [giverVkey()] } = options;
  const board = (name: string, address: number) => ({ name, driver: 'xor_8a80', address, channels: 24 });
  const settings = {
    gateway: { id: site.gateway, operator_domain: 'lockers.example', data_dir: site.dataDir },
    keys: options.keys ?? 'software',
    mqtt: { url: brokerUrl },
    prefix: PREFIX,
    receivers: receivers.map((vkey) => ({ vkey, role: 'store' })),
    references:
      references === 'clear' ? { kind: 'clear' } : { kind: 'pseudonym', keys_dir: join(site.dir, 'reference-keys') },
    ports: options.ports ?? [
      {
        name: 'bank-a',
        link: { kind: 'serial', path: '/dev/none-a' },
        devices: [board('board-1', 1), board('board-2', 2)],
      },
      {
        name: 'desk',
        link: { kind: 'serial', path: '/dev/none-b' },
        devices: [{ name: SCANNER, driver: 'text_scanner' }],
      },
    ],
    custody: {
      compartments: options.compartments ?? [
        { name: 'A01', device: 'board-1', channel: 1, polarity: 'closed_is_1' },
        { name: 'A02', device: 'board-1', channel: 2, polarity: 'closed_is_1' },
      ],
    },
    uplink: { memory_quiet_ms: MEMORY_QUIET_MS },
    ...(options.stopWaitS === undefined ? {} : { stop_wait_s: options.stopWaitS }),
    ...(options.console !== undefined && { console: options.console }),
    log_level: 'warn',
  };
  writeFileSync(site.gatewayConfig, stringify(settings));
}

/** What the consumer believes from now on (it reads the policy at its start and at SIGHUP). */
export function writePolicy(site: BenchSite, vkey: string): void {
  writeFileSync(site.policy, `${JSON.stringify({ v: 1, logs: [{ vkey }] })}\n`);
}
