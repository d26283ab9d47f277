/** Clocks of holds and cases: what falls due when, and what a passed deadline does. */
import { describe, expect, test } from 'vitest';
import {
  caseClocks,
  caseStepsDue,
  deadlineEffect,
  holdClocks,
  holdStepsDue,
  nextCaseStep,
  nextHoldStep,
} from '../../../src/risk/casework/clocks.ts';
import { legalPolicySchema } from '../../../src/risk/casework/legal-policy.ts';
import { countedFrom } from '../../../src/risk/casework/refund-request.ts';
import type { Decision } from '../../../src/risk/decision/decision.ts';
import { decided, facts, parcel, signal } from '../decision/support.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const NOW_MS = Date.UTC(2026, 10, 22, 12);

/** As far as clocks look at it. */
function decisionOf(codes: readonly string[], more: Partial<Decision> = {}): Decision {
  const reasons = codes.map((code) => ({ code, outcome: 'HOLD', text: {}, events: [] }));
  const made = { outcome: 'HOLD', blocked: false, as_of_ms: NOW_MS, deadline_at_ms: NOW_MS + 2 * DAY_MS };
  return { ...made, next_check_at_ms: NOW_MS + DAY_MS, reasons, ...more } as unknown as Decision;
}

function clocksOf(decision = decisionOf(['C18']), kind: 'return' | 'goodwill' = 'return') {
  return { ...holdClocks(decision, kind, NOW_MS, 'eu', {}), steps: [] as readonly string[] };
}

describe('a hold', () => {
  test('ends 14 days after the request, as the directive says, unless the settings of the region say otherwise', () => {
    expect(clocksOf()).toMatchObject({
      deadline_at: new Date(NOW_MS + 14 * DAY_MS),
      answer_by: new Date(NOW_MS + 2 * DAY_MS),
      on_deadline: 'pay',
      basis: expect.stringContaining('2011/83/EU Art. 13'),
    });
    const policy = legalPolicySchema.parse({ uk: { return: { days: 30, basis: 'by policy' } } });
    expect(holdClocks(decisionOf([]), 'return', NOW_MS, 'uk', policy)).toMatchObject({
      deadline_at: new Date(NOW_MS + 30 * DAY_MS),
      on_deadline: 'pay',
      basis: 'by policy',
    });
    expect(holdClocks(decisionOf([]), 'return', NOW_MS, 'eu', policy).deadline_at).toEqual(
      new Date(NOW_MS + 14 * DAY_MS),
    );
  });

  test('asks for each thing at its moment, to the millisecond, and for each warning once', () => {
    const hold = clocksOf();
    expect(nextHoldStep(hold)).toEqual(new Date(NOW_MS + DAY_MS));
    expect(holdStepsDue(hold, NOW_MS + DAY_MS - 1)).toEqual([]);
    expect(holdStepsDue(hold, NOW_MS + DAY_MS)).toEqual(['check']);
    expect(holdStepsDue(hold, NOW_MS + 7 * DAY_MS)).toEqual(['half', 'unanswered', 'check']);
    const warned = { ...hold, steps: ['half', 'unanswered'], next_check_at: new Date(NOW_MS + 20 * DAY_MS) };
    expect(holdStepsDue(warned, NOW_MS + 7 * DAY_MS)).toEqual([]);
    expect(nextHoldStep(warned)).toEqual(new Date(NOW_MS + 14 * DAY_MS * 0.8));
    expect(holdStepsDue(warned, NOW_MS + 14 * DAY_MS)).toEqual(['late', 'deadline']);
  });

  test('is never looked at again within a minute, nor later than in a day', () => {
    const soon = holdClocks(decisionOf([], { next_check_at_ms: NOW_MS }), 'return', NOW_MS, 'eu', {});
    expect(soon.next_check_at).toEqual(new Date(NOW_MS + 60_000));
    const far = holdClocks(decisionOf([], { next_check_at_ms: NOW_MS + 9 * DAY_MS }), 'return', NOW_MS, 'eu', {});
    expect(far.next_check_at).toEqual(new Date(NOW_MS + DAY_MS));
  });
});

describe('a deadline that passed', () => {
  const ALONE = { pays: false, why: 'self_dealing' } as const;

  test.for([
    ['what may no longer be withheld is paid', decisionOf(['R01']), 'pay', { pays: true }],
    ['what can never be paid is not', decisionOf(['R06'], { blocked: true }), 'pay', { pays: false, why: 'blocked' }],
    ['nothing is paid on missing facts', decisionOf(['DEPENDENCY_DOWN']), 'pay', { pays: false, why: 'facts_missing' }],
    [
      'goods that nobody sent are waited for',
      decisionOf(['return_awaited']),
      'pay',
      { pays: false, why: 'goods_awaited' },
    ],
    ['what is asked for the own household only another person answers', decisionOf(['C24']), 'pay', ALONE],
    ['also where nothing is owed by law', decisionOf(['R01', 'C24']), 'escalate', ALONE],
    [
      'goods that are refunded out of another payment are not paid for twice by time',
      decisionOf(['refunded_by_other_payment']),
      'pay',
      { pays: false, why: 'refunded_before' },
    ],
    ['what one payment bounds is paid', decisionOf(['R12', 'refunded_in_parts']), 'pay', { pays: true }],
    [
      'what no law asks for is left to people',
      decisionOf(['goodwill_large']),
      'escalate',
      { pays: false, why: 'policy' },
    ],
  ] as const)('%s', ([, decision, onDeadline, effect]) => {
    expect(deadlineEffect(decision, facts(), onDeadline)).toEqual(effect);
  });

  const WAITED = { pays: false, why: 'goods_awaited' } as const;
  test.for([
    ['a return for which nothing but a claim speaks is waited for', 'R_IN_LOCKER', [], WAITED],
    ['so is one that the sensors contradict', 'R_IN_LOCKER', [signal('weight', { says: 'contradicts' })], WAITED],
    ['weak evidence of sending ends the waiting', 'R_IN_LOCKER', [signal('door')], { pays: true }],
    [
      'so does the warehouse that took it in, with nothing else',
      'R_RECEIVED',
      [signal('received', { level: 'declared', says: 'contradicts' })],
      { pays: true },
    ],
    [
      'but not the word of somebody who signs nothing',
      'R_RECEIVED',
      [signal('received', { level: 'unsigned' })],
      WAITED,
    ],
    ['what a courier took over was sent', 'R_WITH_COURIER', [], { pays: true }],
  ] as const)('%s', ([, state, signals, effect]) => {
    const of = facts({
      refund: { amount_minor: 60_000 },
      parcels: [parcel({ return: { ...parcel().return, state, signals } })],
    });
    expect(deadlineEffect(decided(of), of, 'pay')).toEqual(effect);
  });
});

describe('a case', () => {
  test('is contained within the hour and has its evidence within two days, with a warning before', () => {
    const open = { ...caseClocks(NOW_MS, HOUR_MS), contained_at: null, evidence_at: null, steps: [] };
    expect(nextCaseStep(open)).toEqual(new Date(NOW_MS + HOUR_MS / 2));
    expect(caseStepsDue(open, NOW_MS + HOUR_MS)).toEqual(['containment_half', 'containment_late']);
    const contained = { ...open, contained_at: new Date(NOW_MS + 5) };
    expect(caseStepsDue(contained, NOW_MS + DAY_MS)).toEqual(['evidence_due']);
    expect(caseStepsDue({ ...contained, steps: ['evidence_due'] }, NOW_MS + 2 * DAY_MS)).toEqual(['evidence_late']);
    expect(nextCaseStep({ ...contained, evidence_at: new Date(NOW_MS + 6) })).toBeNull();
  });
});

describe('the time that a request counts from', () => {
  const at = (ms: number): { readonly requested_at: string } => ({ requested_at: new Date(ms).toISOString() });

  test.for([
    ['as it says, up to an hour back', NOW_MS - HOUR_MS, NOW_MS - HOUR_MS],
    ['now, once it says more than that', NOW_MS - HOUR_MS - 1, NOW_MS],
    ['now, when a clock is a little ahead', NOW_MS + 5 * 60_000, NOW_MS],
  ] as const)('is %s', ([, statedMs, countedMs]) => {
    expect(countedFrom(at(statedMs), NOW_MS)).toEqual({ ok: true, value: countedMs });
  });

  test('is refused from the future', () => {
    expect(countedFrom(at(NOW_MS + 5 * 60_000 + 1), NOW_MS)).toMatchObject({ ok: false, reason: 'requested_at' });
  });
});
