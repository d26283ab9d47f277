/**
 * What of openings must survive a restart: the intents that were on their way, the ids that were used, and the openings
 * that count for the rates. It is stored in the transaction of the entries that led to it, so that neither is ahead of
 * the other.
 *
 * How long the box was off nobody knows for certain, so an opening is as old at the next start as it was when it was
 * written: a restart gives no rate back, and costs at most the minute that the rates look back.
 */
import { z } from 'zod';
import type { Actor } from '../../evidence/event/event.ts';
import { type Openings, recentOpenings } from './limits.ts';
import type { DoorsState } from './machine.ts';

const idSchema = z.string().max(64);
const actorSchema = z.strictObject({
  kind: z.enum(['courier', 'recipient', 'technician', 'operator', 'service']),
  ref: z.string().max(64),
});
const openingSchema = z.strictObject({
  age_ms: z.int().min(0),
  compartment: z.string().max(64),
  actor: z.string().max(96),
});
const pendingSchema = z.strictObject({
  id: idSchema,
  compartment: z.string().max(64),
  actor: actorSchema,
});
const savedSchema = z.strictObject({
  v: z.literal(1),
  pending: z.array(pendingSchema).max(4_096),
  recent: z.array(idSchema).max(4_096),
  /** Absent in what version 0.1 wrote. */
  openings: z.array(openingSchema).max(4_096).default([]),
});

/** Named, and no more: what is left of it is only to say how it ended. */
export interface PendingIntent {
  readonly id: string;
  readonly compartment: string;
  readonly actor: Actor;
}

export interface SavedDoors {
  readonly pending: readonly PendingIntent[];
  readonly recent: readonly string[];
  readonly openings: Openings;
}

export function formatSaved(state: DoorsState, nowMs: number): string {
  const pending = state.intents.map(({ id, request }) => ({
    id,
    compartment: request.compartment,
    actor: { kind: request.actor.kind, ref: request.actor.ref },
  }));
  const openings = recentOpenings(state.openings, nowMs).map(({ atMs, compartment, actor }) => ({
    age_ms: Math.max(0, Math.floor(nowMs - atMs)),
    compartment,
    actor,
  }));
  return JSON.stringify({ v: 1, pending, recent: state.recent, openings });
}

/** Undefined for what is none: then nothing is known to be on its way. `nowMs` is the time of this start. */
export function parseSaved(text: string, nowMs: number): SavedDoors | undefined {
  try {
    const { data } = savedSchema.safeParse(JSON.parse(text));
    return (
      data && { ...data, openings: data.openings.map(({ age_ms, ...rest }) => ({ ...rest, atMs: nowMs - age_ms })) }
    );
  } catch {
    return undefined;
  }
}
