/**
 * `npm run demo`: the product on one machine, with nothing real but the product.
 *
 * Broker and site live in this process; gateway and consumer are child processes that know them only by their settings
 * files. The order matters: the consumer believes the gateway's log only after somebody has read its key at the box.
 */
import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { utf8Text } from '../../src/base/bytes.ts';
import { LatchkeyError } from '../../src/base/errors.ts';
import type { CustodyEvent } from '../../src/evidence/event/event.ts';
import { pseudonym } from '../../src/evidence/event/reference.ts';
import { nodeCrypto } from '../../src/platform/node-crypto.ts';
import { listenTo } from '../site/play.ts';
import { type Site, startSite } from '../site.ts';
import { type DemoBroker, startBroker } from './broker.ts';
import {
  type DemoFiles,
  demoFiles,
  PREFIX,
  REFERENCE_KEY_ID,
  writeCommandConfig,
  writeGatewayConfig,
  writePolicy,
  writeReceiveConfig,
} from './configs.ts';
import { Feed } from './feed.ts';
import { findOut } from './findings.ts';
import { demoFirmware } from './firmware.ts';
import { play, type Tally } from './play.ts';
import { Consumer, Gateway, latchkeyDone } from './product.ts';
import { isGood, type Played, storyOf, summaryOf } from './report.ts';
import { Service } from './service.ts';
import { FIRMWARE, stageSettings } from './stage.ts';
import { demoTpm } from './tpm.ts';

export interface DemoOptions {
  readonly json: boolean;
  readonly keep: boolean;
  /** Lines for a person. */
  readonly say: (line: string) => void;
  /** The last line, with `json`. */
  readonly out: (line: string) => void;
  /** What a person types while the site is kept up. */
  readonly input?: Readable;
  /** Ends the demo, and with `keep` what is left up. */
  readonly signal: AbortSignal;
}

/** Resolves with the exit code: 0 only if nothing was lost and everything verified. */
export async function runDemo(options: DemoOptions): Promise<number> {
  const startMs = performance.now();
  const say = (text: string): void => {
    const seconds = ((performance.now() - startMs) / 1_000).toFixed(1).padStart(5);
    options.say(`${seconds} s  ${text}`);
  };
  const cleanups: (() => Promise<unknown>)[] = [];
  try {
    return await Promise.race([perform(options, say, cleanups), interruption(options)]);
  } finally {
    for (const cleanup of cleanups.reverse()) await cleanup().catch(() => undefined);
  }
}

async function perform(
  options: DemoOptions,
  say: (text: string) => void,
  cleanups: (() => Promise<unknown>)[],
): Promise<number> {
  const files = demoFiles(mkdtempSync(join(tmpdir(), 'latchkey-demo-')));
  mkdirSync(files.gatewayData, { mode: 0o700 });
  const referenceKey = randomBytes(32);
  mkdirSync(files.referenceKeys, { mode: 0o700 });
  const referenceFile = join(files.referenceKeys, `${REFERENCE_KEY_ID}.key`);
  writeFileSync(referenceFile, `${referenceKey.toString('hex')}\n`, { mode: 0o600 });

  const broker = await startBroker();
  cleanups.push(() => broker.close());
  const site = await startSite({ site: stageSettings(files.linksDir) });
  cleanups.push(() => site.close());
  say('a site that is not there: two cabinets, a scanner, a keypad and a scale on pseudo-terminals, a scanner on TCP');

  const starting = demoFirmware(join(files.dir, 'firmware'), say);
  cleanups.push(async () => (await starting)?.stop());
  // Awaited below; until then a failure must not count as unheard.
  starting.catch(() => undefined);
  const tpm = await demoTpm(join(files.dir, 'tpm'), say);
  if (tpm !== undefined) cleanups.push(() => tpm.stop());
  const firmware = await starting;
  const feed = new Feed((entry) => announce(entry, say));
  const gateway = new Gateway(files.gatewayConfig, feed, () => newestReceiptSize(broker.retained));
  const consumer = new Consumer(files.receiveConfig);
  cleanups.push(() => gateway.abandon());
  cleanups.push(() => consumer.abandon());
  writeReceiveConfig(files, broker.url);
  const witnessVkey = await consumer.witnessVkey();
  writeCommandConfig(files, broker.url);
  const commandVkey = (await latchkeyDone(['command', 'key', '--config', files.commandConfig])).trim();
  writeGatewayConfig(files, site, broker.url, { witnessVkey, commandVkey }, { tpm, firmware });
  if (firmware !== undefined) {
    await latchkeyDone(['pair', FIRMWARE.name, '--config', files.gatewayConfig, '--code-file', firmware.codeFile]);
    say('firmware in C on a line of its own was given a key: what it senses is proved from the sensor on');
  }
  const view = await gateway.start();
  const { vkey, origin } = view;
  say(`the gateway runs and keeps the log ${origin}`);
  writePolicy(files, view, witnessVkey);
  consumer.start();
  say('the consumer was told the key of that log, and runs');

  const journalDir = join(files.gatewayData, 'journal');
  const reference = (sscc: string) => ({
    ref: pseudonym(nodeCrypto, { id: REFERENCE_KEY_ID, key: referenceKey }, 'parcel', 'sscc', sscc),
    scheme: 'sscc',
  });
  const service = new Service(files.commandConfig, reference);
  const tally = await play({ site, broker, gateway, service, feed, journalDir, tpm, firmware, say });
  await gateway.stop();
  say('the gateway stopped cleanly, once its last entry was receipted');
  const findings = await findOut({
    ...files,
    crypto: nodeCrypto,
    vkey,
    witnessVkey,
    retained: broker.retained,
    prefix: PREFIX,
  });
  const played = {
    ...playedOf(files, tally, referenceKey),
    vkey,
    witnessVkey,
    akSpki: view.tpm?.ak,
    hasFirmware: firmware !== undefined,
    lineFaults: lineFaultsOf(site),
  };
  const summary = summaryOf(findings, played);
  for (const line of storyOf(findings, played)) options.say(line);
  if (options.json) options.out(JSON.stringify(summary));
  if (options.keep) await keepUp(options, { gateway, broker, site, files });
  await consumer.stop();
  return isGood(summary) ? 0 : 1;
}

/** A glance only: whether it is signed is looked at in the end. */
function newestReceiptSize(retained: ReadonlyMap<string, Uint8Array>): number {
  const sizes = [...retained].filter(([topic]) => topic.includes('/receipt/')).map(([, note]) => checkpointSize(note));
  return Math.max(0, ...sizes);
}

function checkpointSize(note: Uint8Array): number {
  const size = Number(utf8Text(note)?.split('\n')[1]);
  return Number.isSafeInteger(size) ? size : 0;
}

/** Progress while it runs: what closes a visit, and a start after a crash. */
function announce({ type, n, boot, compartment, data }: CustodyEvent, say: (text: string) => void): void {
  if (type.startsWith('parcel.') || type === 'compartment.disturbed') say(`  entry ${n}: ${type} ${compartment ?? ''}`);
  if (type !== 'gateway.started' || boot === 1) return;
  say(`the gateway is back (start ${boot}), and ${data['clean'] === false ? 'knows that it crashed' : 'had stopped'}`);
}

function playedOf(
  files: DemoFiles,
  tally: Tally,
  key: Uint8Array,
): Pick<Played, 'powerCuts' | 'brokerOutages' | 'titles' | 'dataDir'> {
  const reference = { id: REFERENCE_KEY_ID, key };
  const titles = tally.parcels.map(
    ({ sscc, title }) => [pseudonym(nodeCrypto, reference, 'parcel', 'sscc', sscc), title] as const,
  );
  return {
    powerCuts: tally.powerCuts,
    brokerOutages: tally.brokerOutages,
    titles: new Map(titles),
    dataDir: files.gatewayData,
  };
}

function lineFaultsOf(site: Site): ReadonlyMap<string, number> {
  const sums = new Map<string, number>();
  for (const { faults } of site.report().lines) {
    for (const [kind, count] of Object.entries(faults)) sums.set(kind, (sums.get(kind) ?? 0) + count);
  }
  return sums;
}

/** Rejects when somebody ends the demo before its end; with `keep` the end is when somebody says so. */
function interruption({ signal, keep }: DemoOptions): Promise<never> {
  return new Promise((_resolve, reject) => {
    if (keep) return;
    signal.addEventListener('abort', () => reject(new LatchkeyError('TIMED_OUT', 'the demo was interrupted')), {
      once: true,
    });
  });
}

interface Kept {
  readonly gateway: Gateway;
  readonly broker: DemoBroker;
  readonly site: Site;
  readonly files: DemoFiles;
}

/** The site goes on until somebody ends it: to look around with the command line, and to act by typing. */
async function keepUp(options: DemoOptions, { gateway, broker, site, files }: Kept): Promise<void> {
  const { say, input, signal } = options;
  await gateway.start();
  say(`The site is up (broker ${broker.url}); Ctrl-C ends it. Look around in another terminal:`);
  for (const command of ['status', 'tail --follow', 'journal check']) {
    say(`  node dist/src/cli/main.js ${command} --config ${files.gatewayConfig}`);
  }
  const typed = input === undefined ? undefined : listenTo(site, input, { out: say, err: say, json: false });
  await new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
  typed?.close();
  await gateway.stop();
}
