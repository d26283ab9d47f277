/**
 * `latchkey simulate`: the other end of every cable, for a technician without a locker at hand; with `--ui` also as a page
 * to click, and with the gateway.yaml that fits it.
 */
import { readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { stringify } from 'yaml';
import { type DemoBroker, startBroker } from '../../../simulators/demo/broker.ts';
import { runSite, type Served } from '../../../simulators/site/play.ts';
import { type SiteSettings, siteSchema } from '../../../simulators/site/settings.ts';
import type { Site } from '../../../simulators/site.ts';
import { builtInSite } from '../../../simulators/ui/built-in.ts';
import { fittingGateway } from '../../../simulators/ui/fitting-gateway.ts';
import { startSitePage } from '../../../simulators/ui/page-server.ts';
import { utf8 } from '../../base/bytes.ts';
import { LatchkeyError, messageOf } from '../../base/errors.ts';
import { systemScheduler } from '../../base/system-scheduler.ts';
import { gatewaySettingsSchema } from '../../edge/gateway/settings.ts';
import { isMissing, makeDirectory, writeFileDurably } from '../../platform/durable-file.ts';
import { loadSettings, parseSettings } from '../../platform/settings.ts';
import type { CommandArgs, CommandIo, CommandRun } from '../command.ts';
import { runCommandLine } from './init.ts';

const HEAD = '# Written by "latchkey simulate" for a simulated site, and written anew by it.\n';
/** The same at each start, so that a gateway's settings stay true. */
const BROKER_PORT = 18_883;
const BROKER_ELSEWHERE = 'mqtt://127.0.0.1:1883';
const SETTINGS_MODE = 0o644;
const PORT_MAX = 65_535;

export const simulateCommand: CommandRun = async (args, io) => {
  const hasPage = args.flag('ui');
  for (const option of ['ui-port', 'write-config'] as const) {
    if (args.text(option) !== undefined && !hasPage) throw new LatchkeyError('USAGE', `--${option} goes with --ui`);
  }
  const configPath = configPathOf(args);
  const site = withLinks(siteOf(args, hasPage), configPath);
  // A person's hands, or a script's through a pipe. The site stays when they end.
  const played = { out: io.out, err: io.err, json: args.flag('json'), input: process.stdin };
  const serve = hasPage ? { serve: (running: Site) => servePage(running, site, args, configPath, io) } : {};
  await runSite(site, { ...played, ...serve }, io.signal);
  return 0;
};

function siteOf(args: CommandArgs, hasPage: boolean): SiteSettings {
  const path = args.text('site');
  if (path !== undefined) return loadSettings(path, siteSchema);
  if (hasPage) return builtInSite();
  throw new LatchkeyError('USAGE', 'option --site is needed, or --ui, which has a small site of its own');
}

/** Throws OUTPUT_UNWRITABLE where somebody else's settings stand already. */
function configPathOf(args: CommandArgs): string | undefined {
  const given = args.text('write-config');
  if (given === undefined) return undefined;
  const path = resolve(given);
  try {
    if (readFileSync(path, 'utf8').startsWith(HEAD)) return path;
  } catch (error) {
    if (isMissing(error)) return path;
    throw new LatchkeyError('OUTPUT_UNWRITABLE', `cannot write ${path}: ${messageOf(error)}`);
  }
  throw new LatchkeyError('OUTPUT_UNWRITABLE', `${path} is there already, and not written by "latchkey simulate"`);
}

/** Devices of which settings speak keep their names. */
function withLinks(site: SiteSettings, configPath: string | undefined): SiteSettings {
  if (configPath === undefined || site.links_dir !== undefined) return site;
  return { ...site, links_dir: join(dirname(configPath), `${site.name}-devices`) };
}

async function servePage(
  site: Site,
  settings: SiteSettings,
  args: CommandArgs,
  configPath: string | undefined,
  io: CommandIo,
): Promise<Served> {
  const port = args.count('ui-port', 0);
  if (port > PORT_MAX) throw new LatchkeyError('USAGE', `option --ui-port: expected at most ${PORT_MAX}`);
  const hasBroker = args.flag('ui-broker') || args.text('site') === undefined;
  const broker = hasBroker ? await brokerFor(configPath) : undefined;
  try {
    const brokerUrl = broker?.url ?? BROKER_ELSEWHERE;
    const says = await fitted({ site, settings, brokerUrl, configPath }, io);
    const page = await startSitePage({ site, settings, broker, port, scheduler: systemScheduler() });
    const told = { ...(broker !== undefined && { broker: broker.url }), ...says, page: page.url };
    const close = async (): Promise<void> => {
      await page.close();
      await broker?.close();
    };
    return { told, close };
  } catch (error) {
    await broker?.close();
    throw error;
  }
}

/** One that settings on the disk speak of is on the same port each time. */
async function brokerFor(configPath: string | undefined): Promise<DemoBroker> {
  if (configPath === undefined) return startBroker();
  return startBroker(BROKER_PORT).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') return startBroker();
    throw error;
  });
}

interface Fitting {
  readonly site: Site;
  readonly settings: SiteSettings;
  readonly brokerUrl: string;
  readonly configPath: string | undefined;
}

/** Writes the settings that fit, or shows them where nobody wants them written and the site is the built-in one. */
async function fitted(
  { site, settings, brokerUrl, configPath }: Fitting,
  io: CommandIo,
): Promise<Record<string, string>> {
  const dataDir = join(configPath === undefined ? process.cwd() : dirname(configPath), `${settings.name}-gateway`);
  const text = HEAD + stringify(fittingGateway({ settings, site, brokerUrl, dataDir }));
  const parsed = parseSettings(text, gatewaySettingsSchema);
  if (configPath === undefined) {
    if (parsed.ok) for (const line of text.trimEnd().split('\n')) io.err(`gateway.yaml | ${line}`);
    return {};
  }
  if (!parsed.ok) throw new LatchkeyError('CONFIG_INVALID', `no gateway.yaml fits this site: ${parsed.detail}`);
  try {
    await makeDirectory(dirname(configPath));
    await writeFileDurably(configPath, utf8(text), SETTINGS_MODE);
  } catch (error) {
    throw new LatchkeyError('OUTPUT_UNWRITABLE', `cannot write ${configPath}: ${messageOf(error)}`, { cause: error });
  }
  return { config: configPath, run: runCommandLine(configPath) };
}
