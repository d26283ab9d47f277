/** The book of visits as custody's snapshot holds it. */
import { z } from 'zod';
import type { JsonObject } from '../../evidence/event/event.ts';
import type { Visit } from '../contracts/visit.ts';
import {
  ASSIGNMENTS_MAX,
  type Assignment,
  type ExpectedVisit,
  leftOf,
  type MaintenanceWindow,
  type VisitBook,
  WINDOW_COMPARTMENTS_MAX,
  WINDOWS_MAX,
} from './visit-book.ts';

const count = z.int().min(0);
const name = z.string().max(64);
export const parcelSchema = z.strictObject({ ref: z.string().max(256), scheme: z.string().max(32) });
const actorKind = z.enum(['courier', 'recipient', 'technician', 'operator', 'service']);
export const actorSchema = z.strictObject({ kind: actorKind, ref: name });
export const errandKind = z.enum(['deposit', 'collect', 'return', 'remove']);
const end = { left_ms: count, until_ms: z.int().exactOptional() };

export const visitsSchema = z.strictObject({
  assignments: z
    .array(
      z.strictObject({
        actor_kind: actorKind,
        actor_ref: name.exactOptional(),
        compartment: name,
        id: name,
        kind: errandKind,
        parcel: parcelSchema,
        ...end,
      }),
    )
    .max(ASSIGNMENTS_MAX),
  expected: z.array(
    z.strictObject({
      actor: actorSchema.exactOptional(),
      boot: count,
      compartment: name,
      kind: errandKind.exactOptional(),
      method: name,
      parcel: parcelSchema.exactOptional(),
      up_ms: count,
    }),
  ),
  windows: z
    .array(
      z.strictObject({
        actor: actorSchema,
        compartments: z.array(name).max(WINDOW_COMPARTMENTS_MAX),
        id: name,
        reason: z.string().max(120).exactOptional(),
        ticket: name.exactOptional(),
        ...end,
      }),
    )
    .max(WINDOWS_MAX),
});

type Saved = z.infer<typeof visitsSchema>;

/** With ends as they stood when the snapshot was taken, at an `atUpMs` of 0. */
export interface RestoredVisits {
  readonly assignments: readonly Assignment[];
  readonly windows: readonly MaintenanceWindow[];
  readonly visits: readonly ExpectedVisit[];
}

/** Undefined while the book is empty. */
export function visitsJson(book: VisitBook, upMs: number, number: (boot: number) => number): JsonObject | undefined {
  const { assignments, visits, windows } = book;
  if (assignments.length + visits.length + windows.length === 0) return undefined;
  const saved: Saved = {
    assignments: assignments.map(({ actorKind: kindOf, actorRef, compartment, id, kind, parcel, end: until }) => ({
      actor_kind: kindOf,
      ...(actorRef !== undefined && { actor_ref: actorRef }),
      compartment,
      id,
      kind,
      parcel: { ...parcel },
      ...leftOf(until, upMs),
    })),
    expected: visits.map(({ boot, visit }) => expectedJson(visit, number(boot))),
    windows: windows.map(({ actor, compartments, end: until, id, reason, ticket }) => ({
      actor: { ...actor },
      compartments: [...compartments],
      id,
      ...(reason !== undefined && { reason }),
      ...(ticket !== undefined && { ticket }),
      ...leftOf(until, upMs),
    })),
  };
  return saved;
}

function expectedJson(visit: Visit, boot: number): Saved['expected'][number] {
  const { actor, compartment, kind, method, observedUpMs, parcel } = visit;
  return {
    ...(actor !== undefined && { actor: { ...actor } }),
    boot,
    compartment,
    ...(kind !== undefined && { kind }),
    method,
    ...(parcel !== undefined && { parcel: { ...parcel } }),
    up_ms: observedUpMs,
  };
}

export function visitsOf(saved: Saved, nameable: (boot: number) => number): RestoredVisits {
  const endOf = (from: { readonly left_ms: number; readonly until_ms?: number }) => {
    return { leftMs: from.left_ms, atUpMs: 0, wallMs: from.until_ms };
  };
  return {
    assignments: saved.assignments.map((each) => ({
      id: each.id,
      compartment: each.compartment,
      parcel: each.parcel,
      kind: each.kind,
      actorKind: each.actor_kind,
      actorRef: each.actor_ref,
      end: endOf(each),
    })),
    windows: saved.windows.map(({ actor, compartments, id, reason, ticket, ...until }) => {
      return { id, actor, compartments, reason, ticket, end: endOf(until) };
    }),
    visits: saved.expected.map(({ boot, up_ms: observedUpMs, ...visit }) => {
      return { visit: { ...visit, observedUpMs, untilUpMs: 0 }, boot: nameable(boot) };
    }),
  };
}
