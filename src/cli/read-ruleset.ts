/** The ruleset of `--ruleset FILE`, or the defaults. */
import { LatchkeyError } from '../base/errors.ts';
import { nodeCrypto } from '../platform/node-crypto.ts';
import { describeProblem } from '../platform/problem.ts';
import { parseSettings, readSettingsText } from '../platform/settings.ts';
import { makeRuleset, type Ruleset, rulesetSchema } from '../risk/decision/ruleset.ts';

export function readRuleset(file: string | undefined): Ruleset {
  if (file === undefined) return makeRuleset(nodeCrypto, {});
  const text = readSettingsText(file);
  if (!text.ok) throw new LatchkeyError('CONFIG_UNREADABLE', `${file}: ${text.detail}`);
  const parsed = parseSettings(text.value, rulesetSchema);
  if (parsed.ok) return makeRuleset(nodeCrypto, parsed.value);
  throw new LatchkeyError('CONFIG_INVALID', `${file}: ${parsed.problems.map(describeProblem).join('; ')}`);
}
