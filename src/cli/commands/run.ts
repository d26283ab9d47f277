/** `latchkey run`: the gateway daemon. */
import { runGateway } from '../../edge/gateway/run.ts';
import { pinoLogger } from '../../platform/pino-logger.ts';
import type { CommandRun } from '../command.ts';
import { gatewaySettings } from '../locate.ts';
import { packageVersion } from '../version.ts';

export const runCommand: CommandRun = async (args, io) => {
  // Whatever this process writes is for its user alone; the control socket opens itself to the group.
  process.umask(0o077);
  const settings = gatewaySettings(args);
  const logger = pinoLogger(settings.log_level, 'latchkey').child({ gateway: settings.gateway.id });
  await runGateway({ settings, logger, version: packageVersion(), signal: io.signal });
  return 0;
};
