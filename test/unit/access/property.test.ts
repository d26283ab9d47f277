/** Whatever is typed, granted, revoked and cut off, in whatever order: each use opens a door once at most. */

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ManualScheduler } from '../../../src/base/manual-scheduler.ts';
import { attempted, granted, type LockoutRule, lockedFor, NO_FAILURES } from '../../../src/edge/access/lockout.ts';
import { makeTempDir } from '../../support/temp-dir.ts';
import { AccessTable } from './bench.ts';

type Step =
  | { readonly do: 'type'; readonly code: number }
  | { readonly do: 'revoke'; readonly code: number }
  | { readonly do: 'wait'; readonly ms: number }
  | { readonly do: 'cut' };

const CODES = ['10000001', '10000002', '10000003'] as const;
const USES = [1, 2, 1] as const;

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ do: fc.constant('type' as const), code: fc.integer({ min: 0, max: 3 }) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('revoke' as const), code: fc.integer({ min: 0, max: 2 }) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.integer({ min: 0, max: 700_000 }) }) },
  { weight: 2, arbitrary: fc.constant({ do: 'cut' as const }) },
);

test('no code opens more doors than it has uses, none after its revocation or its end, whatever is cut off', async () => {
  let opened = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 25 }), async (steps) => {
      const dir = makeTempDir('access');
      const frames = new Map<string, number>();
      const over = new Set<string>();
      let runMs = 0;
      /** A restart gives back what was not written down: at most a minute. */
      let cuts = 0;
      const start = (path: string): AccessTable =>
        new AccessTable({
          dir: path,
          scheduler: new ManualScheduler(),
          open: async ({ compartment }) => {
            frames.set(compartment, (frames.get(compartment) ?? 0) + 1);
            opened += 1;
            expect(over.has(compartment)).toBe(false);
            return { kind: 'opened', tookMs: 1 };
          },
        });
      let table = start(dir.path);
      for (const [i, code] of CODES.entries()) {
        await table.grant(code, { compartments: [code], usesMax: USES[i] ?? 1, endsAtRunMs: 1_500_000 });
      }
      for (const each of steps) {
        const code = CODES[each.do === 'type' || each.do === 'revoke' ? each.code : 0] ?? '99999999';
        if (each.do === 'type') await table.type(code);
        else if (each.do === 'revoke') {
          table.store.revoke(`${code}-id`);
          over.add(code);
        } else if (each.do === 'wait') {
          table.scheduler.advance(each.ms);
          runMs += each.ms;
          if (runMs >= 1_500_000 + cuts * 60_000) for (const all of CODES) over.add(all);
        } else {
          cuts += 1;
          table = start(table.cut());
        }
      }
      for (const [i, code] of CODES.entries()) expect(frames.get(code) ?? 0).toBeLessThanOrEqual(USES[i] ?? 1);
      table.store.close();
      dir.remove();
    }),
    { numRuns: 12 },
  );
  expect(opened).toBeGreaterThan(10);
});

const RULE: LockoutRule = { free: 5, firstMs: 10_000, maxMs: 3_600_000, forgiveMs: 600_000 };

test('whoever guesses as fast as he may is let try little more than once in the time that forgives one guess', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 900_000 }), { minLength: 200, maxLength: 400 }), (pauses) => {
      let guard = NO_FAILURES;
      let nowMs = 0;
      let tries = 0;
      for (const pause of pauses) {
        nowMs += pause;
        if (lockedFor(guard, nowMs) > 0) nowMs += lockedFor(guard, nowMs);
        guard = attempted(guard, nowMs, RULE);
        tries += 1;
      }
      // Ten doublings reach the longest lock.
      expect(tries).toBeLessThanOrEqual(RULE.free + 10 + nowMs / RULE.forgiveMs + 1);
    }),
    { numRuns: 100 },
  );
});

test('a granted attempt leaves the guard as it was, and no lock is ever longer than the longest', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 40 }), fc.integer({ min: 0, max: 1e9 }), (failures, nowMs) => {
      let guard = NO_FAILURES;
      for (let i = 0; i < failures; i += 1) guard = attempted(guard, nowMs, RULE);
      expect(lockedFor(guard, nowMs)).toBeLessThanOrEqual(RULE.maxMs);
      const after = granted(attempted(guard, nowMs, RULE), guard);
      expect(after.failures).toBe(guard.failures);
      expect(after.lockedUntilMs).toBe(guard.lockedUntilMs);
    }),
  );
});
