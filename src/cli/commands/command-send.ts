/** `latchkey command send`: a signed command to a gateway, and its signed reply. */
import { systemScheduler } from '../../base/system-scheduler.ts';
import type { Reply } from '../../evidence/wire/command.ts';
import { nodeCrypto } from '../../platform/node-crypto.ts';
import { openCommandKey } from '../../risk/commands/command-key.ts';
import { sendCommand } from '../../risk/commands/sender.ts';
import { loadPolicy } from '../../risk/receive/policy-file.ts';
import type { CommandRun } from '../command.ts';
import { commandRequest, commandSettings } from '../command-request.ts';
import { peopleLogger } from '../people-logger.ts';

const EXIT_UNVERIFIED = 2;
const EXIT_REFUSED = 77;

export const commandSendCommand: CommandRun = async (args, io) => {
  process.umask(0o077);
  const settings = commandSettings(args);
  const request = commandRequest(args);
  const loaded = await loadPolicy(nodeCrypto, settings.policy, { trustFirstUse: false });
  // Replies have no level and no witness.
  const policy = { ...loaded, witnesses: [], leastLevel: 'A0' } as const;
  const { key } = await openCommandKey(nodeCrypto, settings.signer.key_file, settings.signer.name);
  const parts = { settings, key, policy, crypto: nodeCrypto, scheduler: systemScheduler(), logger: peopleLogger(io) };
  const reply = await sendCommand(parts, request, io.signal);
  if (args.flag('json')) io.out(JSON.stringify(reply));
  else io.out(describeReply(reply));
  if (reply.outcome === 'refused') return EXIT_REFUSED;
  return reply.result === 'unverified' ? EXIT_UNVERIFIED : 0;
};

function describeReply({ outcome, result, reason, entry, took_ms, data }: Reply): string {
  const why = reason === undefined ? '' : ` (${reason})`;
  const took = took_ms === undefined ? '' : ` after ${took_ms} ms`;
  const told = data === undefined ? '' : ` ${JSON.stringify(data)}`;
  return `${outcome}: ${result}${why}${took}${told}, entry ${entry.n} of ${entry.log}`;
}
