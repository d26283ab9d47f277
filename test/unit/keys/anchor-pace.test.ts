import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type AnchorAsk, anchorDue, PACE_DEFAULTS } from '../../../src/edge/keys/anchor-schedule.ts';
import { counterStep } from '../../../src/edge/keys/counter-step.ts';
import {
  expectedLifeYears,
  fullBucket,
  keptBucket,
  spend,
  tokensAt,
  WEAR_DEFAULTS,
  type WearState,
  waitForToken,
} from '../../../src/edge/keys/wear-budget.ts';

const pace = { ...PACE_DEFAULTS, wear: WEAR_DEFAULTS };
const DAY_MS = 86_400_000;

function ask(over: Partial<AnchorAsk>): AnchorAsk {
  const nowMs = over.nowMs ?? 0;
  return {
    unanchored: 'entries',
    edge: undefined,
    lastMs: undefined,
    startMs: 0,
    wear: fullBucket(WEAR_DEFAULTS, nowMs),
    nowMs,
    ...over,
  };
}

describe('when an anchor is due', () => {
  test('nothing new, nothing due, not even at a stop', () => {
    expect(anchorDue(pace, ask({ unanchored: undefined, edge: 'stop' }))).toEqual({ kind: 'none' });
  });

  test.each([
    ['a parcel before any anchor', { unanchored: 'parcel', nowMs: 5 }, { kind: 'now' }],
    [
      'a parcel 4 s after an anchor',
      { unanchored: 'parcel', lastMs: 1_000, nowMs: 5_000 },
      { kind: 'in', ms: 6_000, because: 'pace' },
    ],
    ['a parcel 10 s after an anchor', { unanchored: 'parcel', lastMs: 1_000, nowMs: 11_000 }, { kind: 'now' }],
    ['entries at 14 minutes', { lastMs: 0, nowMs: 840_000 }, { kind: 'in', ms: 60_000, because: 'pace' }],
    ['entries at 15 minutes', { lastMs: 0, nowMs: 900_000 }, { kind: 'now' }],
    [
      'only signs of life at 15 minutes',
      { unanchored: 'idle', nowMs: 900_000 },
      { kind: 'in', ms: 20_700_000, because: 'pace' },
    ],
    ['only signs of life at 6 hours', { unanchored: 'idle', nowMs: 21_600_000 }, { kind: 'now' }],
    ['a stop right after an anchor', { unanchored: 'idle', edge: 'stop', lastMs: 0, nowMs: 1 }, { kind: 'now' }],
  ] as const)('%s', (_, over, due) => {
    expect(anchorDue(pace, ask(over))).toEqual(due);
  });

  test('in an empty bucket even a parcel waits, and says why', () => {
    const wear: WearState = { tokens: 0, atMs: 0 };
    const due = anchorDue(pace, ask({ unanchored: 'parcel', wear }));
    expect(due).toEqual({ kind: 'in', ms: Math.ceil((365 * DAY_MS) / 50_000), because: 'wear' });
  });

  test('the timer leaves the last half of the bucket to parcels and starts', () => {
    const wear: WearState = { tokens: 500, atMs: 900_000 };
    const timer = anchorDue(pace, ask({ wear, nowMs: 900_000 }));
    expect(timer).toMatchObject({ kind: 'in', because: 'wear' });
    expect(anchorDue(pace, ask({ wear, nowMs: 900_000, unanchored: 'parcel' }))).toEqual({ kind: 'now' });
    expect(anchorDue(pace, ask({ wear, nowMs: 900_000, edge: 'start' }))).toEqual({ kind: 'now' });
  });
});

describe('the wear budget', () => {
  test('whatever is asked for whenever, a year spends no more than the budget and one bucket', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.record({
            afterMs: fc.integer({ min: 0, max: 10 * DAY_MS }),
            parcel: fc.boolean(),
            times: fc.integer({ min: 1, max: 400 }),
          }),
          {
            maxLength: 60,
          },
        ),
        (asks) => {
          let state = fullBucket(WEAR_DEFAULTS, 0);
          let nowMs = 0;
          let spent = 0;
          for (const { afterMs, parcel, times } of asks) {
            nowMs += afterMs;
            for (let i = 0; i < times; i += 1) {
              if (waitForToken(WEAR_DEFAULTS, state, parcel ? 'urgent' : 'routine', nowMs) > 0) break;
              state = spend(WEAR_DEFAULTS, state, nowMs);
              spent += 1;
            }
          }
          expect(spent).toBeLessThanOrEqual(1_000 + (50_000 * nowMs) / (365 * DAY_MS));
        },
      ),
    );
  });

  test('a token that was waited for is there', () => {
    fc.assert(
      fc.property(
        fc.double({ min: 0, max: 1_000, noNaN: true }),
        fc.constantFrom('urgent', 'routine'),
        (tokens, urgency) => {
          const state: WearState = { tokens, atMs: 7 };
          const waitMs = waitForToken(WEAR_DEFAULTS, state, urgency, 7);
          expect(waitForToken(WEAR_DEFAULTS, state, urgency, 7 + waitMs)).toBe(0);
        },
      ),
    );
  });

  test('a restart refills nothing, and what was stored wrongly is brought into bounds', () => {
    expect(tokensAt(WEAR_DEFAULTS, keptBucket(WEAR_DEFAULTS, 3, 9_000), 9_000)).toBe(3);
    expect(keptBucket(WEAR_DEFAULTS, 1e9, 0).tokens).toBe(1_000);
    expect(keptBucket(WEAR_DEFAULTS, -4, 0).tokens).toBe(0);
  });

  test('at the full budget a chip lasts ten years', () => {
    expect(expectedLifeYears(50_000, 365 * DAY_MS)).toBeCloseTo(9);
    expect(expectedLifeYears(1, (365 * DAY_MS) / 50_000)).toBeCloseTo(10, 3);
    expect(expectedLifeYears(0, DAY_MS)).toBe(Number.POSITIVE_INFINITY);
  });
});

describe('counter and intent', () => {
  const intent = { origin: 'lockers.example/gw-0001/1-00000000', size: 9, root: new Uint8Array(32), counter: 12 };

  test.each([
    ['cut after step 2', intent, 11, 11, { kind: 'increment' }],
    ['cut after step 3 or 4', intent, 11, 12, { kind: 'certify' }],
    ['a counter above the intent', intent, 11, 13, { kind: 'breach', expected: 11, found: 13 }],
    ['a counter below the intent', intent, 11, 10, { kind: 'breach', expected: 11, found: 10 }],
    ['at rest', undefined, 12, 12, { kind: 'idle' }],
    ['before the first anchor', undefined, undefined, 5, { kind: 'idle' }],
    ['a counter that moved without us', undefined, 12, 13, { kind: 'breach', expected: 12, found: 13 }],
    ['a disk restored from a copy', undefined, 12, 40, { kind: 'breach', expected: 12, found: 40 }],
  ] as const)('%s', (_, open, last, found, step) => {
    expect(counterStep(open, last, found)).toEqual(step);
  });
});
