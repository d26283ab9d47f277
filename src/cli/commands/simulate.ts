/**
 * `latchkey simulate`: the other end of every cable, for a technician without a locker at hand; with `--ui` also as a page
 * to click, with a consumer, and with the gateway that fits it.
 */
import { dirname, join, resolve } from 'node:path';
import { type DemoBroker, startBroker } from '../../../simulators/demo/broker.ts';
import { runSite, type Served } from '../../../simulators/site/play.ts';
import { type SiteSettings, siteSchema } from '../../../simulators/site/settings.ts';
import type { Site } from '../../../simulators/site.ts';
import { builtInSite } from '../../../simulators/ui/built-in.ts';
import { startSitePage } from '../../../simulators/ui/page-server.ts';
import type { Program } from '../../../simulators/ui/program.ts';
import type { ConsoleView } from '../../../simulators/ui/view.ts';
import { orAborted } from '../../base/abort.ts';
import { LatchkeyError } from '../../base/errors.ts';
import { systemScheduler } from '../../base/system-scheduler.ts';
import { loadSettings } from '../../platform/settings.ts';
import type { CommandArgs, CommandIo, CommandRun } from '../command.ts';
import { beside, fittingText, type WrittenPorts, writeGateway, writtenPorts } from '../simulated-gateway.ts';
import { consumerProgram, gatewayProgram, writeConsumer } from '../simulated-programs.ts';
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
  readonly hasGateway: boolean;
  readonly port: number;
  readonly configPath: string | undefined;
  readonly before: WrittenPorts;
}

function planOf(args: CommandArgs): Plan {
  const hasPage = args.flag('ui');
  const hasGateway = args.flag('with-gateway');
  const given = ['ui-port', 'write-config'].find((option) => args.text(option) !== undefined);
  const withPage = given ?? ['ui-broker', 'with-gateway'].find((option) => args.flag(option));
  if (withPage !== undefined && !hasPage) throw new LatchkeyError('USAGE', `option --${withPage} goes with --ui`);
  const port = args.count('ui-port', 0);
  if (port > PORT_MAX)
    throw new LatchkeyError('USAGE', `option --ui-port: expected at most ${PORT_MAX}, found ${port}`);
  const config = args.text('write-config');
  if (hasGateway && config === undefined) {
    throw new LatchkeyError(
      'USAGE',
      'option --with-gateway needs --write-config FILE: beside it all of the gateway is kept',
    );
  }
  const configPath = config === undefined ? undefined : resolve(config);
  const sitePath = args.text('site');
  return {
    settings: withLinks(siteOf(sitePath, hasPage), configPath),
    hasPage,
    hasGateway,
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
  const closing: (() => Promise<void>)[] = [];
  const close = async (): Promise<void> => {
    for (const each of closing.toReversed()) await each();
  };
  try {
    const broker = plan.hasBroker ? await brokerOf(plan) : undefined;
    if (broker !== undefined) closing.push(() => broker.close());
    const told = broker === undefined ? {} : { broker: broker.url };
    const place = await placeOf(site, plan, broker, io);
    const programs = { consumer: place.consumer, gateway: place.gateway };
    for (const program of Object.values(programs)) if (program !== undefined) closing.push(() => program.close());
    await orAborted(io.signal, Promise.all(Object.values(programs).map((program) => program?.start()))).catch(
      (error: unknown) => {
        if (!io.signal.aborted) throw error;
      },
    );
    const { settings, port } = plan;
    const parts = { site, settings, broker, ...programs, port, scheduler: systemScheduler(), console: place.console };
    const page = await startSitePage(parts);
    // Its streams end first, so that nobody sees the programs go.
    closing.push(() => page.close());
    return { told: { ...told, ...place.told, page: page.url }, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** What belongs to the site beside its lines. */
interface Place {
  readonly consumer?: Program;
  readonly gateway?: Program;
  readonly console?: () => ConsoleView;
  readonly told: Readonly<Record<string, string>>;
}

async function placeOf(site: Site, plan: Plan, broker: DemoBroker | undefined, io: CommandIo): Promise<Place> {
  const { settings, configPath } = plan;
  const parts = { site, settings, brokerUrl: broker?.url ?? BROKER_ELSEWHERE };
  if (configPath === undefined) {
    show(fittingText(parts), io);
    return { told: {} };
  }
  const log = (name: string): string => beside(configPath, settings, `${name}.log`);
  const consumer = broker === undefined ? undefined : await writeConsumer(settings, broker.url, configPath);
  const written = await writeGateway({ ...parts, receiver: consumer?.vkey }, configPath, plan.before);
  const { url, person } = written.console();
  return {
    ...(consumer !== undefined && { consumer: consumerProgram(consumer.configPath, log('consumer')) }),
    ...(plan.hasGateway && { gateway: gatewayProgram(configPath, log('gateway')) }),
    console: written.console,
    told: {
      ...(consumer !== undefined && { consumer: `runs with ${consumer.configPath}, its log is ${log('consumer')}` }),
      gateway: plan.hasGateway
        ? `runs with ${configPath}, its log is ${log('gateway')}`
        : `to be started: ${runCommandLine(configPath)}`,
      console: `${url} as ${person}, password ${written.password}`,
    },
  };
}

/** On the port that a gateway's settings name already, unless somebody else took it since. */
async function brokerOf({ settings, configPath, before }: Plan): Promise<DemoBroker> {
  const memoryPath = configPath === undefined ? undefined : beside(configPath, settings, 'broker.json');
  return startBroker({ port: before.broker, memoryPath }).catch((error: unknown) => {
    if (before.broker === undefined || (error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
    return startBroker({ memoryPath });
  });
}

function show(text: string | undefined, io: CommandIo): void {
  for (const line of text?.trimEnd().split('\n') ?? []) io.err(`gateway.yaml | ${line}`);
}
