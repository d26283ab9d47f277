import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ManualScheduler } from '../../../src/base/manual-scheduler.ts';
import {
  type ClockStep,
  createClockWatch,
  firstLook,
  lookAtClock,
  STEP_THRESHOLD_MS,
} from '../../../src/edge/clock/clock-watch.ts';

function watched(): {
  readonly scheduler: ManualScheduler;
  readonly steps: ClockStep[];
  stop(): void;
  src(to: 'ntp'): void;
} {
  const scheduler = new ManualScheduler(Date.UTC(1970, 0, 1));
  const steps: ClockStep[] = [];
  let src: 'none' | 'ntp' = 'none';
  const watch = createClockWatch({ scheduler, claim: () => ({ src }), onStep: (step) => steps.push(step) });
  watch.start();
  return {
    scheduler,
    steps,
    stop: watch.stop,
    src: (to) => {
      src = to;
    },
  };
}

describe('the clock watch', () => {
  test('from 1970 to now, five years ahead and back: each step is said with its size and both times', () => {
    const { scheduler, steps, src } = watched();
    scheduler.advance(60_000);
    const toNow = Date.UTC(2026, 10, 22) - Date.UTC(1970, 0, 1);
    const fiveYears = 5 * 365 * 86_400_000;
    src('ntp');
    for (const by of [toNow, fiveYears, -fiveYears]) {
      scheduler.stepWall(by);
      scheduler.advance(60_000);
    }
    expect(steps.map((step) => step.byMs)).toEqual([toNow, fiveYears, -fiveYears]);
    expect(steps[0]).toMatchObject({
      beforeWallMs: 61_000,
      afterWallMs: toNow + 61_000,
      fromSrc: 'none',
      toSrc: 'ntp',
    });
  });

  test('a second, and a third, within ten seconds are said together', () => {
    const { scheduler, steps } = watched();
    scheduler.advance(60_000);
    scheduler.stepWall(5_000);
    scheduler.advance(1_500);
    scheduler.stepWall(3_000);
    scheduler.advance(2_000);
    scheduler.stepWall(-1_000);
    scheduler.advance(30_000);
    expect(steps.map((step) => step.byMs)).toEqual([5_000, 2_000]);
  });

  test('there and back within the gathering is no second step', () => {
    const { scheduler, steps } = watched();
    scheduler.advance(60_000);
    scheduler.stepWall(5_000);
    scheduler.advance(1_500);
    scheduler.stepWall(3_000);
    scheduler.advance(1_500);
    scheduler.stepWall(-3_000);
    scheduler.advance(30_000);
    expect(steps.map((step) => step.byMs)).toEqual([5_000]);
  });

  test('slewing at the fastest rate of any client is no step', () => {
    const { scheduler, steps } = watched();
    for (let second = 0; second < 600; second += 1) {
      scheduler.stepWall(83);
      scheduler.advance(1_000);
    }
    expect(steps).toEqual([]);
  });

  test('after stop nothing is looked at', () => {
    const { scheduler, steps, stop } = watched();
    stop();
    scheduler.stepWall(1_000_000);
    scheduler.advance(60_000);
    expect(steps).toEqual([]);
    expect(scheduler.pending).toBe(0);
  });

  test('what is said adds up to how far the clock went, but for what is still gathered or below the threshold', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: -20_000, max: 20_000 }), { maxLength: 40 }), (jumps) => {
        let wallMs = 1_000_000;
        let state = firstLook({ wallMs, monotonicMs: 0, src: 'ntp' });
        let said = 0;
        let expected = 0;
        const quiet = Array.from({ length: 12 }, () => 0);
        for (const [index, jump] of [...jumps, ...quiet].entries()) {
          wallMs += 1_000 + jump;
          if (Math.abs(jump) >= STEP_THRESHOLD_MS) expected += jump;
          const looked = lookAtClock(state, { wallMs, monotonicMs: (index + 1) * 1_000, src: 'ntp' });
          state = looked.state;
          said += looked.step?.byMs ?? 0;
        }
        expect(Math.abs(expected - said)).toBeLessThan(STEP_THRESHOLD_MS);
      }),
    );
  });
});
