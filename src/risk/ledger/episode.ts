/**
 * A door episode as evidence: which signals it gives for what it is said to be, and what in it contradicts itself.
 *
 * A signal that was not there is no signal; only what was watched and did not happen speaks against.
 */
import type { JsonObject } from '../../evidence/event/event.ts';
import type { Contradiction, Signal } from '../decision/facts.ts';
import type { LedgerEntry } from './inputs.ts';
import type { Placed } from './order.ts';
import type { LedgerSettings } from './settings.ts';

/** Of a scale's own deviation. */
const SIGMAS = 3;

export interface Expected {
  /** As it was declared. */
  readonly weightG?: number;
  /** As it was weighed when a courier took it over: what was declared may be wrong, and then this counts. */
  readonly handedOverG?: number;
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
  settings: LedgerSettings,
): EpisodeEvidence {
  const { event, ref, gateway } = placed.input;
  const { data } = event;
  const against = list(data['contradictions']);
  const found: Omit<Contradiction, 'leg'>[] = [];
  const add = (code: Contradiction['code'], severity: Contradiction['severity'], innocent?: string): void =>
    void found.push({ code, severity, events: [ref], ...(innocent !== undefined && { innocent }) });
  const weight = weightOf(data, direction);
  const verdict = weight === undefined ? undefined : judgeWeight(weight, expected, ofReturn, settings, gateway);
  found.push(...weightContradictions(verdict, ref));
  if (against.includes('shut_but_empty')) add('C03', 'hard');
  if (against.includes('already_occupied')) add('C10', 'hard');
  const openMs = openOf(data);
  // Shorter ones leave out what they hid: a door or a weight that nobody saw is no signal. Of entries that are missing from a log
  // the fold knows nothing: for those the refund waits (R15), a day, and is looked at again when they come.
  const { door_short_ms, door_long_s, blind_s } = settings;
  if (openMs !== undefined && (openMs.most < door_short_ms || openMs.least > door_long_s * 1_000)) add('C19', 'soft');
  if (placed.input.photoSeen === true) add('C17', 'hard');
  const blind = data['blind_ms'];
  if (typeof blind === 'number' && blind > 0 && blind >= blind_s * 1_000) add('C08', 'soft');
  const signals = [
    ...scanSignal(data),
    ...doorSignal(data, openMs, settings),
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

/** Who puts a parcel in, or takes it out, needs a moment for it, and no more than a few. */
function doorSignal(
  data: JsonObject,
  openMs: Open | undefined,
  { door_plausible_least_ms, door_plausible_most_s }: LedgerSettings,
): readonly Says[] {
  const door = data['door'];
  if (!isObject(door) || door['opened'] === undefined || door['closed'] === undefined) return [];
  const implausible =
    openMs !== undefined && (openMs.most < door_plausible_least_ms || openMs.least > door_plausible_most_s * 1_000);
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

/**
 * Undefined where nobody said what it should weigh. `gateway`: on whose scale; of a warehouse's no deviation is known.
 */
export function judgeWeight(
  grams: number,
  { weightG: declaredG, handedOverG, packagingG }: Expected,
  ofReturn: boolean,
  { weight_least_g, weight_agrees_pct, weight_hard_pct, empty_pct, scale_sigma_g }: LedgerSettings,
  gateway?: string,
): WeightVerdict | undefined {
  const weightG = handedOverG ?? declaredG;
  if (weightG === undefined) return undefined;
  const off = Math.abs(grams - weightG);
  // Own members alone: a gateway may be called "constructor".
  const sigmaG = gateway !== undefined && Object.hasOwn(scale_sigma_g, gateway) ? (scale_sigma_g[gateway] ?? 0) : 0;
  const tolerance = Math.max(weight_least_g, Math.floor((weightG * weight_agrees_pct) / 100), SIGMAS * sigmaG);
  const packed = packagingG ?? 0;
  const empty = ofReturn && grams * 100 <= packed * 100 + (weightG - packed) * empty_pct && off > tolerance;
  const hard = off > tolerance && off * 100 > weightG * weight_hard_pct;
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
