/** `latchkey config check`: all problems of settings files and trust policies at once. */
import { utf8 } from '../../base/bytes.ts';
import { ERRORS, LatchkeyError } from '../../base/errors.ts';
import { parsePolicy } from '../../evidence/verify/policy.ts';
import { nodeCrypto } from '../../platform/node-crypto.ts';
import { describeProblem, type SettingsProblem } from '../../platform/problem.ts';
import { parseSettings, readSettingsText } from '../../platform/settings.ts';
import type { CommandRun } from '../command.ts';
import { SETTINGS_KINDS, type SettingsKind } from '../settings-kinds.ts';

const kinds = Object.keys(SETTINGS_KINDS).filter(isKind);
/** A trust policy is JSON and no settings file: evidence itself knows what may stand in it. */
const POLICY = 'policy';
const POLICY_MARK = /^\s*\{[\s\S]*"logs"\s*:/;

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
  // A file that cannot be read keeps no other from being checked.
  if (!text.ok) {
    const problem = { path: 'the file', expected: 'a settings file that this user can read', found: text.detail };
    return { file, kind: wanted ?? 'unread', problems: [problem] };
  }
  const kind = wanted ?? guess(text.value);
  if (kind === POLICY) {
    const policy = parsePolicy(nodeCrypto, utf8(text.value));
    return { file, kind, problems: policy.ok ? [] : policy.problems };
  }
  if (!isKind(kind)) {
    const known = [...kinds, POLICY].join(', ');
    throw new LatchkeyError('USAGE', `option --kind: expected one of ${known}, found ${JSON.stringify(kind)}`);
  }
  const parsed = parseSettings(text.value, SETTINGS_KINDS[kind].schema);
  return { file, kind, problems: parsed.ok ? [] : parsed.problems };
}

function guess(text: string): string {
  if (POLICY_MARK.test(text)) return POLICY;
  return kinds.find((name) => SETTINGS_KINDS[name].mark.test(text)) ?? 'gateway';
}

function isKind(name: string): name is SettingsKind {
  return Object.hasOwn(SETTINGS_KINDS, name);
}
