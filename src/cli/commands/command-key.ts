/** `latchkey command key`: the verifier key of who signs commands. */
import { formatVkey } from '../../evidence/log/note.ts';
import { nodeCrypto } from '../../platform/node-crypto.ts';
import { openCommandKey } from '../../risk/commands/command-key.ts';
import type { CommandRun } from '../command.ts';
import { commandSettings } from '../command-request.ts';

export const commandKeyCommand: CommandRun = async (args, io) => {
  process.umask(0o077);
  const { signer } = commandSettings(args);
  const { key, made } = await openCommandKey(nodeCrypto, signer.key_file, signer.name);
  if (made) io.err(`made a new key in ${signer.key_file}: grant it verbs under commands.keys of gateway.yaml`);
  io.out(formatVkey(key.vkey));
  return 0;
};
