/** `latchkey risk decide`: a snapshot of facts in, the decision and its reasons out. Loads no native code. */
import { readFileSync } from 'node:fs';
import { LatchkeyError, messageOf } from '../../base/errors.ts';
import { nodeCrypto } from '../../platform/node-crypto.ts';
import { describeProblem } from '../../platform/problem.ts';
import { parseSettings, readSettingsText } from '../../platform/settings.ts';
import { type Decision, decide } from '../../risk/decision/decision.ts';
import type { Facts } from '../../risk/decision/facts.ts';
import { parseFacts } from '../../risk/decision/facts-schema.ts';
import { makeRuleset, type Ruleset, rulesetSchema } from '../../risk/decision/ruleset.ts';
import type { CommandIo, CommandRun } from '../command.ts';

export const riskDecideCommand: CommandRun = async (args, io) => {
  const decision = decide(nodeCrypto, readFacts(args.positionals[0] ?? ''), readRuleset(args.text('ruleset')));
  if (args.flag('json')) io.out(JSON.stringify(decision));
  else show(decision, io);
  return 0;
};

function readFacts(file: string): Facts {
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    throw new LatchkeyError('INPUT_UNREADABLE', `cannot read ${file} as JSON: ${messageOf(error)}`);
  }
  const facts = parseFacts(value);
  if (!facts.ok) throw new LatchkeyError('INPUT_UNREADABLE', `${file}: ${facts.detail}`);
  return facts.value;
}

function readRuleset(file: string | undefined): Ruleset {
  if (file === undefined) return makeRuleset(nodeCrypto, {});
  const text = readSettingsText(file);
  if (!text.ok) throw new LatchkeyError('CONFIG_UNREADABLE', `${file}: ${text.detail}`);
  const parsed = parseSettings(text.value, rulesetSchema);
  if (!parsed.ok)
    throw new LatchkeyError('CONFIG_INVALID', `${file}: ${parsed.problems.map(describeProblem).join('; ')}`);
  return makeRuleset(nodeCrypto, parsed.value);
}

function show(decision: Decision, io: CommandIo): void {
  const { outcome, refund_id, approvals, deadline_at_ms, decision_id, ruleset } = decision;
  const people = approvals > 0 ? `, ${approvals} approvals` : '';
  io.out(`${refund_id}: ${outcome}${people}`);
  for (const { code, text, events } of decision.reasons) {
    io.out(`  ${code.padEnd(22)} ${text.analyst}`);
    if (events.length > 0) io.out(`${''.padEnd(25)}${events.join(', ')}`);
  }
  for (const { outcome: other, text } of decision.counterfactuals) io.out(`  ${other} ${text}`);
  if (deadline_at_ms !== undefined) io.out(`  to be answered by ${new Date(deadline_at_ms).toISOString()}`);
  io.out(`  ${decision_id}, ruleset ${ruleset}`);
}
