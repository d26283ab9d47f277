/** `latchkey risk decide`: a snapshot of facts in, the decision and its reasons out. */
import { LatchkeyError } from '../../base/errors.ts';
import { nodeCrypto } from '../../platform/node-crypto.ts';
import { decide } from '../../risk/decision/decision.ts';
import type { Facts } from '../../risk/decision/facts.ts';
import { parseFacts } from '../../risk/decision/facts-schema.ts';
import type { CommandRun } from '../command.ts';
import { showDecision } from '../describe-decision.ts';
import { readJsonValue } from '../read-json.ts';
import { readRuleset } from '../read-ruleset.ts';

export const riskDecideCommand: CommandRun = async (args, io) => {
  const decision = decide(nodeCrypto, readFacts(args.positionals[0] ?? ''), readRuleset(args.text('ruleset')));
  if (args.flag('json')) io.out(JSON.stringify(decision));
  else showDecision(decision, io);
  return 0;
};

function readFacts(file: string): Facts {
  const facts = parseFacts(readJsonValue(file));
  if (facts.ok) return facts.value;
  throw new LatchkeyError('INPUT_UNREADABLE', `${file}: ${facts.detail}`);
}
