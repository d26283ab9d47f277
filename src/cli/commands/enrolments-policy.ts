/** `latchkey enrolments policy`: the trust policy that follows from the histories. */
import { LatchkeyError } from '../../base/errors.ts';
import { parsePolicy } from '../../evidence/verify/policy.ts';
import { nodeCrypto } from '../../platform/node-crypto.ts';
import { describeProblem } from '../../platform/problem.ts';
import { readGateway } from '../../risk/enrolment/gateway-book.ts';
import { policyText } from '../../risk/enrolment/policy.ts';
import type { CommandRun } from '../command.ts';
import { enrolmentSettings, enrolmentStore } from '../enrolments.ts';

export const enrolmentsPolicyCommand: CommandRun = async (args, io) => {
  const settings = enrolmentSettings(args);
  const store = await enrolmentStore(settings);
  const states = [];
  for (const gateway of await store.gateways()) states.push(await readGateway(store, gateway));
  const text = policyText(nodeCrypto, states, settings.policy);
  // What its readers would refuse is not printed: the settings may name a witness that is none.
  const policy = parsePolicy(nodeCrypto, Buffer.from(text));
  if (!policy.ok) {
    const lines = policy.problems.map((problem) => `\n  ${describeProblem(problem)}`).join('');
    throw new LatchkeyError('CONFIG_INVALID', `no trust policy comes of these settings and enrolments:${lines}`);
  }
  io.out(text.trimEnd());
  return 0;
};
