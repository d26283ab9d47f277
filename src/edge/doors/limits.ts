/** How often doors may be opened: the openings of the last minute, by compartment, by actor and in all. Time is an input. */
import type { DoorsSettings } from './settings.ts';

export const WINDOW_MS = 60_000;

export interface Opening {
  readonly atMs: number;
  readonly compartment: string;
  readonly actor: string;
}

export type Openings = readonly Opening[];

/** Those that still count. */
export function recentOpenings(openings: Openings, nowMs: number): Openings {
  return openings.filter(({ atMs }) => nowMs - atMs < WINDOW_MS);
}

/** With one more, or undefined when that is one too many. Never longer than the limit of the site. */
export function withOpening(
  openings: Openings,
  next: Opening,
  limits: DoorsSettings['per_minute'],
): Openings | undefined {
  const recent = recentOpenings(openings, next.atMs);
  const ofCompartment = recent.filter(({ compartment }) => compartment === next.compartment).length;
  const byActor = recent.filter(({ actor }) => actor === next.actor).length;
  if (recent.length >= limits.site || ofCompartment >= limits.compartment || byActor >= limits.actor) return undefined;
  return [...recent, next];
}
