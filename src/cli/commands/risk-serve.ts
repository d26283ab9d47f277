/** `latchkey risk serve`, `latchkey risk --embedded` and `latchkey risk token`: the service, and who may ask it. */
import { LatchkeyError } from '../../base/errors.ts';
import { pinoLogger } from '../../platform/pino-logger.ts';
import { ROLES, type Role } from '../../risk/api/roles.ts';
import { subjectSchema } from '../../risk/api/settings.ts';
import { TokenKeys } from '../../risk/api/token-keys.ts';
import { mintToken } from '../../risk/api/tokens.ts';
import { receiverVkey } from '../../risk/receive/receive.ts';
import { runRiskService } from '../../risk/service/service.ts';
import type { RiskSettings } from '../../risk/service/settings.ts';
import type { CommandArgs, CommandIo, CommandRun } from '../command.ts';
import { readRiskSettings } from '../risk-settings.ts';
import { packageVersion } from '../version.ts';

export const riskServeCommand: CommandRun = async (args, io) => serve(readRiskSettings(args), args, io);

export const riskEmbeddedCommand: CommandRun = async (args, io) => {
  if (!args.flag('embedded')) {
    throw new LatchkeyError('USAGE', 'risk: expected --embedded, or a command such as "latchkey risk serve"');
  }
  args.required('data-dir');
  const settings = readRiskSettings(args);
  if (settings.receive.store !== 'embedded') {
    const found = 'found another one in the settings; "latchkey risk serve" runs on it';
    throw new LatchkeyError('CONFIG_INVALID', `database: expected embedded, ${found}`);
  }
  return serve(settings, args, io);
};

async function serve(settings: RiskSettings, args: CommandArgs, io: CommandIo): Promise<number> {
  // Whatever this process writes is for its user alone.
  process.umask(0o077);
  if (args.flag('show-key')) {
    io.out(await receiverVkey(settings.receive));
    return 0;
  }
  const logger = pinoLogger(settings.receive.log_level, 'latchkey-risk');
  await runRiskService(settings, { logger, version: packageVersion() }, io.signal);
  return 0;
}

/** For whoever may read the key of the service: the way in before any client is declared. */
export const riskTokenCommand: CommandRun = async (args, io) => {
  process.umask(0o077);
  const { api } = readRiskSettings(args);
  if (api === undefined) throw new LatchkeyError('CONFIG_INVALID', 'api: expected it in the settings, found none');
  const role = ROLES.find((one): one is Role => one === args.positionals[0]);
  if (role === undefined) {
    const found = JSON.stringify(args.positionals[0] ?? '');
    throw new LatchkeyError('USAGE', `risk token: expected one of ${ROLES.join(', ')}, found ${found}`);
  }
  const subject = subjectSchema.safeParse(args.text('subject') ?? 'local');
  if (!subject.success) throw new LatchkeyError('USAGE', `option --subject: ${subject.error.issues[0]?.message}`);
  const keys = await TokenKeys.open(api.token_key_file, api.name);
  io.out(mintToken(keys, { subject: subject.data, role }, api.token_minutes, Date.now()));
  return 0;
};
