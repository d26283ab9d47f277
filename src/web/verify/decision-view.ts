/**
 * Decisions of a bundle as they are drawn. Their texts are the maker's words; what the verdict says of them is that they
 * are of the facts beside them and name entries that are here.
 */
import type { BundleDecision } from '../../evidence/verify/bundle.ts';
import type { DecisionFinding } from '../../evidence/verify/bundle-decisions.ts';
import { LEVEL_SHORT } from './level-words.ts';
import type { AboveView, DecisionView } from './view-types.ts';

const REASONS_MAX = 64;

export function decisionView(decision: BundleDecision, findings: readonly DecisionFinding[]): DecisionView {
  const answer = membersOf(decision.answer);
  const id = textOf(answer['decision_id']);
  const approvals = answer['approvals'];
  return {
    id,
    refund: textOf(answer['refund_id']),
    outcome: textOf(answer['outcome']),
    ruleset: textOf(answer['ruleset']),
    ...(typeof approvals === 'number' &&
      approvals > 0 && {
        approvals: approvals === 1 ? 'after one approval by a person' : `after ${approvals} approvals by people`,
      }),
    reasons: listOf(answer['reasons']).map((reason) => ({
      code: textOf(reason['code']),
      text: textOf(reason['text']),
      events: Array.isArray(reason['events']) ? reason['events'].filter((event) => typeof event === 'string') : [],
    })),
    alternatives: listOf(answer['counterfactuals']).map((other) => ({
      label: textOf(other['outcome']),
      value: textOf(other['text']),
    })),
    isChecked: findings.some((finding) => finding.decisionId === id),
    above: aboveOf(findings.find((finding) => finding.decisionId === id)),
  };
}

function aboveOf(finding: DecisionFinding | undefined): readonly AboveView[] {
  return (finding?.above ?? []).map(({ entry, counted, proved }) => ({
    entry,
    counted: `${counted}, ${LEVEL_SHORT[counted]}`,
    proved: `${proved}, ${LEVEL_SHORT[proved]}`,
  }));
}

type Members = Readonly<Record<string, unknown>>;

function membersOf(text: string): Members {
  try {
    const value: unknown = JSON.parse(text);
    return isMembers(value) ? value : {};
  } catch {
    return {};
  }
}

function listOf(value: unknown): readonly Members[] {
  return Array.isArray(value) ? value.filter(isMembers).slice(0, REASONS_MAX) : [];
}

function isMembers(value: unknown): value is Members {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
