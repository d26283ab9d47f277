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
export function trustLines({ trial, clock }: Trusted): readonly string[] {
  const taken =
    trial === 'trust_emulated_tpm' ? 'an emulated TPM for a hardware one' : 'log keys in files for keys in a TPM';
  return [
    `note: this demo's policy takes ${taken} (trial.${trial}), and the clock of`,
    `note: this machine for ${clock}: its word, not a proof. In the field the level is proved by a hardware TPM, and the`,
    'note: clock by who sets it',
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
  return assumptions.map(({ gateway, level, trial, clock }) => {
    const by = trial === 'emulated_tpm' ? 'an emulated TPM' : 'keys in files';
    const words = [
      level === undefined ? '' : `level ${level} at most by ${by}`,
      clock === undefined ? '' : `a ${clock} clock`,
    ];
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
