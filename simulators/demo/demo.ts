/**
 * `npm run demo`: the product on one machine, with nothing real but the product.
 *
 * Broker and site live in this process; gateway and risk service are child processes that know them only by their settings
 * files. The order matters: the service believes the gateway's log only after somebody has read its key at the box.
 */
import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { Readable } from 'node:stream';
import { present } from '../../src/base/assert.ts';
import { utf8Text } from '../../src/base/bytes.ts';
import { LatchkeyError } from '../../src/base/errors.ts';
import type { CustodyEvent } from '../../src/evidence/event/event.ts';
import { pseudonym } from '../../src/evidence/event/reference.ts';
import { nodeCrypto } from '../../src/platform/node-crypto.ts';
import { keptPort } from '../kept-port.ts';
import { listenTo } from '../site/play.ts';
import { type Site, startSite } from '../site.ts';
import type { SimulatedTpm } from '../tpm/tpm.ts';
import { type DemoBroker, startBroker } from './broker.ts';
import {
  type DemoFiles,
  demoFiles,
  PREFIX,
  REFERENCE_KEY_ID,
  type Trusted,
  trustedOf,
  writeCommandConfig,
  writeGatewayConfig,
  writePolicy,
  writeRiskConfig,
} from './configs.ts';
import { Feed } from './feed.ts';
import { findOut } from './findings.ts';
import { demoFirmware, type Firmware } from './firmware.ts';
import { play, type Tally } from './play.ts';
import { Gateway, type GatewayView, latchkeyDone } from './product.ts';
import { askAll, SCENARIOS, type Scenario, type ScenarioDecision, tellPayments } from './refunds.ts';
import { isSameAgain } from './replay.ts';
import { isGood, type Played, storyOf, summaryOf } from './report.ts';
import { makeSecrets, type RiskSecrets, RiskService } from './risk-service.ts';
import { Service } from './service.ts';
import { FIRMWARE, stageSettings } from './stage.ts';
import { trustLines } from './told-decisions.ts';
import { demoTpm } from './tpm.ts';
import { Webhooks } from './webhooks.ts';

const RECEIPT_LIMIT_MS = 60_000;

export interface DemoOptions {
  readonly json: boolean;
  readonly keep: boolean;
  /** Where everything is put, an empty or new folder; a temporary one that stays when absent. */
  readonly dir?: string;
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

interface Stage {
  readonly files: DemoFiles;
  readonly broker: DemoBroker;
  readonly site: Site;
  readonly tpm: SimulatedTpm | undefined;
  readonly firmware: Firmware | undefined;
  readonly trusted: Trusted;
  readonly gateway: Gateway;
  readonly service: RiskService;
  readonly secrets: RiskSecrets;
  readonly feed: Feed;
}

type Say = (text: string) => void;
type Cleanups = (() => Promise<unknown>)[];

async function perform(options: DemoOptions, say: Say, cleanups: Cleanups): Promise<number> {
  const files = demoFiles(folderOf(options.dir));
  for (const dir of [files.gatewayData, files.riskDir, files.referenceKeys]) mkdirSync(dir, { mode: 0o700 });
  const referenceKey = randomBytes(32);
  const referenceFile = join(files.referenceKeys, `${REFERENCE_KEY_ID}.key`);
  writeFileSync(referenceFile, `${referenceKey.toString('hex')}\n`, { mode: 0o600 });
  const stage = await setUp(files, say, cleanups);
  const { view, witnessVkey } = await startProduct(stage, say);
  const { tally, decisions } = await actAndAsk(stage, referenceKey, say);

  const { broker, gateway, service } = stage;
  await gateway.stop();
  say('the gateway stopped cleanly, once its last entry was receipted');
  await service.stop();
  const again = await isSameAgain(files.riskDir, decisions);
  say('the service stopped; its last decision was made again from what it kept');
  const { vkey } = view;
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
    hasFirmware: stage.firmware !== undefined,
    lineFaults: lineFaultsOf(stage.site),
    trusted: stage.trusted,
    decisions,
    replayed: again,
  };
  const summary = summaryOf(findings, played);
  for (const line of storyOf(findings, played)) options.say(line);
  if (options.json) options.out(JSON.stringify(summary));
  if (options.keep) await keepUp(options, stage);
  return isGood(summary, played) ? 0 : 1;
}

function folderOf(dir: string | undefined): string {
  if (dir === undefined) return mkdtempSync(join(tmpdir(), 'latchkey-demo-'));
  const path = resolve(dir);
  mkdirSync(path, { recursive: true, mode: 0o700 });
  const found = readdirSync(path).length;
  if (found > 0) throw new LatchkeyError('USAGE', `--data-dir: expected ${path} to be empty, found ${found} entries`);
  return path;
}

/** What is not the product: broker, site, TPM and firmware. */
async function setUp(files: DemoFiles, say: Say, cleanups: Cleanups): Promise<Stage> {
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
  const trusted = trustedOf(tpm);
  for (const line of trustLines(trusted)) say(line);
  const feed = new Feed((entry) => announce(entry, say));
  const gateway = new Gateway(files.gatewayConfig, feed, () => newestReceiptSize(broker.retained));
  cleanups.push(() => gateway.abandon());
  const port = await keptPort();
  const secrets = makeSecrets(files.dir);
  writeRiskConfig(files, broker.url, port, { secrets, trusted });
  const service = new RiskService(files.riskDir, `http://127.0.0.1:${port}`);
  cleanups.push(() => service.abandon());
  return { files, broker, site, tpm, firmware, trusted, gateway, service, secrets, feed };
}

async function startProduct(
  { files, broker, site, tpm, firmware, gateway, service }: Stage,
  say: Say,
): Promise<{ readonly view: GatewayView; readonly witnessVkey: string }> {
  writeCommandConfig(files, broker.url);
  const [witnessVkey, commandKey] = await Promise.all([
    service.witnessVkey(),
    latchkeyDone(['command', 'key', '--config', files.commandConfig]),
  ]);
  const commandVkey = commandKey.trim();
  writeGatewayConfig(files, site, broker.url, { witnessVkey, commandVkey }, { tpm, firmware });
  if (firmware !== undefined) {
    await latchkeyDone(['pair', FIRMWARE.name, '--config', files.gatewayConfig, '--code-file', firmware.codeFile]);
    say('firmware in C on a line of its own was given a key: what it senses is proved from the sensor on');
  }
  const view = await gateway.start();
  say(`the gateway runs and keeps the log ${view.origin}`);
  writePolicy(files, view, witnessVkey);
  service.start();
  say('the risk service was told the key of that log, and starts: one process, one folder, receipts that are advisory');
  return { view, witnessVkey };
}

/** The play, and what a shop then asks about it. */
async function actAndAsk(
  stage: Stage,
  referenceKey: Uint8Array,
  say: Say,
): Promise<{ readonly tally: Tally; readonly decisions: readonly ScenarioDecision[] }> {
  const { files, service, secrets, gateway } = stage;
  const reference = (sscc: string) => ({
    ref: pseudonym(nodeCrypto, { id: REFERENCE_KEY_ID, key: referenceKey }, 'parcel', 'sscc', sscc),
    scheme: 'sscc',
  });
  const tally = await play({
    ...stage,
    service: new Service(files.commandConfig, reference),
    merchant: webhooksOf(service, secrets, 'merchant'),
    journalDir: join(files.gatewayData, 'journal'),
    // Its database is made while the courier brings parcels: the locker waits for nobody.
    consumerReady: () => service.ready().then(() => tellPayments(webhooksOf(service, secrets, 'payment'))),
    say,
  });
  await gateway.receipted(RECEIPT_LIMIT_MS);
  const parcels = Object.fromEntries(
    SCENARIOS.map((scenario) => [scenario, reference(tally.about[scenario].sscc).ref]),
  ) as Record<Scenario, string>;
  const decisions = await askAll(service, secrets, parcels);
  say(`the shop asked the service about ${decisions.length} refunds`);
  return { tally, decisions };
}

function webhooksOf(service: RiskService, { sources }: RiskSecrets, kind: 'merchant' | 'payment'): Webhooks {
  return new Webhooks(
    service,
    present(
      sources.find((source) => source.kind === kind),
      `the source ${kind}`,
    ),
  );
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
): Pick<Played, 'powerCuts' | 'brokerOutages' | 'titles' | 'dataDir' | 'riskDir' | 'about'> {
  const reference = { id: REFERENCE_KEY_ID, key };
  const titles = tally.parcels.map(
    ({ sscc, title }) => [pseudonym(nodeCrypto, reference, 'parcel', 'sscc', sscc), title] as const,
  );
  return {
    powerCuts: tally.powerCuts,
    brokerOutages: tally.brokerOutages,
    titles: new Map(titles),
    dataDir: files.gatewayData,
    riskDir: files.riskDir,
    about: tally.about,
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

/** The site goes on until somebody ends it: to look around with the command line, and to act by typing. */
async function keepUp(options: DemoOptions, { gateway, service, broker, site, files }: Stage): Promise<void> {
  const { say, input, signal } = options;
  service.start();
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
  await service.stop();
}
