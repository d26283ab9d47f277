/** What the second edition of the facts asks for otherwise, and that facts of the first are decided again as they were. */
import { expect, test } from 'vitest';
import { factsSchema } from '../../../src/risk/decision/facts-schema.ts';
import { contradiction, DAY_MS, decided, facts, NOW_MS, parcel, recent } from './support.ts';

const HOUR_MS = DAY_MS / 24;

test.for([
  ['hard', 'HOLD', 'REVIEW'],
  ['soft', 'REVIEW', 'REVIEW'],
] as const)('C04, %s: asks for %s, and before for %s', ([severity, now, then]) => {
  const one = facts({
    refund: { kind: 'not_received' },
    parcels: [parcel({ contradictions: [contradiction('C04', { severity, leg: 'forward' })] })],
  });
  const asks = (edition?: 2) =>
    decided({ ...one, ...(edition && { edition }) }).reasons.find(({ code }) => code === 'C04')?.outcome;
  expect([asks(2), asks()]).toEqual([now, then]);
  expect(factsSchema.safeParse({ ...one, edition: 2 }).success).toBe(true);
  expect(factsSchema.safeParse({ ...one, edition: 1 }).success).toBe(false);
});

// Poisson: at least 3 where 0.5 are usual, 14,388 in a million; where 0.0208 are, 1.5 in a million.
test.for([
  [24 * HOUR_MS, false, false],
  [HOUR_MS, true, false],
] as const)('R01b: what is usual is of the window of %d ms: %j, and before: %j', ([velocity_window_ms, now, then]) => {
  const others = ['r-a', 'r-b'].map((id, i) => recent(id, (i + 1) * 60_000, 20_000));
  const one = facts({
    refund: { amount_minor: 20_000, requested_at_ms: NOW_MS },
    operator: { recent: others, usual_per_day_milli: 500 },
  });
  const fires = (edition?: 2) =>
    decided({ ...one, ...(edition && { edition }) }, { velocity_window_ms }).rules.some(
      ({ code, hit }) => code === 'R01b' && hit,
    );
  expect([fires(2), fires()]).toEqual([now, then]);
});
