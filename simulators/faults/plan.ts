/**
 * The fault plan: which faults befall which emission of a line, and what then arrives. Pure.
 *
 * Every decision depends on the seed, the line's name and the number of the emission alone, so a plan replays itself
 * whatever the timing of a run was. `held` is the only thing that is carried from one emission to the next.
 */
import { concatBytes } from '../../src/base/bytes.ts';
import { type Dice, diceOf } from '../dice.ts';
import { LINE_FAULTS, type LineFault } from './kinds.ts';

export interface FaultSettings {
  readonly seed: number;
  /** Probability of each fault per emission; absent means never. */
  readonly rates: Readonly<Partial<Record<LineFault, number>>>;
  /** Faults that happen at exactly these emissions of the line, counted from 0, whatever the dice say. */
  readonly exactly: readonly { readonly emission: number; readonly fault: LineFault }[];
  /** How long after its time a late reply comes. Above the master's reply timeout, or it is not late. */
  readonly lateMs: number;
  /** How long a cable stays unplugged. */
  readonly unplugMs: number;
}

export interface Emission {
  readonly what: 'reply' | 'report' | 'scan';
  readonly bytes: Uint8Array;
  /** The request that a reply answers. */
  readonly request?: Uint8Array;
  /** How many bytes at the end are the scanner's suffix. */
  readonly suffixBytes?: number;
}

export interface Delivery {
  /** After the moment at which the emission was complete on the wire. */
  readonly afterMs: number;
  readonly bytes: Uint8Array;
}

export interface FaultState {
  readonly emission: number;
  /** Bytes that wait in the adapter for the next emission. */
  readonly held: Uint8Array;
}

export interface Outcome {
  readonly state: FaultState;
  readonly deliveries: readonly Delivery[];
  /** Faults that took effect, each at most once. */
  readonly faults: readonly LineFault[];
  /** The cable goes out after the last delivery, for this long. */
  readonly unplugMs?: number;
}

export const NO_BYTES = new Uint8Array(0);
export const FIRST_EMISSION: FaultState = { emission: 0, held: NO_BYTES };
export const NO_FAULTS: FaultSettings = { seed: 0, rates: {}, exactly: [], lateMs: 1_500, unplugMs: 500 };

/** An adapter that merges gives up what it holds after this time at the latest. */
export const HOLD_MAX_MS = 400;
const CHUNK_PAUSE_MAX_MS = 12;
const NOISE_BYTES_MAX = 8;
const LOST_BYTES_MAX = 3;

export function planEmission(settings: FaultSettings, line: string, state: FaultState, emission: Emission): Outcome {
  const dice = diceOf(settings.seed, line, state.emission);
  const chosen = choose(settings, state.emission, dice);
  const happened = new Set<LineFault>();
  const next = (held: Uint8Array): FaultState => ({ emission: state.emission + 1, held });

  if (emission.what === 'reply' && chosen.has('no_reply')) {
    return { state: next(state.held), deliveries: [], faults: ['no_reply'] };
  }
  const damaged = damage(emission, chosen, happened, dice);
  if (chosen.has('unplug') && damaged.length > 0) {
    const cutBytes = damaged.subarray(0, dice.int(damaged.length));
    const deliveries = arriving(concatBytes(state.held, cutBytes), 0);
    return { state: next(NO_BYTES), deliveries, faults: [...happened, 'unplug'], unplugMs: settings.unplugMs };
  }
  const holds = emission.what === 'scan' ? chosen.has('merge') || chosen.has('glued_scans') : chosen.has('merge');
  if (holds && state.held.length === 0) {
    happened.add(chosen.has('glued_scans') && emission.what === 'scan' ? 'glued_scans' : 'merge');
    return { state: next(damaged), deliveries: [], faults: [...happened] };
  }
  const afterMs = emission.what === 'reply' && chosen.has('late_reply') ? settings.lateMs : 0;
  if (afterMs > 0) happened.add('late_reply');
  const whole = concatBytes(state.held, damaged);
  const deliveries = chosen.has('split') ? split(whole, afterMs, happened, dice) : arriving(whole, afterMs);
  return { state: next(NO_BYTES), deliveries, faults: [...happened] };
}

/** Gives up what an adapter held when nothing followed. */
export function releaseHeld(state: FaultState): { readonly state: FaultState; readonly bytes: Uint8Array } {
  return { state: { ...state, held: NO_BYTES }, bytes: state.held };
}

function choose(settings: FaultSettings, emission: number, dice: Dice): ReadonlySet<LineFault> {
  const chosen = new Set<LineFault>();
  // Every kind throws, also those with rate 0: a changed rate must not shift the throws of the others.
  for (const fault of LINE_FAULTS) if (dice.next() < (settings.rates[fault] ?? 0)) chosen.add(fault);
  for (const exact of settings.exactly) if (exact.emission === emission) chosen.add(exact.fault);
  return chosen;
}

function damage(emission: Emission, chosen: ReadonlySet<LineFault>, happened: Set<LineFault>, dice: Dice): Uint8Array {
  let bytes = emission.bytes;
  const suffixBytes = emission.suffixBytes ?? 0;
  if (emission.what === 'scan' && suffixBytes > 0 && (chosen.has('missing_suffix') || chosen.has('glued_scans'))) {
    bytes = bytes.subarray(0, bytes.length - suffixBytes);
    if (chosen.has('missing_suffix')) happened.add('missing_suffix');
  }
  if (chosen.has('bit_flip') && bytes.length > 0) {
    bytes = flipBit(bytes, dice);
    happened.add('bit_flip');
  }
  if (chosen.has('lost_bytes') && bytes.length > 0) {
    const count = Math.min(bytes.length, 1 + dice.int(LOST_BYTES_MAX));
    const at = dice.int(bytes.length - count + 1);
    bytes = concatBytes(bytes.subarray(0, at), bytes.subarray(at + count));
    happened.add('lost_bytes');
  }
  if (chosen.has('noise')) {
    const at = dice.int(bytes.length + 1);
    bytes = concatBytes(bytes.subarray(0, at), dice.bytes(1 + dice.int(NOISE_BYTES_MAX)), bytes.subarray(at));
    happened.add('noise');
  }
  if (chosen.has('echo') && emission.request !== undefined) {
    bytes = concatBytes(emission.request, bytes);
    happened.add('echo');
  }
  return bytes;
}

function flipBit(bytes: Uint8Array, dice: Dice): Uint8Array {
  const flipped = bytes.slice();
  const at = dice.int(bytes.length);
  flipped[at] = (flipped[at] ?? 0) ^ (1 << dice.int(8));
  return flipped;
}

function split(bytes: Uint8Array, afterMs: number, happened: Set<LineFault>, dice: Dice): readonly Delivery[] {
  if (bytes.length < 2) return arriving(bytes, afterMs);
  happened.add('split');
  const deliveries: Delivery[] = [];
  let atMs = afterMs;
  for (let at = 0; at < bytes.length; ) {
    // The first cut always falls inside, or nothing was split.
    const left = bytes.length - at;
    const size = at === 0 ? 1 + dice.int(left - 1) : 1 + dice.int(left);
    deliveries.push({ afterMs: atMs, bytes: bytes.subarray(at, at + size) });
    at += size;
    atMs += 1 + dice.int(CHUNK_PAUSE_MAX_MS);
  }
  return deliveries;
}

function arriving(bytes: Uint8Array, afterMs: number): readonly Delivery[] {
  return bytes.length === 0 ? [] : [{ afterMs, bytes }];
}
