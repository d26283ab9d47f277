/** `latchkey config check`: all problems of settings files at once. */
import { ERRORS, LatchkeyError } from '../../base/errors.ts';
import { describeProblem, type SettingsProblem } from '../../platform/problem.ts';
import { parseSettings, readSettingsText } from '../../platform/settings.ts';
import type { CommandRun } from '../command.ts';
import { SETTINGS_KINDS, type SettingsKind } from '../settings-kinds.ts';

const kinds = Object.keys(SETTINGS_KINDS).filter(isKind);

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
      io.out(problems.length === 0 ? `${file}: sound (${kind})` : `${file}: ${problemCount(problems)} (${kind})`);
      for (const problem of problems) io.out(`  ${describeProblem(problem)}`);
    }
  }
  return sound ? 0 : ERRORS.CONFIG_INVALID.exitCode;
};

function problemCount(problems: readonly SettingsProblem[]): string {
  return problems.length === 1 ? '1 problem' : `${problems.length} problems`;
}

function check(file: string, wanted: string | undefined): Checked {
  const text = readSettingsText(file);
  if (!text.ok) throw new LatchkeyError('CONFIG_UNREADABLE', text.detail);
  const kind = wanted ?? kinds.find((name) => SETTINGS_KINDS[name].mark.test(text.value)) ?? 'gateway';
  if (!isKind(kind)) {
    throw new LatchkeyError(
      'USAGE',
      `option --kind: expected one of ${kinds.join(', ')}, found ${JSON.stringify(kind)}`,
    );
  }
  const parsed = parseSettings(text.value, SETTINGS_KINDS[kind].schema);
  return { file, kind, problems: parsed.ok ? [] : parsed.problems };
}

function isKind(name: string): name is SettingsKind {
  return Object.hasOwn(SETTINGS_KINDS, name);
}
