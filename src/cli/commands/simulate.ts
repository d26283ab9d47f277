/** `latchkey simulate`: the other end of every cable, for a technician without a locker at hand. */
import { runSite } from '../../../simulators/site/play.ts';
import { siteSchema } from '../../../simulators/site/settings.ts';
import { loadSettings } from '../../platform/settings.ts';
import type { CommandRun } from '../command.ts';

export const simulateCommand: CommandRun = async (args, io) => {
  const site = loadSettings(args.required('site'), siteSchema);
  const typed = process.stdin.isTTY === true ? { input: process.stdin } : {};
  await runSite(site, { out: io.out, err: io.err, json: args.flag('json'), ...typed }, io.signal);
  return 0;
};
