/** `latchkey simulate`: the other end of every cable, for a technician without a locker at hand. */
import { runSite } from '../../../simulators/site/play.ts';
import { siteSchema } from '../../../simulators/site/settings.ts';
import { loadSettings } from '../../platform/settings.ts';
import type { CommandRun } from '../command.ts';

export const simulateCommand: CommandRun = async (args, io) => {
  const site = loadSettings(args.required('site'), siteSchema);
  // A person's hands, or a script's through a pipe. The site stays when they end.
  const played = { out: io.out, err: io.err, json: args.flag('json'), input: process.stdin };
  await runSite(site, played, io.signal);
  return 0;
};
