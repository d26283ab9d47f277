/** `latchkey enrolments tokens`: a file of `gateway,token` lines for whoever installs the boxes. */
import { LatchkeyError } from '../../base/errors.ts';
import { readSettingsText } from '../../platform/settings.ts';
import { newToken } from '../../risk/enrolment/tokens.ts';
import type { CommandArgs, CommandRun } from '../command.ts';
import { enrolmentSettings, enrolmentStore, gatewayOf } from '../enrolments.ts';

const TOKENS_MAX = 100_000;
const HOURS_DEFAULT = 168;
const HOURS_MAX = 8_784;
const HOUR_MS = 3_600_000;
/** `gw-0001`: so that lists sort. */
const NUMBER_DIGITS = 4;

export const enrolmentsTokensCommand: CommandRun = async (args, io) => {
  const settings = enrolmentSettings(args);
  const gateways = gatewaysOf(args);
  const hours = args.count('hours', HOURS_DEFAULT);
  if (hours < 1 || hours > HOURS_MAX) throw new LatchkeyError('USAGE', `option --hours: expected 1 to ${HOURS_MAX}`);
  const store = await enrolmentStore(settings);
  const tokens = gateways.map((gateway) => newToken(gateway, Date.now() + hours * HOUR_MS));
  // Shown only when they are good.
  await store.addTokens(tokens.map(({ row }) => row));
  for (const { gateway, token } of tokens) io.out(`${gateway},${token}`);
  io.err(`${tokens.length} tokens, good for ${hours} hours, each once`);
  return 0;
};

function gatewaysOf(args: CommandArgs): readonly string[] {
  const file = args.text('gateways');
  const prefix = args.text('prefix');
  if ((file === undefined) === (prefix === undefined)) {
    throw new LatchkeyError('USAGE', 'expected --gateways FILE, or --prefix TEXT with --count N');
  }
  const names = file === undefined ? numbered(prefix ?? '', args) : listed(file);
  const seen = new Set<string>();
  const twice = names.find((name) => seen.size === seen.add(name).size);
  if (twice !== undefined) throw new LatchkeyError('USAGE', `${twice} is named twice`);
  if (names.length < 1 || names.length > TOKENS_MAX) {
    throw new LatchkeyError('USAGE', `expected 1 to ${TOKENS_MAX} gateways, found ${names.length}`);
  }
  return names.map(gatewayOf);
}

function numbered(prefix: string, args: CommandArgs): readonly string[] {
  const count = Number(args.required('count'));
  const first = args.count('first', 1);
  if (!Number.isInteger(count) || count < 1 || count > TOKENS_MAX) {
    throw new LatchkeyError('USAGE', `option --count: expected 1 to ${TOKENS_MAX}`);
  }
  return Array.from({ length: count }, (_, i) => `${prefix}${String(first + i).padStart(NUMBER_DIGITS, '0')}`);
}

function listed(file: string): readonly string[] {
  const text = readSettingsText(file);
  if (!text.ok) throw new LatchkeyError('INPUT_UNREADABLE', text.detail);
  const lines = text.value.split('\n').map((line) => line.trim());
  return lines.filter((line) => line !== '' && !line.startsWith('#'));
}
