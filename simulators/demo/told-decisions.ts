/** Decisions for people: what was asked, the answer, why, and the verified events that say so. */
import type { CustodyEvent } from '../../src/evidence/event/event.ts';
import type { Trusted } from './configs.ts';
import type { Exported } from './exported.ts';
import type { Parcel } from './hands.ts';
import { ASKED, type Decided, type Scenario, type ScenarioDecision } from './refunds.ts';

/** An entry in words: where, which parcel, and what happened. */
export type TellEntry = (event: CustodyEvent) => string;

const WIDTH = 110;
const EVENTS_TOLD_MAX = 12;

/** Said before anything is decided. */
export function trustLines({ level, clock }: Trusted, hasTpm: boolean): readonly string[] {
  const key = hasTpm ? 'an emulated TPM' : 'keys in files';
  return [
    `note: this demo's policy takes ${key} for level ${level}, and the clock of this machine for ${clock}: its word, not a`,
    'note: proof. In the field the level is proved by a hardware TPM, and the clock by who sets it',
  ];
}

export function decisionLines(
  decisions: readonly ScenarioDecision[],
  exported: Exported,
  { about, tell }: { readonly about: Readonly<Record<Scenario, Parcel>>; readonly tell: TellEntry },
): readonly string[] {
  const entries = new Map(exported.events.map(({ event }) => [`${event.log}#${event.n}`, event]));
  return decisions.flatMap(({ scenario, refund, decided }) => {
    const { kind, amountMinor, operator, claim } = ASKED[scenario];
    const dollars = (amountMinor / 100).toFixed(2);
    const { title } = about[scenario];
    return [
      '',
      `  ${scenario}: ${title} ${claim}; ${operator} asks for $${dollars} (${kind.replace('_', ' ')}, ${refund})`,
      `    ${decided.outcome}${deadline(decided)}`,
      ...decided.reasons.flatMap((reason) => reasonLines(reason, entries, tell)),
      ...assumptionLines(decided),
      `    ${decided.decision_id}`,
    ];
  });
}

function deadline({ deadline_at_ms: atMs }: Decided): string {
  return atMs === undefined
    ? ''
    : `, to be answered by ${new Date(atMs).toISOString().slice(0, 16).replace('T', ' ')} UTC`;
}

function reasonLines(
  { code, text, events, refunds }: Decided['reasons'][number],
  entries: ReadonlyMap<string, CustodyEvent>,
  tell: TellEntry,
): readonly string[] {
  const told = events.slice(0, EVENTS_TOLD_MAX).map((ref) => {
    const event = entries.get(ref);
    return event === undefined ? `      ${ref}` : `      entry ${event.n}: ${tell(event)}`;
  });
  const rest = events.length - told.length;
  return [
    ...wrapped(`    ${code}: ${text}`, '      '),
    ...told,
    ...(rest > 0 ? [`      and ${rest} more`] : []),
    ...(refunds === undefined ? [] : [`      counts together: ${refunds.join(', ')}`]),
  ];
}

function assumptionLines({ assumptions = [] }: Decided): readonly string[] {
  return assumptions.map(({ gateway, level, clock }) => {
    const words = [level === undefined ? '' : `level ${level}`, clock === undefined ? '' : `a ${clock} clock`];
    return `    on the word of this demo's policy: ${gateway} has ${words.filter((word) => word !== '').join(' and ')}`;
  });
}

function wrapped(text: string, indent: string): readonly string[] {
  const lines: string[] = [];
  for (const word of text.trimStart().split(' ')) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + word.length < WIDTH) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(last === undefined ? `    ${word}` : `${indent}${word}`);
  }
  return lines;
}
