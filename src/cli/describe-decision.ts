/** A decision for people: the outcome, why, on which events, and what would change it. */
import type { Decision } from '../risk/decision/decision.ts';
import type { CommandIo } from './command.ts';

const TRIALS = { emulated_tpm: 'an emulated TPM', software_keys: 'keys in files' } as const;

export function showDecision(decision: Decision, io: Pick<CommandIo, 'out'>): void {
  const { outcome, refund_id, approvals, deadline_at_ms, decision_id, ruleset } = decision;
  const people = approvals > 0 ? `, ${approvals} approvals` : '';
  io.out(`${refund_id}: ${outcome}${people}`);
  for (const { code, text, events } of decision.reasons) {
    io.out(`  ${code.padEnd(22)} ${text}`);
    if (events.length > 0) io.out(`${''.padEnd(25)}${events.join(', ')}`);
  }
  for (const { gateway, level, trial, clock } of decision.assumptions ?? []) {
    const words = [
      ...(level === undefined ? [] : [`level ${level} at most${trial ? ` by ${TRIALS[trial]} (trial)` : ''}`]),
      ...(clock === undefined ? [] : [`a ${clock} clock`]),
    ];
    io.out(`  on the operator's word: ${gateway} has ${words.join(' and ')}`);
  }
  for (const { outcome: other, text } of decision.counterfactuals) io.out(`  ${other} ${text}`);
  for (const { parcel, version, digest } of decision.ledgers ?? []) {
    io.out(`  on version ${version} of the ledger of ${parcel}, ${digest.slice(0, 12)}`);
  }
  if (deadline_at_ms !== undefined) io.out(`  to be answered by ${new Date(deadline_at_ms).toISOString()}`);
  io.out(`  ${decision_id}, ruleset ${ruleset}`);
}
