/**
 * The thresholds of the ledger: from when on what was seen agrees, or contradicts. They are proposals, to be set by whoever
 * knows the site; a fold under others is another fold, and decisions of before keep the facts that they were made of.
 */
import { z } from 'zod';

/** As MQTT topics and logs name them. */
const gatewayId = z.string().min(1).max(64);
const span = (fallback: number, least: number, most: number) => z.int().min(least).max(most).default(fallback);

export const ledgerSchema = z
  .strictObject({
    door_plausible_least_ms: span(3_000, 0, 60_000).describe(
      'a door that was open for less speaks for nothing: nobody puts a parcel in',
    ),
    door_plausible_most_s: span(120, 10, 3_600).describe('nor does one that was open for longer'),
    door_short_ms: span(2_000, 0, 60_000).describe('a door that was open for less is noted as implausible (C19)'),
    door_long_s: span(600, 10, 86_400).describe('and so is one that was open for longer'),
    weight_least_g: span(50, 0, 10_000).describe('a weight that differs by no more agrees, whatever it is'),
    weight_agrees_pct: span(5, 0, 100).describe('and so does one that differs by no more of what was expected'),
    weight_hard_pct: span(25, 1, 1_000).describe('one that differs by more is another parcel (C04, hard)'),
    scale_sigma_g: z
      .record(gatewayId, z.int().min(0).max(100_000))
      .default({})
      .describe('standard deviation of the scales of a gateway, where it is known: three of them agree, too'),
    empty_pct: span(20, 0, 100).describe(
      'a return of no more than its packaging and so much of the item is empty (C05)',
    ),
    several_parcels: z
      .array(gatewayId)
      .max(10_000)
      .default([])
      .describe(
        'gateways whose compartments may hold several parcels: a second deposit there contradicts nothing (C10)',
      ),
    blind_s: span(1_800, 0, 86_400).describe(
      'a board that could not be read for as long while a parcel was put in or taken out leaves a gap (C08)',
    ),
    code_again_s: span(120, 0, 86_400).describe(
      'a spent code that is tried again at once is of somebody who waits for the door; later it is abuse (C13)',
    ),
    geofence_m: span(150, 1, 100_000).describe(
      'a delivery that was confirmed from further away, its accuracy taken off, was not made there (C14)',
    ),
    geofence_locker_m: span(100, 1, 100_000).describe('the same of a delivery into a locker'),
    accuracy_most_m: span(100, 1, 100_000).describe('a position that is no better says nothing'),
    road_kmh: span(150, 1, 10_000).describe('faster than this nothing gets from one locker to another (C09)'),
    any_kmh: span(900, 1, 10_000).describe('and nothing at all, by whatever way'),
    flight_least_km: span(1_000, 1, 40_000).describe(
      'so far apart a parcel may fly: between the two speeds it is noted, and nobody is held for it',
    ),
    separation_least_m: span(2_000, 0, 1_000_000).describe('places that are no further apart are one'),
    receipt_due_h: span(72, 1, 8_760).describe('a return that a courier took is overdue at the warehouse (C20)'),
    receipt_late_h: span(168, 1, 8_760).describe('and lost'),
  })
  .prefault({});

export type LedgerSettings = z.output<typeof ledgerSchema>;

export const LEDGER_DEFAULTS: LedgerSettings = ledgerSchema.parse({});
