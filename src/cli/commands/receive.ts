/** `latchkey receive`: the consumer. */
import { pinoLogger } from '../../platform/pino-logger.ts';
import { loadSettings } from '../../platform/settings.ts';
import { receiverVkey, runReceive } from '../../risk/receive/receive.ts';
import { receiveSettingsSchema } from '../../risk/receive/settings.ts';
import type { CommandRun } from '../command.ts';
import { packageVersion } from '../version.ts';

const RECEIVE_CONFIG_DEFAULT = '/etc/latchkey/receive.yaml';

export const receiveCommand: CommandRun = async (args, io) => {
  // Whatever this process writes is for its user alone.
  process.umask(0o077);
  const settings = loadSettings(args.text('config') ?? RECEIVE_CONFIG_DEFAULT, receiveSettingsSchema);
  if (args.flag('show-key')) {
    io.out(await receiverVkey(settings));
    return 0;
  }
  const logger = pinoLogger(settings.log_level, 'latchkey-receive');
  await runReceive(settings, { logger, version: packageVersion() }, io.signal);
  return 0;
};
