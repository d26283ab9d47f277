/** What must hold of the grade, whatever the signals are. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Contradiction, Level, Signal } from '../../../src/risk/decision/facts.ts';
import { GRADES, gradeOf, LEVEL_WEIGHT } from '../../../src/risk/decision/grade.ts';
import { GROUPS, SIGNAL_NAMES } from '../../../src/risk/decision/signals.ts';
import { contradiction, signal, wholeDeposit } from './support.ts';

const LEVELS = Object.keys(LEVEL_WEIGHT) as readonly Level[];
const anySignal: fc.Arbitrary<Signal> = fc.record({
  name: fc.constantFrom(...SIGNAL_NAMES),
  says: fc.constantFrom('supports', 'supports', 'supports', 'contradicts'),
  level: fc.constantFrom(...LEVELS),
  clock: fc.constantFrom('synced', 'fair', 'free', 'rollback'),
  event: fc.integer({ min: 1, max: 12 }).map((n) => `lockers.example/gw/1-00000000#${n}`),
});
const some = fc.array(anySignal, { maxLength: 14 });
const rank = (signals: readonly Signal[], against: readonly Contradiction[] = []): number =>
  GRADES.indexOf(gradeOf(signals, against).grade);

describe('the grade', () => {
  test('support never lowers it, and what speaks against never raises it', () => {
    fc.assert(
      fc.property(some, anySignal, (signals, more) => {
        const [before, after] = [gradeOf(signals, []), gradeOf([...signals, more], [])];
        if (more.says === 'supports') {
          expect(after.mdb).toBeGreaterThanOrEqual(before.mdb);
          expect(rank([...signals, more])).toBeGreaterThanOrEqual(rank(signals));
        } else {
          expect(after.mdb).toBeLessThanOrEqual(before.mdb);
          expect(rank([...signals, more])).toBeLessThanOrEqual(rank(signals));
        }
      }),
    );
  });

  test('order and repetition change nothing', () => {
    fc.assert(
      fc.property(some, fc.array(fc.nat()), (signals, order) => {
        const shuffled = [...signals].sort(
          (a, b) => (order[signals.indexOf(a)] ?? 0) - (order[signals.indexOf(b)] ?? 0),
        );
        expect(gradeOf([...shuffled, ...signals], [])).toEqual(gradeOf(signals, []));
      }),
    );
  });

  test('a weaker key or clock never raises it, and takes nothing from what speaks against', () => {
    fc.assert(
      fc.property(some, fc.constantFrom(...LEVELS), (signals, level) => {
        const weaker = signals.map((one) => (LEVEL_WEIGHT[level] < LEVEL_WEIGHT[one.level] ? { ...one, level } : one));
        expect(gradeOf(weaker, []).mdb).toBeLessThanOrEqual(gradeOf(signals, []).mdb);
        const rolled = signals.map((one) => ({ ...one, clock: 'rollback' as const }));
        expect(gradeOf(rolled, []).mdb).toBeLessThanOrEqual(gradeOf(signals, []).mdb);
      }),
    );
    const against = signal('weight', { says: 'contradicts', level: 'unsigned', clock: 'rollback' });
    expect(gradeOf([against], []).mdb).toBe(-14_000);
  });

  test('no group counts above its cap, and what is missing is no contradiction', () => {
    fc.assert(
      fc.property(some, (signals) => {
        for (const { group, mdb } of gradeOf(signals, []).groups)
          expect(mdb).toBeLessThanOrEqual(GROUPS[group].capDb * 1_000);
      }),
    );
    expect(gradeOf([], [])).toEqual({ grade: 'NONE', mdb: 0, groups: [] });
  });

  test('what speaks against counts from the cap down, once in a group, and one event by its best word', () => {
    const of = (...signals: readonly Signal[]) => gradeOf(signals, []).mdb;
    const scans = [1, 2, 3].map(() => signal('scan'));
    expect(of(...scans)).toBe(6_000);
    const against = signal('scan', { says: 'contradicts' });
    expect(of(...scans, against)).toBe(3_000);
    expect(of(against, signal('scan', { says: 'contradicts' }))).toBe(-3_000);
    const twice = signal('weight');
    expect(of({ ...twice, level: 'A0' }, twice)).toBe(10_000);
  });

  test('a hard contradiction makes it contradicted; a soft one, or one that is explained, leaves it', () => {
    const grade = (more: Partial<Contradiction>) => gradeOf(wholeDeposit(), [contradiction('C04', more)]).grade;
    expect([grade({}), grade({ severity: 'soft' }), grade({ innocent: 'a wrong declared weight' })]).toEqual([
      'CONTRADICTED',
      'STRONG',
      'STRONG',
    ]);
  });

  test('every grade is reached by somebody, in the order of what is seen', () => {
    const grades = [
      gradeOf([], [contradiction('C07')]).grade,
      gradeOf([signal('scan')], []).grade,
      gradeOf([signal('door')], []).grade,
      gradeOf([signal('door'), signal('occupancy')], []).grade,
      gradeOf(wholeDeposit(), []).grade,
    ];
    expect(grades).toEqual(GRADES);
  });

  test('all sensors under a software key are moderate, unsigned ones are nothing', () => {
    // 3 + 6 + 10 + 8 + 6 = 33 dB; times 0.4 are 13.2, times 0.1 are 3.3.
    expect(gradeOf(wholeDeposit('A0'), [])).toMatchObject({ grade: 'MODERATE', mdb: 13_200 });
    expect(gradeOf(wholeDeposit('A1'), [])).toMatchObject({ grade: 'STRONG', mdb: 26_400 });
    expect(gradeOf(wholeDeposit('unsigned'), [])).toMatchObject({ grade: 'NONE', mdb: 3_300 });
  });

  test('messages of sources alone are weak, however many', () => {
    const messages = Array.from({ length: 20 }, (_, i) => signal('webhook', { level: 'declared', event: `wms:${i}` }));
    expect(gradeOf(messages, [])).toMatchObject({ grade: 'WEAK', mdb: 6_000 });
    expect(gradeOf([signal('received', { level: 'declared' })], []).grade).toBe('WEAK');
  });
});
