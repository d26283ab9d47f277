/** `latchkey risk client` and `risk token-key`: secrets of clients, and the key that signs tokens. */
import { LatchkeyError } from '../../base/errors.ts';
import { makeClientSecret } from '../../risk/api/clients.ts';
import { forgetPreviousKey, rotateTokenKey } from '../../risk/api/token-keys.ts';
import type { CommandRun } from '../command.ts';
import { readRiskSettings } from '../risk-settings.ts';

export const riskClientCommand: CommandRun = async (args, io) => {
  const made = makeClientSecret();
  if (args.flag('json')) io.out(JSON.stringify({ secret: made.secret, secret_sha256: made.sha256 }));
  else {
    io.out(made.secret);
    io.err('The secret is shown this once: give it to the client. Under api.clients of risk.yaml goes');
    io.err(`  - { id: NAME, secret_sha256: ${made.sha256}, roles: [ROLE] }`);
  }
  return 0;
};

export const riskTokenKeyCommand: CommandRun = async (args, io) => {
  process.umask(0o077);
  const { api } = readRiskSettings(args);
  if (api === undefined) throw new LatchkeyError('CONFIG_INVALID', 'api: expected it in the settings, found none');
  const [what = ''] = args.positionals;
  if (what === 'rotate') {
    const { kid } = await rotateTokenKey(api.token_key_file, api.name);
    io.out(`the next start signs with key ${kid}; tokens of the one before still count`);
  } else if (what === 'forget') {
    await forgetPreviousKey(api.token_key_file);
    io.out('from the next start on tokens of the key before count no longer');
  } else throw new LatchkeyError('USAGE', `risk token-key: expected rotate or forget, found ${JSON.stringify(what)}`);
  return 0;
};
