/**
 * `latchkey simulate`: the other end of every cable, for a technician without a locker at hand; with `--ui` also as a page
 * to click, and with the gateway that fits it.
 */
import { dirname, join, resolve } from 'node:path';
import { type DemoBroker, startBroker } from '../../../simulators/demo/broker.ts';
import { runSite, type Served } from '../../../simulators/site/play.ts';
import { type SiteSettings, siteSchema } from '../../../simulators/site/settings.ts';
import type { Site } from '../../../simulators/site.ts';
import { builtInSite } from '../../../simulators/ui/built-in.ts';
import { startSitePage } from '../../../simulators/ui/page-server.ts';
import { LatchkeyError } from '../../base/errors.ts';
import { systemScheduler } from '../../base/system-scheduler.ts';
import { loadSettings } from '../../platform/settings.ts';
import type { CommandArgs, CommandIo, CommandRun } from '../command.ts';
import { fittingText, type WrittenPorts, writeGateway, writtenPorts } from '../simulated-gateway.ts';
import { runCommandLine } from './init.ts';

const BROKER_ELSEWHERE = 'mqtt://127.0.0.1:1883';
const PORT_MAX = 65_535;

export const simulateCommand: CommandRun = async (args, io) => {
  const plan = planOf(args);
  // A person's hands, or a script's through a pipe. The site stays when they end.
  const played = { out: io.out, err: io.err, json: args.flag('json'), input: process.stdin };
  const serve = plan.hasPage ? { serve: (site: Site) => servePage(site, plan, io) } : {};
  await runSite(plan.settings, { ...played, ...serve }, io.signal);
  return 0;
};

interface Plan {
  readonly settings: SiteSettings;
  readonly hasPage: boolean;
  readonly hasBroker: boolean;
  readonly port: number;
  readonly configPath: string | undefined;
  readonly before: WrittenPorts;
}

function planOf(args: CommandArgs): Plan {
  const hasPage = args.flag('ui');
  const given = ['ui-port', 'write-config'].find((option) => args.text(option) !== undefined);
  const withPage = given ?? (args.flag('ui-broker') ? 'ui-broker' : undefined);
  if (withPage !== undefined && !hasPage) throw new LatchkeyError('USAGE', `option --${withPage} goes with --ui`);
  const port = args.count('ui-port', 0);
  if (port > PORT_MAX)
    throw new LatchkeyError('USAGE', `option --ui-port: expected at most ${PORT_MAX}, found ${port}`);
  const config = args.text('write-config');
  const configPath = config === undefined ? undefined : resolve(config);
  const sitePath = args.text('site');
  return {
    settings: withLinks(siteOf(sitePath, hasPage), configPath),
    hasPage,
    hasBroker: args.flag('ui-broker') || sitePath === undefined,
    port,
    configPath,
    before: configPath === undefined ? {} : writtenPorts(configPath),
  };
}

function siteOf(path: string | undefined, hasPage: boolean): SiteSettings {
  if (path !== undefined) return loadSettings(path, siteSchema);
  if (hasPage) return builtInSite();
  throw new LatchkeyError('USAGE', 'option --site is needed, or --ui, which has a small site of its own');
}

/** Devices of which settings speak keep their names. */
function withLinks(site: SiteSettings, configPath: string | undefined): SiteSettings {
  if (configPath === undefined || site.links_dir !== undefined) return site;
  return { ...site, links_dir: join(dirname(configPath), `${site.name}-devices`) };
}

async function servePage(site: Site, plan: Plan, io: CommandIo): Promise<Served> {
  const { settings, configPath, port } = plan;
  const broker = plan.hasBroker ? await brokerOn(plan.before.broker) : undefined;
  try {
    const parts = { site, settings, brokerUrl: broker?.url ?? BROKER_ELSEWHERE };
    const written = configPath === undefined ? undefined : await writeGateway(parts, configPath, plan.before);
    if (written === undefined) show(fittingText(parts), io);
    const scheduler = systemScheduler();
    const page = await startSitePage({ site, settings, broker, port, scheduler, console: written?.console });
    const gateway = written?.console();
    const told = {
      ...(broker !== undefined && { broker: broker.url }),
      ...(configPath !== undefined && { gateway: runCommandLine(configPath) }),
      ...(gateway !== undefined && { console: `${gateway.url} as ${gateway.person}, password ${written?.password}` }),
      page: page.url,
    };
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

/** On the port that a gateway's settings name already, unless somebody else took it since. */
async function brokerOn(port: number | undefined): Promise<DemoBroker> {
  return startBroker(port).catch((error: unknown) => {
    if (port !== undefined && (error as NodeJS.ErrnoException).code === 'EADDRINUSE') return startBroker();
    throw error;
  });
}

function show(text: string | undefined, io: CommandIo): void {
  for (const line of text?.trimEnd().split('\n') ?? []) io.err(`gateway.yaml | ${line}`);
}
