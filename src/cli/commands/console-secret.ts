/** `latchkey console secret`: the secret of a person's second factor. */
import { makeSecret, writeSecret } from '../../platform/one-time-codes.ts';
import type { CommandRun } from '../command.ts';

export const consoleSecretCommand: CommandRun = async (args, io) => {
  const [path = ''] = args.positionals;
  const secret = makeSecret(args.text('issuer') ?? 'Latchkey', args.required('name'));
  await writeSecret(path, secret.text);
  io.err(`${path} holds the secret. Shown this once, for the authenticator:`);
  io.out(secret.uri);
  return 0;
};
