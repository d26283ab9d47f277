/** `latchkey enrolments serve`: the enrolment service. */
import { formatVkey } from '../../evidence/log/note.ts';
import { pinoLogger } from '../../platform/pino-logger.ts';
import { keyOf, serveEnrolments } from '../../risk/enrolment/serve.ts';
import type { CommandRun } from '../command.ts';
import { enrolmentSettings } from '../enrolments.ts';

export const enrolmentsServeCommand: CommandRun = async (args, io) => {
  const settings = enrolmentSettings(args);
  if (args.flag('show-key')) {
    io.out(formatVkey((await keyOf(settings)).key.vkey));
    return 0;
  }
  // The very words for whoever stands before a box: its operator must have the key from here, not over the network.
  const { key } = await keyOf(settings);
  io.err(`boxes enrol with: latchkey enroll --service URL --service-key ${formatVkey(key.vkey)} --token-file FILE`);
  await serveEnrolments(settings, { logger: pinoLogger(settings.log_level, 'latchkey-enrolments') }, io.signal);
  return 0;
};
