/** Reads the trust policy, with all its problems at once. */
import { readFile } from 'node:fs/promises';
import { LatchkeyError, messageOf } from '../../base/errors.ts';
import type { EvidenceCrypto } from '../../evidence/crypto.ts';
import { parsePolicy } from '../../evidence/verify/policy.ts';
import { describeProblem } from '../../platform/problem.ts';
import { type IntakePolicy, NO_POLICY } from '../intake/trust.ts';

/**
 * Rejects with CONFIG_UNREADABLE or CONFIG_INVALID. Without a path no log is believed. A policy that names no log is
 * for who trusts on first use: nobody else could ever take anything in.
 */
export async function loadPolicy(
  crypto: EvidenceCrypto,
  path: string | undefined,
  options: { readonly trustFirstUse: boolean },
): Promise<IntakePolicy> {
  if (path === undefined) return NO_POLICY;
  const bytes = await readFile(path).catch((error: unknown) => {
    throw new LatchkeyError('CONFIG_UNREADABLE', `cannot read the trust policy: ${messageOf(error)}`);
  });
  const policy = parsePolicy(crypto, bytes);
  const believes = policy.ok && (policy.value.logs.size > 0 || (policy.value.services ?? []).length > 0);
  if (policy.ok && !believes && !options.trustFirstUse) {
    const expected = 'expected at least one log or service (or trust_first_use: true in the settings), found none';
    throw new LatchkeyError('CONFIG_INVALID', `${path}: logs: ${expected}`);
  }
  if (policy.ok) return policy.value;
  const lines = policy.problems.map((problem) => `\n  ${describeProblem(problem)}`).join('');
  throw new LatchkeyError('CONFIG_INVALID', `${path} is no trust policy:${lines}`);
}
