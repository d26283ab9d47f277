/**
 * Decisions in a bundle (FORMAT.md section 8): each is of the facts beside it, and every entry that the answer or the
 * facts name stands in the bundle. Whether the facts lead to that answer is the ruleset's: whoever has it decides again.
 */
import { hex, utf8 } from '../../base/bytes.ts';
import { accept, type Result, refuse } from '../../base/result.ts';
import type { EvidenceCrypto } from '../crypto.ts';
import { canonicalJson } from '../event/json.ts';
import { parseOrigin } from '../log/origin.ts';
import type { BundleDecision } from './bundle.ts';
import { LEVELS, type Level } from './policy.ts';

/** One decision of a verified bundle: its maker's word about the entries. */
export interface DecisionFinding {
  readonly decisionId: string;
  readonly refundId: string;
  readonly outcome: string;
  /** Entries of the bundle that it names: `<origin>#<n>`. */
  readonly entries: readonly string[];
  /** Those that count for more in its facts than the bundle proves of them, in their order. */
  readonly above?: readonly AboveProof[];
  /** Absent where the verifier has no ruleset to decide with. */
  readonly again?: DecidedAgain;
}

/** By the verifier's policy. It is no lie where the maker trusts a trial, or another policy: a person should ask. */
export interface AboveProof {
  readonly entry: string;
  readonly counted: Level;
  readonly proved: Level;
}

/**
 * What the facts lead to with the verifier's own ruleset. `same`: this answer, to the byte. `reworded`: the same outcome for
 * the same reasons, told in other words. `other`: another answer. `unknown`: it has another edition of the ruleset, or
 * cannot read the facts.
 */
export interface DecidedAgain {
  readonly result: 'same' | 'reworded' | 'other' | 'unknown';
  readonly outcome?: string;
}

/** Given a decision whose facts and parameters are those that its answer names. Must not throw. */
export type DecideAgain = (decision: BundleDecision) => DecidedAgain;

const DEPTH_MAX = 32;
/** The version of a ruleset ends with the first digits of the hash of its parameters. */
const RULESET_DIGITS = 12;
const RULESET = /^v[0-9]{1,4}-([0-9a-f]{12})$/;
/** `<origin>#<n>`; other references are of claims. */
const REF = /^(.{1,120})#(0|[1-9][0-9]{0,15})$/;

/** `held`: all entries in the bundle, and the level of each. */
export function verifyDecisions(
  crypto: EvidenceCrypto,
  decisions: readonly BundleDecision[],
  held: ReadonlyMap<string, Level>,
  decideAgain?: DecideAgain,
): Result<readonly DecisionFinding[], 'bundle_decision'> {
  const findings: DecisionFinding[] = [];
  for (const each of decisions) {
    const finding = verifyOne(crypto, each, held);
    if (!finding.ok) return finding;
    const { decisionId } = finding.value;
    // Its outcome is in no hash: of two with one name, one would be shown beside the other as if both had been given.
    if (findings.some((other) => other.decisionId === decisionId)) {
      return refuse('bundle_decision', `${decisionId} stands twice`);
    }
    findings.push({ ...finding.value, ...(decideAgain !== undefined && { again: decideAgain(each) }) });
  }
  return accept(findings);
}

function verifyOne(
  crypto: EvidenceCrypto,
  { answer: answerText, facts: factsText, parameters: parametersText }: BundleDecision,
  held: ReadonlyMap<string, Level>,
): Result<DecisionFinding, 'bundle_decision'> {
  const answer = membersOf(answerText);
  const facts = membersOf(factsText);
  const { decision_id: id, refund_id: refund, outcome, facts_hash: factsHash, ruleset } = answer ?? {};
  const isRead = typeof id === 'string' && typeof refund === 'string' && typeof outcome === 'string';
  if (facts === undefined || !isRead || typeof ruleset !== 'string') {
    return refuse('bundle_decision', 'a decision is not the JSON of an answer and its facts');
  }
  const digest = (text: string): string => hex(crypto.sha256(utf8(text)));
  if (factsHash !== digest(factsText)) return refuse('bundle_decision', `${id} was made of other facts`);
  if (RULESET.exec(ruleset)?.[1] !== digest(parametersText).slice(0, RULESET_DIGITS)) {
    return refuse('bundle_decision', `${id} was made with other parameters`);
  }
  if (id !== `d-${digest(canonicalJson({ facts: factsHash, ruleset })).slice(0, 32)}`) {
    return refuse('bundle_decision', `${id} is not the name of this decision`);
  }
  const asked = refundIn(facts);
  if (asked !== undefined && asked !== refund) {
    return refuse('bundle_decision', `${id} was made about refund ${asked}, and says ${refund}`);
  }
  if (isTooDeep(answer, 0) || isTooDeep(facts, 0)) {
    return refuse('bundle_decision', `${id} nests deeper than ${DEPTH_MAX}: what it names cannot be looked for`);
  }
  const entries = namedIn(answer, facts);
  for (const ref of entries) {
    if (!held.has(ref)) return refuse('bundle_decision', `${id} rests on ${ref}, which is not in the bundle`);
  }
  const above = aboveProof(facts, held);
  return accept({ decisionId: id, refundId: refund, outcome, entries, ...(above.length > 0 && { above }) });
}

/** About which refund the facts are; undefined where they do not say. */
function refundIn({ refund }: Readonly<Record<string, unknown>>): string | undefined {
  const { refund_id: id } = (refund ?? {}) as { readonly refund_id?: unknown };
  return typeof id === 'string' ? id.slice(0, 200) : undefined;
}

/** Each entry once, with the highest level at which it counts. */
function aboveProof(facts: unknown, held: ReadonlyMap<string, Level>): readonly AboveProof[] {
  const counted = new Map<string, Level>();
  collectLevels(facts, counted, 0);
  return [...counted]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([entry, level]) => {
      const proved = held.get(entry);
      return proved !== undefined && level > proved ? [{ entry, counted: level, proved }] : [];
    });
}

function collectLevels(value: unknown, counted: Map<string, Level>, depth: number): void {
  if (depth > DEPTH_MAX || typeof value !== 'object' || value === null) return;
  const { event, level } = value as { readonly event?: unknown; readonly level?: unknown };
  const known = LEVELS.find((each) => each === level);
  if (typeof event === 'string' && known !== undefined && known > (counted.get(event) ?? '')) counted.set(event, known);
  for (const inner of Object.values(value)) collectLevels(inner, counted, depth + 1);
}

/** The entries that a decision names, `<origin>#<n>`, sorted; claims of other sources are not among them. */
export function entriesNamed({ answer, facts }: BundleDecision): readonly string[] {
  return namedIn(membersOf(answer), membersOf(facts));
}

function namedIn(...values: readonly unknown[]): readonly string[] {
  const refs = new Set<string>();
  for (const value of values) collect(value, '', refs, 0);
  return [...refs].sort();
}

function collect(value: unknown, name: string, refs: Set<string>, depth: number): void {
  if (depth > DEPTH_MAX) return;
  if (Array.isArray(value)) {
    for (const item of value) collect(item, name, refs, depth + 1);
    return;
  }
  if (typeof value === 'string' && (name === 'events' || name === 'event')) {
    const found = REF.exec(value);
    if (found !== null && parseOrigin(found[1] ?? '').ok) refs.add(value);
    return;
  }
  if (typeof value !== 'object' || value === null) return;
  for (const [member, inner] of Object.entries(value)) collect(inner, member, refs, depth + 1);
}

function isTooDeep(value: unknown, depth: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return depth >= DEPTH_MAX || Object.values(value).some((inner) => isTooDeep(inner, depth + 1));
}

function membersOf(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    const isMembers = typeof value === 'object' && value !== null && !Array.isArray(value);
    return isMembers ? (value as Readonly<Record<string, unknown>>) : undefined;
  } catch {
    return undefined;
  }
}
