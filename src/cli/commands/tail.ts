/** `latchkey tail`: entries as they become durable. */
import { tailOffline } from '../../edge/gateway/journal-tools.ts';
import type { CommandRun } from '../command.ts';
import { describeLeaf } from '../describe-leaf.ts';
import { askGateway, gatewaySettings, whenNoGateway } from '../locate.ts';

const LINES_DEFAULT = 10;

export const tailCommand: CommandRun = async (args, io) => {
  const json = args.flag('json');
  const follow = args.flag('follow');
  const settings = gatewaySettings(args);
  const lines = args.count('lines', LINES_DEFAULT);
  const print = (line: unknown): void => io.out(json ? String(line) : describeLeaf(String(line)));
  const asked = askGateway(settings, io, { verb: 'tail', args: { lines, follow }, endless: follow, onItem: print });
  // Nothing follows a journal in which nobody writes.
  const ask = follow ? asked : whenNoGateway(asked, () => tailOffline(settings.gateway.data_dir, lines, print));
  try {
    await ask;
  } catch (error) {
    // Whoever interrupts a following tail is done with it.
    if (!io.signal.aborted) throw error;
  }
  return 0;
};
