/**
 * Decisions without the person: their facts under other names, decided again. The answer must be the same but for those
 * names, and it is replaced together with its facts, so that it still replays to the byte. The decision keeps its name.
 */
import { sql, type Transaction } from 'kysely';
import { assert } from '../../base/assert.ts';
import type { EvidenceCrypto } from '../../evidence/crypto.ts';
import type { Json, JsonObject } from '../../evidence/event/event.ts';
import { canonicalJson } from '../../evidence/event/json.ts';
import { type Decision, decide } from '../decision/decision.ts';
import type { Facts } from '../decision/facts.ts';
import { makeRuleset, type RulesetSettings } from '../decision/ruleset.ts';
import type { Database } from '../store/schema.ts';

type Trx = Transaction<Database>;
/** Each name that goes, and what stands there instead. */
export type Names = ReadonlyMap<string, string>;

const PAGE_ROWS = 500;

/** Names of the decisions whose facts or answer name any of these. */
export async function decisionsNaming(trx: Trx, names: readonly string[]): Promise<readonly string[]> {
  if (names.length === 0) return [];
  const spelled = names.map((name) => JSON.stringify(name));
  const { rows } = await sql<{ readonly decision_id: string }>`
    select decision_id from payments.decision
    where exists (select from unnest(${spelled}::text[]) as spelled
      where position(spelled in facts) > 0 or position(spelled in answer) > 0)
    order by decision_id`.execute(trx);
  return rows.map(({ decision_id }) => decision_id);
}

export async function renameInDecisions(
  trx: Trx,
  crypto: EvidenceCrypto,
  decisionIds: readonly string[],
  names: Names,
): Promise<void> {
  for (let at = 0; at < decisionIds.length; at += PAGE_ROWS) {
    const rows = await trx
      .selectFrom('payments.decision')
      .select(['decision_id', 'facts', 'answer', 'parameters'])
      .where('decision_id', 'in', decisionIds.slice(at, at + PAGE_ROWS))
      .execute();
    for (const { decision_id, facts, answer, parameters } of rows) {
      const next = renamed(crypto, { facts, answer, parameters }, names);
      await sql`update payments.decision set facts = ${next.facts}, answer = ${next.answer}
        where decision_id = ${decision_id}`.execute(trx);
    }
  }
}

interface Texts {
  readonly facts: string;
  readonly answer: string;
  readonly parameters: string;
}

export function renamed(crypto: EvidenceCrypto, texts: Texts, names: Names): Pick<Texts, 'facts' | 'answer'> {
  const facts = withNames(JSON.parse(texts.facts) as Json, names) as unknown as Facts;
  const old = withNames(JSON.parse(texts.answer) as Json, names) as unknown as Decision;
  const ruleset = makeRuleset(crypto, JSON.parse(texts.parameters) as RulesetSettings);
  // Another version of the rules made it: what it said then stands, under other names.
  const isOurs = texts.answer === JSON.stringify(decide(crypto, JSON.parse(texts.facts) as Facts, ruleset));
  const again = isOurs ? decide(crypto, facts, ruleset) : old;
  assert(again.outcome === old.outcome && codesOf(again) === codesOf(old), 'a decision does not depend on names');
  const answer = JSON.stringify(again);
  return {
    facts: canonicalJson(facts as unknown as JsonObject),
    answer: isOurs ? answer : [...names].reduce((text, [name, next]) => withoutWord(text, name, next), answer),
  };
}

/** Sentences of another version may name a refund, too. */
function withoutWord(text: string, name: string, next: string): string {
  const escaped = name.replace(/[^A-Za-z0-9]/g, '\\$&');
  return text.replace(new RegExp(`(?<![A-Za-z0-9._:-])${escaped}(?![A-Za-z0-9._:-])`, 'g'), next);
}

function codesOf({ reasons, rules }: Decision): string {
  const hits = rules.filter(({ hit }) => hit).map(({ code }) => code);
  return [...reasons.map(({ code }) => code), ...hits].sort().join(' ');
}

function withNames(value: Json, names: Names): Json {
  if (typeof value === 'string') return names.get(value) ?? value;
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map((item: Json) => withNames(item, names));
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, withNames(member as Json, names)]));
}
