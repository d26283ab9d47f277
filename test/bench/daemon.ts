/**
 * The gateway under measurement: composed as `latchkey run` composes it, but that scans come from orders on standard
 * input instead of a port. They enter where a driver hands its readings on.
 *
 *     node daemon.js GATEWAY.yaml
 */
import { createInterface } from 'node:readline';
import { systemScheduler } from '../../src/base/system-scheduler.ts';
import type { Observer } from '../../src/edge/contracts/observed.ts';
import type { ReadingSink } from '../../src/edge/contracts/reading.ts';
import { startControlServer } from '../../src/edge/control/server.ts';
import { type ConsoleThread, startConsole } from '../../src/edge/gateway/console-thread.ts';
import { controlHandlers } from '../../src/edge/gateway/control-handlers.ts';
import { type Gateway, startGateway } from '../../src/edge/gateway/gateway.ts';
import { type GatewaySettings, gatewaySettingsSchema, socketPathOf } from '../../src/edge/gateway/settings.ts';
import { formatVkey } from '../../src/evidence/log/note.ts';
import { pinoLogger } from '../../src/platform/pino-logger.ts';
import { loadSettings } from '../../src/platform/settings.ts';
import { until } from '../support/until.ts';
import { Injector } from './injector.ts';
import type { Order } from './protocol.ts';
import { WatchedMetrics } from './watched-metrics.ts';

async function main([config = '']: readonly string[]): Promise<void> {
  process.umask(0o077);
  const settings = loadSettings(config, gatewaySettingsSchema);
  const metrics = new WatchedMetrics();
  let driver: { sink: ReadingSink; observer: Observer } | undefined;
  const gateway = await startGateway({
    settings,
    version: 'bench',
    scheduler: systemScheduler(),
    logger: pinoLogger(settings.log_level, 'bench'),
    metrics,
    makeLines: (sink, observer) => {
      driver = { sink, observer };
      return [];
    },
  });
  if (driver === undefined) throw new Error('the gateway asked for no lines');
  const served = await serveConsole(gateway, settings);
  const injector = new Injector({ gateway, metrics, ...driver });
  say({ vkey: formatVkey(gateway.journal.log().vkey) });
  for await (const line of createInterface({ input: process.stdin })) {
    const order = JSON.parse(line) as Order;
    if (order.do === 'stop') break;
    say(await injector.perform(order));
  }
  process.stdin.destroy();
  await served?.stop();
  say(await gateway.stop('signal'));
}

/** As `latchkey run` does it; nothing where the settings want none. */
async function serveConsole(gateway: Gateway, settings: GatewaySettings): Promise<ConsoleThread | undefined> {
  if (settings.console.web === undefined) return undefined;
  const logger = pinoLogger(settings.log_level, 'bench');
  const handlers = controlHandlers({ gateway, settings, version: 'bench' });
  const control = await startControlServer({ socketPath: socketPathOf(settings), handlers, logger });
  const thread = startConsole({ settings, scheduler: systemScheduler(), logger });
  await until('the console is served', () => thread?.status().state === 'serving');
  return thread && { status: () => thread.status(), stop: () => thread.stop().then(() => control.close()) };
}

function say(answer: object): void {
  process.stdout.write(`${JSON.stringify({ answer })}\n`);
}

await main(process.argv.slice(2));
