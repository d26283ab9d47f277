/**
 * What the events of one gateway come to: its logs, what waits for a person, what contradicts. Pure: events in, state out.
 */

import { assert } from '../../base/assert.ts';
import { equalBytes, unbase64, utf8 } from '../../base/bytes.ts';
import { parseVkey, type Vkey } from '../../evidence/log/note.ts';
import { type EnrolmentRecord, parseEnrolmentRecord, type TpmClass } from '../../evidence/wire/enrolment.ts';
import { type Envelope, formatEnvelope } from '../../evidence/wire/envelope.ts';
import type { EventOf, GatewayEvent } from './events.ts';

/** How a log came to be believed. `ak`: the enrolled AK vouched for it. `log`: only its predecessor's key did. */
export type VouchedBy = 'enrolment' | 'ak' | 'log';

export interface KnownLog {
  readonly vkey: Vkey;
  readonly vouchedBy: VouchedBy;
  /** The record on which it stands, directly or through its predecessors. */
  readonly enrolled: EnrolledRecord;
  /** The log that it follows, by a successor statement. */
  readonly old?: string;
  readonly statements: readonly Envelope[];
  /** One of several successors of one log, and not the chosen one; or follows such a one. */
  readonly isContested: boolean;
  readonly revoked?: { readonly size: number; readonly root: string };
}

export interface EnrolledRecord {
  readonly record: EnrolmentRecord;
  readonly envelope: Envelope;
  readonly summary: Envelope;
}

export interface GatewayState {
  /** Number of events that were read: where the next one goes. */
  readonly size: number;
  readonly logs: ReadonlyMap<string, KnownLog>;
  readonly records: readonly EnrolledRecord[];
  /** Enrolments that nobody decided on, by challenge. */
  readonly pending: ReadonlyMap<string, EventOf<'pending'>>;
  readonly declined: ReadonlySet<string>;
  /** Hashes of tokens that led to a record or to a decision. */
  readonly usedTokens: ReadonlySet<string>;
  /** Logs with more than one successor and no choice. */
  readonly forks: readonly string[];
  readonly escrows: readonly { readonly challenge: string; readonly escrow: string }[];
}

interface Building {
  readonly logs: Map<string, KnownLog>;
  readonly records: EnrolledRecord[];
  readonly pending: Map<string, EventOf<'pending'>>;
  readonly declined: Set<string>;
  readonly usedTokens: Set<string>;
  readonly chosen: Map<string, string>;
  readonly escrows: { challenge: string; escrow: string }[];
}

export function stateOf(events: readonly GatewayEvent[]): GatewayState {
  const building: Building = {
    logs: new Map(),
    records: [],
    pending: new Map(),
    declined: new Set(),
    usedTokens: new Set(),
    chosen: new Map(),
    escrows: [],
  };
  for (const event of events) take(building, event);
  const { logs, chosen, ...rest } = building;
  const forks = forksOf(logs, chosen);
  return { ...rest, size: events.length, logs: contested(logs, chosen, forks), forks };
}

function take(building: Building, event: GatewayEvent): void {
  switch (event.kind) {
    case 'enrolled':
      takeExchange(building, event);
      takeRecord(building, event.record, event.summary);
      return;
    case 'pending':
      takeExchange(building, event);
      building.pending.set(event.challenge, event);
      return;
    case 'approved':
      building.pending.delete(event.challenge);
      takeRecord(building, event.record, event.summary);
      return;
    case 'declined':
      building.pending.delete(event.challenge);
      building.declined.add(event.challenge);
      return;
    case 'successor':
      takeSuccessor(building, event);
      return;
    case 'chosen':
      building.chosen.set(event.old, event.log);
      return;
    case 'revoked': {
      const log = building.logs.get(event.log);
      if (log !== undefined) building.logs.set(event.log, { ...log, revoked: { size: event.size, root: event.root } });
      return;
    }
  }
}

function takeExchange(building: Building, event: EventOf<'enrolled' | 'pending'>): void {
  building.usedTokens.add(event.token);
  if (event.escrow !== undefined) building.escrows.push({ challenge: event.challenge, escrow: event.escrow });
}

function takeRecord(building: Building, envelope: Envelope, summary: Envelope): void {
  const record = parseEnrolmentRecord(envelope);
  assert(record.ok, 'a stored record is one');
  const enrolled = { record: record.value, envelope, summary };
  building.records.push(enrolled);
  const { log } = record.value;
  building.logs.set(log.name, { vkey: log, vouchedBy: 'enrolment', enrolled, statements: [], isContested: false });
}

function takeSuccessor(building: Building, event: EventOf<'successor'>): void {
  const vkey = parseVkey(event.vkey);
  const old = building.logs.get(event.old);
  if (!vkey.ok || old === undefined) return;
  const known = building.logs.get(vkey.value.name);
  if (known !== undefined && known.old !== event.old) return;
  const isAttested = event.signed === 'ak' && old.vouchedBy !== 'log';
  building.logs.set(vkey.value.name, {
    vkey: vkey.value,
    vouchedBy: isAttested || known?.vouchedBy === 'ak' ? 'ak' : 'log',
    enrolled: old.enrolled,
    old: event.old,
    statements: [...(known?.statements ?? []), event.envelope],
    isContested: false,
    ...(known?.revoked !== undefined && { revoked: known.revoked }),
  });
}

function successorsOf(logs: ReadonlyMap<string, KnownLog>): ReadonlyMap<string, readonly string[]> {
  const found = new Map<string, string[]>();
  for (const [name, { old }] of logs) if (old !== undefined) found.set(old, [...(found.get(old) ?? []), name]);
  return found;
}

function forksOf(logs: ReadonlyMap<string, KnownLog>, chosen: ReadonlyMap<string, string>): readonly string[] {
  return [...successorsOf(logs)]
    .filter(([old, all]) => all.length > 1 && !all.includes(chosen.get(old) ?? ''))
    .map(([old]) => old);
}

/** Logs stand in the order in which they came, so a predecessor is judged before whoever follows it. */
function contested(
  logs: ReadonlyMap<string, KnownLog>,
  chosen: ReadonlyMap<string, string>,
  forks: readonly string[],
): ReadonlyMap<string, KnownLog> {
  const judged = new Map<string, KnownLog>();
  for (const [name, log] of logs) {
    const { old } = log;
    const pick = old === undefined ? undefined : chosen.get(old);
    const isBranch = old !== undefined && (forks.includes(old) || (pick !== undefined && pick !== name));
    const isContested = isBranch || (old !== undefined && judged.get(old)?.isContested === true);
    judged.set(name, { ...log, isContested });
  }
  return judged;
}

/** The record in force: the newest. */
export function newestRecord(state: GatewayState): EnrolledRecord | undefined {
  return state.records.at(-1);
}

export function classRank(tpmClass: TpmClass): number {
  return { software: 0, emulated: 1, hardware: 2 }[tpmClass];
}

/** Whether this very statement is in the history. */
export function holdsStatement(state: GatewayState, envelope: Envelope): boolean {
  const text = utf8(formatEnvelope(envelope));
  return [...state.logs.values()].some(({ statements }) =>
    statements.some((each) => equalBytes(utf8(formatEnvelope(each)), text)),
  );
}

/** The record that waits, as it would be signed. */
export function draftOf(event: EventOf<'pending'>): Uint8Array {
  const bytes = unbase64(event.draft);
  assert(bytes !== undefined, 'a stored draft is base64');
  return bytes;
}
