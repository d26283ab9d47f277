/**
 * A door episode as evidence: which signals it gives for what it is said to be, and what in it contradicts itself.
 *
 * A signal that was not there is no signal; only what was watched and did not happen speaks against.
 */
import type { JsonObject } from '../../evidence/event/event.ts';
import type { Contradiction, Signal } from '../decision/facts.ts';
import type { LedgerEntry } from './inputs.ts';
import type { Placed } from './order.ts';

const SHORT_MS = 2_000;
const LONG_MS = 600_000;
const WEIGHT_LEAST_G = 50;
/** Per cent of what was expected: within is agreement, beyond is another parcel. */
const WEIGHT_AGREES_PCT = 5;
const WEIGHT_HARD_PCT = 25;
/** An empty parcel weighs no more than its packaging and a fifth of what was in it. */
const EMPTY_PCT = 20;

export interface Expected {
  readonly weightG?: number;
  readonly packagingG?: number;
}

export interface EpisodeEvidence {
  readonly signals: readonly Signal[];
  readonly contradictions: readonly Omit<Contradiction, 'leg'>[];
}

export type Direction = 'in' | 'out';

export function readEpisode(
  placed: Placed<LedgerEntry>,
  direction: Direction,
  expected: Expected,
  ofReturn: boolean,
): EpisodeEvidence {
  const { event, ref } = placed.input;
  const { data } = event;
  const against = list(data['contradictions']);
  const found: Omit<Contradiction, 'leg'>[] = [];
  const add = (code: Contradiction['code'], severity: Contradiction['severity'], innocent?: string): void =>
    void found.push({ code, severity, events: [ref], ...(innocent !== undefined && { innocent }) });
  const weight = weightOf(data, direction);
  const verdict = weight === undefined ? undefined : judgeWeight(weight, expected, ofReturn);
  found.push(...weightContradictions(verdict, ref));
  if (against.includes('shut_but_empty')) add('C03', 'hard');
  if (against.includes('already_occupied')) add('C10', 'hard');
  const openMs = openOf(data);
  if (openMs !== undefined && (openMs.most < SHORT_MS || openMs.least > LONG_MS)) add('C19', 'soft');
  if (placed.input.photoSeen === true) add('C17', 'hard');
  const blind = data['blind_ms'];
  if (typeof blind === 'number' && blind > 0) add('C08', 'soft');
  const signals = [
    ...scanSignal(data),
    ...doorSignal(data, openMs),
    ...occupancySignal(data, direction),
    ...(verdict === undefined ? [] : [['weight', verdict.says] as const]),
    ...personSignal(data),
    ...(typeof data['photo'] === 'string'
      ? [['photo', placed.input.photoSeen === true ? 'contradicts' : 'supports'] as const]
      : []),
  ];
  return { signals: signals.map(([name, says]) => signalOf(placed, name, says)), contradictions: found };
}

export function signalOf(placed: Placed, name: Signal['name'], says: Signal['says']): Signal {
  const { input, clock } = placed;
  const level = input.kind === 'entry' ? input.level : (input.level ?? 'declared');
  return { name, says, level, clock: input.kind === 'entry' ? clock : 'synced', event: input.ref };
}

type Says = readonly [Signal['name'], Signal['says']];

function scanSignal(data: JsonObject): readonly Says[] {
  const scans = Array.isArray(data['scans']) ? data['scans'] : [];
  const sound = scans.some(
    (scan) => isObject(scan) && scan['parcel'] !== undefined && scan['quarantined'] === undefined,
  );
  return sound ? [['scan', 'supports']] : [];
}

function doorSignal(data: JsonObject, openMs: Open | undefined): readonly Says[] {
  const door = data['door'];
  if (!isObject(door) || door['opened'] === undefined || door['closed'] === undefined) return [];
  const implausible = openMs !== undefined && (openMs.most < SHORT_MS || openMs.least > LONG_MS);
  return implausible ? [] : [['door', 'supports']];
}

function occupancySignal(data: JsonObject, direction: Direction): readonly Says[] {
  const { item_before: before, item_after: after } = data;
  const wanted = direction === 'in';
  if (after === undefined) return [];
  if (after !== wanted) return [['occupancy', 'contradicts']];
  return before === !wanted ? [['occupancy', 'supports']] : [];
}

function personSignal(data: JsonObject): readonly Says[] {
  const access = data['access'];
  if (!isObject(access)) return [];
  const { method } = access;
  if (typeof method !== 'string') return [];
  return [[method.includes('credential') ? 'credential' : 'code', 'supports']];
}

/** What was put in or taken out, in grams. */
function weightOf(data: JsonObject, direction: Direction): number | undefined {
  const { weight_before_g: before, weight_after_g: after } = data;
  if (typeof before !== 'number' || typeof after !== 'number') return undefined;
  return direction === 'in' ? after - before : before - after;
}

export interface WeightVerdict {
  readonly says: Signal['says'];
  /** It contradicts by far. */
  readonly hard: boolean;
  /** No more than the packaging of a return. */
  readonly empty: boolean;
}

/** Undefined where nobody said what it should weigh. */
export function judgeWeight(
  grams: number,
  { weightG, packagingG }: Expected,
  ofReturn: boolean,
): WeightVerdict | undefined {
  if (weightG === undefined) return undefined;
  const off = Math.abs(grams - weightG);
  const tolerance = Math.max(WEIGHT_LEAST_G, Math.floor((weightG * WEIGHT_AGREES_PCT) / 100));
  const packed = packagingG ?? 0;
  const empty = ofReturn && grams * 100 <= packed * 100 + (weightG - packed) * EMPTY_PCT && off > tolerance;
  const hard = off > tolerance && off * 100 > weightG * WEIGHT_HARD_PCT;
  return { says: off <= tolerance ? 'supports' : 'contradicts', hard, empty };
}

export function weightContradictions(
  verdict: WeightVerdict | undefined,
  ref: string,
): readonly Omit<Contradiction, 'leg'>[] {
  if (verdict === undefined || verdict.says === 'supports') return [];
  if (verdict.empty) return [{ code: 'C05', severity: 'hard', events: [ref] }];
  return [{ code: 'C04', severity: verdict.hard ? 'hard' : 'soft', events: [ref] }];
}

interface Open {
  readonly least: number;
  readonly most: number;
}

function openOf(data: JsonObject): Open | undefined {
  const door = data['door'];
  if (!isObject(door)) return undefined;
  const { open_min_ms: least, open_max_ms: most } = door;
  return typeof least === 'number' && typeof most === 'number' ? { least, most } : undefined;
}

export function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
