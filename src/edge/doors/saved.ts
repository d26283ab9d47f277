/**
 * What of openings must survive a restart: the intents that were on their way, and the ids that were used. It is stored in
 * the transaction of the entries that led to it, so that neither is ahead of the other.
 */
import { z } from 'zod';
import type { Actor } from '../../evidence/event/event.ts';
import type { DoorsState } from './machine.ts';

const idSchema = z.string().max(64);
const pendingSchema = z.strictObject({
  id: idSchema,
  compartment: z.string().max(64),
  actor: z.strictObject({
    kind: z.enum(['courier', 'recipient', 'technician', 'operator', 'service']),
    ref: z.string().max(64),
  }),
});
const savedSchema = z.strictObject({
  v: z.literal(1),
  pending: z.array(pendingSchema).max(4_096),
  recent: z.array(idSchema).max(4_096),
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
}

export function formatSaved(state: DoorsState): string {
  const pending = state.intents.map(({ id, request }) => ({
    id,
    compartment: request.compartment,
    actor: { kind: request.actor.kind, ref: request.actor.ref },
  }));
  return JSON.stringify({ v: 1, pending, recent: state.recent });
}

/** Undefined for what is none: then nothing is known to be on its way. */
export function parseSaved(text: string): SavedDoors | undefined {
  try {
    const { data } = savedSchema.safeParse(JSON.parse(text));
    return data;
  } catch {
    return undefined;
  }
}
