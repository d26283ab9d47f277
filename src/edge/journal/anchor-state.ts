/**
 * What the disk knows of anchors, beside the anchors themselves: an open intent, the counter's last value, where the
 * newest anchor stands. A saved state of the journal: the open log's record holds it, and the next log takes it along.
 */
import { z } from 'zod';
import { base64url, unbase64url } from '../../base/bytes.ts';
import type { AnchorIntent } from '../contracts/anchor-store.ts';

/** The name of the saved state. */
export const ANCHOR_STATE = 'anchor';

export interface AnchorState {
  readonly intent?: AnchorIntent;
  /** Value of the newest finished anchor, or the one that an entry 0 found. */
  readonly last?: number;
  /** The newest anchor of this gateway, and where its entry stands. */
  readonly made?: { readonly origin: string; readonly size: number; readonly log: string; readonly index: number };
  /** What was left of the wear budget at the last intent. */
  readonly tokens?: number;
}

const count = z.int().min(0);
const root = z.string().transform((text, context) => {
  const bytes = unbase64url(text);
  if (bytes?.length === 32) return bytes;
  context.addIssue({ code: 'custom', message: 'expected 32 bytes of base64url' });
  return z.NEVER;
});

const schema = z.strictObject({
  v: z.literal(1),
  intent: z.strictObject({ origin: z.string(), size: count, root, counter: count }).exactOptional(),
  last: count.exactOptional(),
  made: z.strictObject({ origin: z.string(), size: count, log: z.string(), index: count }).exactOptional(),
  tokens: z.number().min(0).exactOptional(),
});

export function formatAnchorState(state: AnchorState): string {
  const spelled = (_key: string, item: unknown) => (item instanceof Uint8Array ? base64url(item) : item);
  return JSON.stringify({ v: 1, ...state }, spelled);
}

/** Undefined for a text of another version: nothing is known then. */
export function parseAnchorState(text: string): AnchorState | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  const parsed = schema.safeParse(value);
  if (!parsed.success) return undefined;
  const { v: _version, ...state } = parsed.data;
  return state;
}

/** What entry 0 of a log says of the counter; `expected` is absent when this disk knew nothing. */
export interface CounterFound {
  readonly expected?: number;
  readonly found: number;
}

/** What opening a log makes of the counter's value: its entry 0, and the state that goes on in it. */
export interface CounterAtOpening {
  readonly counter: CounterFound;
  readonly intentDropped?: { readonly log: string; readonly size: number; readonly counter: number };
  readonly state: AnchorState;
}

/**
 * A finishable intent, whose value was reached or is the next, stays. With any other value counting goes on from what was
 * found, and the intent is named and dropped. `expected` overrides what the state says: a breach was found with it.
 */
export function counterAtOpening(state: AnchorState, found: number, expected?: number): CounterAtOpening {
  const { intent, last, ...rest } = state;
  if (intent !== undefined && expected === undefined && (found === intent.counter || found === intent.counter - 1)) {
    return { counter: { expected: found, found }, state };
  }
  const said = expected ?? (intent === undefined ? last : (last ?? intent.counter - 1));
  const dropped = intent && { log: intent.origin, size: intent.size, counter: intent.counter };
  return {
    counter: { ...(said !== undefined && { expected: said }), found },
    ...(dropped && { intentDropped: dropped }),
    state: { ...rest, last: found },
  };
}
