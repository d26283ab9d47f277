import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { askDueMs, askedNow, gapIsOffered } from '../../../src/risk/intake/asking.ts';
import {
  growSpans,
  holesOf,
  receiptableSpan,
  type Span,
  spanAt,
  splitRange,
  wantedFirst,
} from '../../../src/risk/intake/placing.ts';

const span = (first: number, end: number): Span => ({ first, end: { size: end, roots: [] } });
const shown = (spans: readonly Span[]): readonly (readonly [number, number])[] =>
  spans.map((each) => [each.first, each.end.size]);

/** What is held, by a set of indices: a second, naive opinion. */
const holdings = fc.uniqueArray(fc.nat(40), { maxLength: 30 });

function spansOf(held: readonly number[]): readonly Span[] {
  let spans: readonly Span[] = [];
  for (const n of held) spans = growSpans(spans, n, { size: n + 1, roots: [] });
  return spans;
}

describe('placing', () => {
  test('spans are what is held, joined where they touch, whatever the order in which it came', () => {
    fc.assert(
      fc.property(holdings, (held) => {
        const indices = spansOf(held).flatMap((each) =>
          Array.from({ length: each.end.size - each.first }, (_, i) => each.first + i),
        );
        expect(indices).toEqual([...held].sort((a, b) => a - b));
        for (const [i, each] of spansOf(held).entries()) expect(each.first).not.toBe(spansOf(held)[i - 1]?.end.size);
      }),
    );
  });

  test('a range is cut into what is held and what is new, without gap or overlap', () => {
    let cuts = 0;
    fc.assert(
      fc.property(holdings, fc.nat(40), fc.integer({ min: 1, max: 20 }), (held, first, length) => {
        const pieces = splitRange(spansOf(held), first, first + length);
        const covered = pieces.flatMap((piece) =>
          Array.from({ length: piece.to - piece.from }, (_, i) => piece.from + i),
        );
        expect(covered).toEqual(Array.from({ length }, (_, i) => first + i));
        for (const piece of pieces) {
          for (let n = piece.from; n < piece.to; n += 1) expect(held.includes(n)).toBe(piece.kind === 'compare');
          if (piece.kind === 'append') expect(piece.opens).toBe(!held.includes(piece.from - 1));
        }
        cuts = Math.max(cuts, pieces.length);
      }),
    );
    expect(cuts).toBeGreaterThan(3);
  });

  test('holes, wanted and receiptable are told from the bottom', () => {
    const spans = [span(0, 5), span(10, 20), span(30, 40)];
    expect(holesOf(spans)).toEqual([
      { from: 5, to: 10 },
      { from: 20, to: 30 },
    ]);
    expect(wantedFirst(spans)).toBe(5);
    expect(wantedFirst([span(0, 7)])).toBe(7);
    expect(wantedFirst([])).toBe(0);
    expect(wantedFirst([span(3, 7)])).toBe(0);
    expect(receiptableSpan(spans, 0)?.end.size).toBe(5);
    expect(receiptableSpan(spans, 10)?.end.size).toBe(20);
    expect(receiptableSpan(spans, 29)?.end.size).toBe(20);
    expect(receiptableSpan(spans, 30)?.end.size).toBe(40);
    expect(receiptableSpan([span(3, 7)], 0)).toBeUndefined();
    expect(shown([spanAt(spans, 5) ?? span(0, 0)])).toEqual([[0, 5]]);
    expect(spanAt(spans, 7)).toBeUndefined();
    expect(spanAt(spans, 10)?.first).toBe(10);
  });
});

describe('asking', () => {
  test('another place may be asked for after 10 s, the same one ever later', () => {
    let asked = askedNow(undefined, 5, 1_000);
    expect(askDueMs(undefined, 5)).toBe(0);
    expect(askDueMs(asked, 6)).toBe(11_000);
    const waits: number[] = [];
    for (let i = 0; i < 8; i += 1) {
      const due = askDueMs(asked, 5);
      waits.push(due - asked.atMs);
      asked = askedNow(asked, 5, due);
    }
    expect(waits).toEqual([10_000, 20_000, 40_000, 80_000, 160_000, 320_000, 320_000, 320_000]);
    expect(askedNow(asked, 9, 0)).toEqual({ first: 9, count: 1, atMs: 0 });
  });

  test('a gap is offered only for the place that was asked for twice', () => {
    const once = askedNow(undefined, 5, 0);
    const twice = askedNow(once, 5, 10_000);
    expect([gapIsOffered(undefined, 0), gapIsOffered(once, 5), gapIsOffered(twice, 5), gapIsOffered(twice, 6)]).toEqual(
      [false, false, true, false],
    );
  });
});
