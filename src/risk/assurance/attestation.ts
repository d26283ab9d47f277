/**
 * What one stored entry says about anchors, verified once and kept as JSON: so that a log's history is judged anew with
 * every anchor, and no signature is checked twice.
 */
import { z } from 'zod';
import { base64, unbase64, utf8Text } from '../../base/bytes.ts';
import type { AnchorTrust } from '../../evidence/anchor/anchor.ts';
import { HistoryCollector } from '../../evidence/anchor/collect.ts';
import type { LogHistory, SeenAnchor } from '../../evidence/anchor/history.ts';
import type { EvidenceCrypto } from '../../evidence/crypto.ts';
import type { CustodyEvent } from '../../evidence/event/event.ts';

/** Of `LogHistory`, without what is held. */
export type Attested = Pick<LogHistory, 'anchors' | 'starts' | 'times' | 'opening'>;

/** The root that the stored tree of a log has at a size, if it is known. */
export type RootAt = (origin: string, size: number) => Uint8Array | undefined;

export function readAttested(
  crypto: EvidenceCrypto,
  trust: AnchorTrust,
  place: { readonly origin: string; readonly n: number; readonly event: CustodyEvent },
  rootAt: RootAt,
): Attested {
  const collector = new HistoryCollector(crypto, trust, place.origin, rootAt);
  collector.entry(place.n, place.event);
  return collector.history();
}

/** Undefined for what cannot be read. */
export function eventOf(leaf: Uint8Array): CustodyEvent | undefined {
  try {
    return JSON.parse(utf8Text(Uint8Array.from(leaf)) ?? '') as CustodyEvent;
  } catch {
    return undefined;
  }
}

/** The tree that an `anchor.made` is over, by its own word. */
export function anchoredTree(event: CustodyEvent): { readonly origin: string; readonly size: number } | undefined {
  const { size, log } = event.data;
  if (event.type !== 'anchor.made' || typeof size !== 'number' || !Number.isSafeInteger(size)) return undefined;
  return { origin: typeof log === 'string' ? log : (event.carried?.log ?? event.log), size };
}

const count = z.int().min(0);
const decimal = z.string().regex(/^\d{1,20}$/);
const big = decimal.transform((text) => BigInt(text));
const bytes = z.string().transform((text, context) => {
  const value = unbase64(text);
  if (value === undefined) context.addIssue({ code: 'custom', message: 'base64', input: text });
  return value ?? new Uint8Array();
});
const placeSchema = z.strictObject({ log: z.string(), index: count });

const anchorSchema = z.strictObject({
  counter: count,
  clock: big,
  resetCount: count,
  restartCount: count,
  safe: z.boolean(),
  firmwareVersion: big,
  origin: z.string(),
  size: count,
  root: bytes,
  places: z.array(placeSchema),
  tree: z.enum(['same', 'other', 'unknown']),
});

const startSchema = z.strictObject({
  log: z.string(),
  index: count,
  clean: z.boolean(),
  endedCleanly: z.boolean().exactOptional(),
  resets: z.number().exactOptional(),
  restarts: z.number().exactOptional(),
});

const timeSchema = z.strictObject({
  log: z.string(),
  index: count,
  time: big,
  clock: big,
  resetCount: count,
  restartCount: count,
});

const openingSchema = z.strictObject({
  log: z.string(),
  after: z.strictObject({ log: z.string(), cause: z.string(), size: z.number().exactOptional() }).exactOptional(),
  counter: z.strictObject({ expected: z.number().exactOptional(), found: z.number() }).exactOptional(),
});

const attestedSchema = z.strictObject({
  anchors: z.array(anchorSchema),
  starts: z.array(startSchema),
  times: z.array(timeSchema),
  opening: openingSchema.exactOptional(),
});

export function formatAttested({ anchors, starts, times, opening }: Attested): string {
  const spelled = {
    anchors: anchors.map((anchor) => ({ ...anchor, root: base64(anchor.root) })),
    starts,
    times,
    ...(opening !== undefined && { opening }),
  };
  return JSON.stringify(spelled, (_, value: unknown) => (typeof value === 'bigint' ? `${value}` : value));
}

/** Throws on what `formatAttested` did not write. */
export function parseAttested(value: unknown): Attested {
  return attestedSchema.parse(value);
}

export function isEmpty({ anchors, starts, times, opening }: Attested): boolean {
  return anchors.length + starts.length + times.length === 0 && opening === undefined;
}

/** Against the tree as it is held now: it may have been missing when the anchor was read. */
export function joined(anchor: SeenAnchor, root: Uint8Array | undefined): SeenAnchor {
  if (anchor.tree !== 'unknown' || root === undefined) return anchor;
  return { ...anchor, tree: base64(root) === base64(anchor.root) ? 'same' : 'other' };
}
