/**
 * The settings files of the demo, as an operator would write them, but for times that are shorter than in the field.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';
import type { Site } from '../site.ts';
import type { SimulatedTpm } from '../tpm/tpm.ts';
import type { Firmware } from './firmware.ts';
import type { GatewayView } from './product.ts';
import type { RiskSecrets } from './risk-service.ts';
import {
  CODED,
  COMPARTMENTS,
  DESK,
  DOCK,
  EAST,
  EAST_LINE,
  FIRMWARE,
  FIRMWARE_COMPARTMENT,
  FIRMWARE_LINE,
  FORCED,
  KEYPAD,
  SCALE,
  WEST,
  WEST_LINE,
} from './stage.ts';

export const GATEWAY_ID = 'demo-0001';
export const DOMAIN = 'lockers.example';
export const CONSUMER_NAME = 'refunds.example/receipts';
export const PREFIX = 'latchkey';
export const REFERENCE_KEY_ID = '2026-11';

export interface DemoFiles {
  readonly dir: string;
  readonly gatewayConfig: string;
  readonly policy: string;
  /** Of the service that grants codes. */
  readonly commandConfig: string;
  readonly gatewayData: string;
  /** Of the risk service: its settings and its database. */
  readonly riskDir: string;
  /** Folder with the key of the pseudonyms. */
  readonly referenceKeys: string;
  readonly linksDir: string;
}

export function demoFiles(dir: string): DemoFiles {
  return {
    dir,
    gatewayConfig: join(dir, 'gateway.yaml'),
    policy: join(dir, 'policy.json'),
    commandConfig: join(dir, 'command.yaml'),
    gatewayData: join(dir, 'gateway'),
    riskDir: join(dir, 'risk'),
    referenceKeys: join(dir, 'reference-keys'),
    linksDir: join(dir, 'dev'),
  };
}

function board(driver: string, { name, address, channels }: typeof WEST): object {
  return { driver, name, address, channels };
}

function scanner(name: string): object {
  return { driver: 'text_scanner', name, suffix: 'crlf', aim: true, debounce_ms: 1_000 };
}

/** The consumer is quicker than the gateway, so that what is sent after an outage is heard the first time. */
const GATEWAY_TIMES = { reconnect: { first_ms: 1_200, max_ms: 1_200 }, ack_timeout_ms: 5_000 };
const CONSUMER_TIMES = { reconnect: { first_ms: 50, max_ms: 200 }, ack_timeout_ms: 5_000 };

export function writeGatewayConfig(
  files: DemoFiles,
  site: Site,
  brokerUrl: string,
  { witnessVkey, commandVkey }: { readonly witnessVkey: string; readonly commandVkey: string },
  { tpm, firmware }: { readonly tpm: SimulatedTpm | undefined; readonly firmware: Firmware | undefined },
): void {
  const compartments = firmware === undefined ? COMPARTMENTS : [...COMPARTMENTS, FIRMWARE_COMPARTMENT];
  const serial = (line: string): object => ({ kind: 'serial', path: site.address(line) });
  const [host = '', port = ''] = site.address(DOCK).split(':');
  const poll = { cycle_ms: 100, reply_timeout_ms: 80, turnaround_ms: 5 };
  const settings = {
    gateway: { id: GATEWAY_ID, operator_domain: DOMAIN, data_dir: files.gatewayData },
    keys: keysIn(tpm),
    mqtt: { url: brokerUrl, protocol: '3.1.1', ...GATEWAY_TIMES },
    prefix: PREFIX,
    references: { kind: 'pseudonym', keys_dir: files.referenceKeys },
    uplink: { memory_quiet_ms: 500, memory_lost_wait_ms: 2_000, stall_ms: 2_500 },
    receivers: [{ vkey: witnessVkey, role: 'advisory' }],
    ports: [
      { name: WEST_LINE, link: serial(WEST_LINE), poll, devices: [board('xor_8a80', WEST)] },
      {
        name: EAST_LINE,
        link: serial(EAST_LINE),
        poll,
        devices: [{ ...board('kerong_cu16', EAST), item_sensors: true }],
      },
      { name: DESK, link: serial(DESK), devices: [scanner(DESK)] },
      { name: KEYPAD, link: serial(KEYPAD), devices: [{ driver: 'keypad', name: KEYPAD }] },
      { name: SCALE, link: serial(SCALE), devices: [{ driver: 'mt_sics', name: SCALE }] },
      { name: DOCK, link: { kind: 'tcp', host, port: Number(port) }, devices: [scanner(DOCK)] },
      ...(firmware === undefined ? [] : [openWirePort(firmware)]),
    ],
    custody: {
      compartments: compartments.map(({ name, board: device, channel, sensor }) => ({
        name,
        device,
        channel,
        polarity: device === EAST.name ? 'closed_is_0' : 'closed_is_1',
        item_sensor: sensor,
        scanners: [DESK],
        ...(name === CODED && { controlled: true, scale: SCALE }),
        ...(name === FORCED && { controlled: true }),
      })),
      settle_ms: 400,
    },
    access: { devices: [{ name: KEYPAD }] },
    commands: { keys: [{ vkey: commandVkey, verbs: ['grant', 'assign'] }] },
  };
  writeFileSync(files.gatewayConfig, stringify(settings));
}

function openWirePort({ path, keyFile, digest }: Firmware): object {
  const device = { driver: 'latchkey', ...FIRMWARE, key_file: keyFile, firmware: [digest] };
  return { name: FIRMWARE_LINE, link: { kind: 'serial', path }, poll: { cycle_ms: 100 }, devices: [device] };
}

/** What decisions believe of the gateway beyond what it can prove: printed before anything is decided, and with it. */
export interface Trusted {
  readonly trial: 'trust_emulated_tpm' | 'trust_software_keys';
  readonly clock: 'synced';
}

export function trustedOf(tpm: SimulatedTpm | undefined): Trusted {
  return { trial: tpm === undefined ? 'trust_software_keys' : 'trust_emulated_tpm', clock: 'synced' };
}

/**
 * The service finds `risk.yaml` in its data directory. Another one lies with the gateway's data and names that directory,
 * so that whoever knows either of them can ask about decisions.
 */
export function writeRiskConfig(
  files: DemoFiles,
  brokerUrl: string,
  port: number,
  { secrets, trusted }: { readonly secrets: RiskSecrets; readonly trusted: Trusted },
): void {
  const { id, sha256 } = secrets.client;
  const settings = {
    data_dir: files.riskDir,
    database: 'embedded',
    receipts: { name: CONSUMER_NAME, role: 'advisory' },
    trial: { [trusted.trial]: [GATEWAY_ID] },
    gateway_clocks: { [GATEWAY_ID]: trusted.clock },
    policy: files.policy,
    mqtt: { url: brokerUrl, protocol: '3.1.1', ...CONSUMER_TIMES },
    prefix: PREFIX,
    api: {
      http: { port },
      name: 'refunds.example/risk',
      clients: [{ id, secret_sha256: sha256, roles: ['merchant'] }],
    },
    sources: secrets.sources.map(({ name, kind, file }) => ({
      name,
      kind,
      auth: { type: 'standard', secret_files: [file] },
    })),
  };
  for (const dir of [files.riskDir, files.gatewayData]) writeFileSync(join(dir, 'risk.yaml'), stringify(settings));
}

/** Whoever grants codes: a key of its own, and the policy by which replies are believed. */
export function writeCommandConfig(files: DemoFiles, brokerUrl: string): void {
  const settings = {
    signer: { name: 'commands.lockers.example', key_file: join(files.dir, 'command.key') },
    policy: files.policy,
    mqtt: { url: brokerUrl, protocol: '3.1.1' },
    prefix: PREFIX,
  };
  writeFileSync(files.commandConfig, stringify(settings));
}

function keysIn(tpm: SimulatedTpm | undefined): object | string {
  if (tpm === undefined) return 'software';
  const { address } = tpm;
  const place = address.kind === 'unix' ? { socket: address.path } : { tcp: `${address.host}:${address.port}` };
  return { tpm: { ...place, anchors: { parcel_gap_s: 2 } } };
}

/**
 * What the consumer and every verifier believe: this log, by its key; this witness; and, read at the box as well, which
 * TPM anchors it. That one is `emulated`: a chip would come with an enrolment.
 */
export function writePolicy(files: DemoFiles, { vkey, tpm }: GatewayView, witnessVkey: string): void {
  const policy = {
    v: 1,
    logs: [{ vkey, ...(tpm !== undefined && { ...tpm, class: 'emulated' }) }],
    witnesses: [{ vkey: witnessVkey, roles: ['advisory'] }],
    least_level: 'A0',
  };
  writeFileSync(files.policy, `${JSON.stringify(policy, undefined, 2)}\n`);
}
