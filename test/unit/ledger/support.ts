/** Entries as gateways write them, with what a test is about changed. */
import type { CustodyEvent, JsonObject } from '../../../src/evidence/event/event.ts';
import type { Contradiction } from '../../../src/risk/decision/facts.ts';
import { foldLedger, type ParcelLedger } from '../../../src/risk/ledger/fold.ts';
import type { Claim, ClaimBody, LedgerEntry, LedgerInput, Surroundings } from '../../../src/risk/ledger/inputs.ts';

/** 2026-11-22T09:00:00Z. */
export const START_MS = 1_795_338_000_000;
export const MINUTE_MS = 60_000;
export const HOUR_MS = 60 * MINUTE_MS;
export const PARCEL = { ref: 'k1.AAAAAAAAAAAAAAAAAAAAAA', scheme: 'sscc' };

export interface EntryOptions extends Partial<Omit<LedgerEntry, 'event' | 'kind'>> {
  readonly minute?: number;
  readonly compartment?: string;
  readonly event?: Partial<CustodyEvent>;
}

export function entry(n: number, type: string, data: JsonObject = {}, options: EntryOptions = {}): LedgerEntry {
  const { minute = n, compartment = 'A01', event, ...more } = options;
  const gateway = more.gateway ?? 'gw-1';
  const origin = `lockers.example/${gateway}/1-9f2c01aa`;
  const whole: CustodyEvent = {
    v: 1,
    log: origin,
    n,
    salt: 'AAAAAAAAAAAAAAAAAAAAAA',
    type,
    at: new Date(START_MS + minute * MINUTE_MS).toISOString(),
    clock: { src: 'ntp', err_ms: 20 },
    boot: 1,
    up_ms: minute * MINUTE_MS,
    device: 'board-1',
    compartment,
    parcel: PARCEL,
    data,
    ...event,
  };
  return { kind: 'entry', ref: `${origin}#${n}`, gateway, log: 1, n, level: 'A2', ...more, event: whole };
}

let claims = 0;

export function claim(minute: number, body: ClaimBody): Claim {
  claims += 1;
  return { kind: 'claim', ref: `wms:${claims}`, at_ms: START_MS + minute * MINUTE_MS, body };
}

const DOOR = {
  opened: { from_ms: 1, to_ms: 2 },
  closed: { from_ms: 3, to_ms: 4 },
  open_min_ms: 8_000,
  open_max_ms: 9_000,
};
const SCANS = [{ device: 'scanner-1', parcel: { ...PARCEL }, up_ms: 1 }];

/** What an episode with every sensor says. */
export const PUT_IN: JsonObject = {
  closed_by: 'door_shut',
  door: DOOR,
  scans: SCANS,
  item_before: false,
  item_after: true,
  weight_before_g: 0,
  weight_after_g: 1_000,
  access: { method: 'code', up_ms: 1 },
};
export const TAKEN_OUT: JsonObject = {
  closed_by: 'door_shut',
  door: DOOR,
  item_before: true,
  item_after: false,
  weight_before_g: 1_000,
  weight_after_g: 0,
  access: { method: 'code', up_ms: 1 },
};

export function without(data: JsonObject, ...names: readonly string[]): JsonObject {
  return Object.fromEntries(Object.entries(data).filter(([name]) => !names.includes(name)));
}

export const declared = (): Claim => claim(-60, { what: 'declared', weight_g: 1_000, packaging_g: 100 });
export const deposit = (n = 1, data: JsonObject = PUT_IN, options: EntryOptions = {}): LedgerEntry =>
  entry(n, 'parcel.deposited', data, options);
export const collect = (n = 10, data: JsonObject = TAKEN_OUT, options: EntryOptions = {}): LedgerEntry =>
  entry(n, 'parcel.collected', data, options);

export function ledger(
  inputs: readonly LedgerInput[],
  around: Surroundings = {},
  asOfMs = START_MS + 24 * HOUR_MS,
): ParcelLedger {
  return foldLedger(PARCEL.ref, inputs, asOfMs, around);
}

export function found(of: ParcelLedger): readonly string[] {
  return of.facts.contradictions.filter(({ innocent }) => innocent === undefined).map(({ code }) => code);
}

export function excused(of: ParcelLedger): readonly Contradiction[] {
  return of.facts.contradictions.filter(({ innocent }) => innocent !== undefined);
}
