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
import { startGateway } from '../../src/edge/gateway/gateway.ts';
import { gatewaySettingsSchema } from '../../src/edge/gateway/settings.ts';
import { formatVkey } from '../../src/evidence/log/note.ts';
import { pinoLogger } from '../../src/platform/pino-logger.ts';
import { loadSettings } from '../../src/platform/settings.ts';
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
  const injector = new Injector({ gateway, metrics, ...driver });
  say({ vkey: formatVkey(gateway.journal.log().vkey) });
  for await (const line of createInterface({ input: process.stdin })) {
    const order = JSON.parse(line) as Order;
    if (order.do === 'stop') break;
    say(await injector.perform(order));
  }
  process.stdin.destroy();
  say(await gateway.stop('signal'));
}

function say(answer: object): void {
  process.stdout.write(`${JSON.stringify({ answer })}\n`);
}

await main(process.argv.slice(2));
