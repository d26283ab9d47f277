/**
 * Where a batch belongs among what is held of its log. Pure: spans in, pieces out.
 */
import { assert } from '../../base/assert.ts';
import type { Frontier } from '../../evidence/log/tree.ts';

/** Entries [first, end.size) and the tree after them. */
export interface Span {
  readonly first: number;
  readonly end: Frontier;
}

export type Piece =
  /** These entries are held: their hashes must equal ours. */
  | { readonly kind: 'compare'; readonly from: number; readonly to: number }
  /** These are new. `opens`: nothing that is held ends where they begin. */
  | { readonly kind: 'append'; readonly from: number; readonly to: number; readonly opens: boolean };

/**
 * The span whose tree tells the tree at `first`: it holds the entry before `first`, or begins there. Of two that touch,
 * the one that goes on. Undefined when the entries below `first` are missing.
 */
export function spanAt(spans: readonly Span[], first: number): Span | undefined {
  return spans.findLast((span) => span.first <= first && first <= span.end.size);
}

/** What to do with entries [first, end): a row of pieces without gaps. */
export function splitRange(spans: readonly Span[], first: number, end: number): readonly Piece[] {
  assert(first < end, 'a range is not empty');
  const pieces: Piece[] = [];
  let at = first;
  while (at < end) {
    const holder = spans.find((span) => span.first <= at && at < span.end.size);
    if (holder !== undefined) {
      const to = Math.min(end, holder.end.size);
      pieces.push({ kind: 'compare', from: at, to });
      at = to;
      continue;
    }
    const opens = !spans.some((span) => span.end.size === at);
    const next = spans.find((span) => span.first > at);
    const to = Math.min(end, next?.first ?? end);
    pieces.push({ kind: 'append', from: at, to, opens });
    at = to;
  }
  return pieces;
}

/** The spans after entries [before.size, after.size) were added. Spans that touch become one. */
export function growSpans(spans: readonly Span[], from: number, after: Frontier): readonly Span[] {
  const sorted = [...spans, { first: from, end: after }].sort((a, b) => a.first - b.first);
  const grown: Span[] = [];
  for (const span of sorted) {
    const last = grown.at(-1);
    if (last !== undefined && last.end.size === span.first)
      grown[grown.length - 1] = { first: last.first, end: span.end };
    else grown.push(span);
  }
  return grown;
}

/** Entries that are missing below what is held: [from, to) each. */
export function holesOf(spans: readonly Span[]): readonly { readonly from: number; readonly to: number }[] {
  let at = 0;
  const holes: { readonly from: number; readonly to: number }[] = [];
  for (const span of spans) {
    if (span.first > at) holes.push({ from: at, to: span.first });
    at = span.end.size;
  }
  return holes;
}

/**
 * The span up to whose end everything is held from entry 0 on, but for holes that end at or below `acceptedBelow`: what
 * may be receipted. Undefined when that is nothing.
 */
export function receiptableSpan(spans: readonly Span[], acceptedBelow: number): Span | undefined {
  let at = 0;
  let reached: Span | undefined;
  for (const span of spans) {
    if (span.first > at && span.first > acceptedBelow) break;
    reached = span;
    at = span.end.size;
  }
  return reached;
}

/** Where entries are wanted next: the end of the lowest span before a hole, else the end of everything. */
export function wantedFirst(spans: readonly Span[]): number {
  return holesOf(spans)[0]?.from ?? spans.at(-1)?.end.size ?? 0;
}
