/** `latchkey config check`: all problems of settings files at once. */
import type { z } from 'zod';
import { siteSchema } from '../../../simulators/site/settings.ts';
import { ERRORS, LatchkeyError } from '../../base/errors.ts';
import { gatewaySettingsSchema } from '../../edge/gateway/settings.ts';
import { describeProblem, parseSettings, readSettingsText, type SettingsProblem } from '../../platform/settings.ts';
import { receiveSettingsSchema } from '../../risk/receive/settings.ts';
import type { CommandRun } from '../command.ts';

/** A member that only this kind of file has at its top. */
const KINDS: Readonly<Record<string, { readonly schema: z.ZodType; readonly mark: RegExp }>> = {
  gateway: { schema: gatewaySettingsSchema, mark: /^gateway:/m },
  receive: { schema: receiveSettingsSchema, mark: /^(store_dir|policy|trust_first_use):/m },
  site: { schema: siteSchema, mark: /^lines:/m },
};

interface Checked {
  readonly file: string;
  readonly kind: string;
  readonly problems: readonly SettingsProblem[];
}

export const configCheckCommand: CommandRun = async (args, io) => {
  const checked = args.positionals.map((file) => check(file, args.text('kind')));
  const sound = checked.every((one) => one.problems.length === 0);
  if (args.flag('json')) io.out(JSON.stringify({ sound, files: checked }));
  else {
    for (const { file, kind, problems } of checked) {
      io.out(problems.length === 0 ? `${file}: sound (${kind})` : `${file}: ${problems.length} problems (${kind})`);
      for (const problem of problems) io.out(`  ${describeProblem(problem)}`);
    }
  }
  return sound ? 0 : ERRORS.CONFIG_INVALID.exitCode;
};

function check(file: string, wanted: string | undefined): Checked {
  const text = readSettingsText(file);
  if (!text.ok) throw new LatchkeyError('CONFIG_UNREADABLE', text.detail);
  const kind = wanted ?? Object.keys(KINDS).find((name) => KINDS[name]?.mark.test(text.value)) ?? 'gateway';
  const row = Object.hasOwn(KINDS, kind) ? KINDS[kind] : undefined;
  if (row === undefined) {
    const known = Object.keys(KINDS).join(', ');
    throw new LatchkeyError('USAGE', `option --kind: expected one of ${known}, found ${JSON.stringify(kind)}`);
  }
  const parsed = parseSettings(text.value, row.schema);
  return { file, kind, problems: parsed.ok ? [] : parsed.problems };
}
