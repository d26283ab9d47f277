/** How reasons are worded: truly, and for decisions of before as they were. */
import { expect, test } from 'vitest';
import type { Facts } from '../../../src/risk/decision/facts.ts';
import { factsSchema } from '../../../src/risk/decision/facts-schema.ts';
import { contradictionReason } from '../../../src/risk/decision/reasons.ts';
import { DAY_MS, decided, facts, NOW_MS, parcel, recent } from './support.ts';

const phantom = facts({ parcels: [parcel({ return: { ...parcel().return, signals: [], events: [] } })] });
const today = new Date(NOW_MS).toISOString().slice(0, 10);
const before = new Date(NOW_MS - DAY_MS).toISOString().slice(0, 10);
const unrated = facts({
  refund: { currency: 'KWD' },
  operator: {
    recent: [recent('r-2', DAY_MS, 100, { currency: 'EUR' }), recent('r-3', DAY_MS, 100, { currency: 'EUR' })],
  },
});

function reasonOf(of: Facts, code: string) {
  return decided(of).reasons.find((each) => each.code === code);
}

test('what no record speaks of is not said to be contradicted by one', () => {
  const { wording } = reasonOf({ ...phantom, wording: 2 }, 'C18') ?? {};
  expect(wording?.regulator).toContain('This rests on what was claimed; no signed record stands behind it.');
  expect(wording?.regulator).not.toContain('Signed records');
  const of = (...events: readonly string[]) => contradictionReason('C22', 'HOLD', events, 2).wording.regulator;
  expect(of('wms:1', 'gw-1.log/a#17')).toContain('Signed records contradict what was claimed.');
  expect(of('wms:1')).toContain('What sources declared contradicts what was claimed.');
});

test('a rate that is missing is named by its currency and its day, each once', () => {
  const { text, wording } = reasonOf({ ...unrated, wording: 2 }, 'DEPENDENCY_DOWN') ?? {};
  expect(text).toBe(`Not readable or not there: usd_rate (EUR of ${before}, KWD of ${today})`);
  expect(wording?.regulator).toContain(text);
  const many = Array.from({ length: 12 }, (_, i) => recent(`r-${i}`, 1, 1, { currency: `AA${'BCDEFGHIJKLM'[i]}` }));
  const long = facts({ operator: { recent: many } });
  expect(reasonOf({ ...long, wording: 2 }, 'DEPENDENCY_DOWN')?.text).toMatch(/AAI of [0-9-]+ and 4 more\)$/);
  const failed = facts({ failed: ['usd_rate'] });
  expect(reasonOf({ ...failed, wording: 2 }, 'DEPENDENCY_DOWN')?.text).toBe('Not readable or not there: usd_rate');
});

test('facts of before are decided again in the words of then', () => {
  expect(factsSchema.safeParse(phantom).success).toBe(true);
  expect(factsSchema.safeParse({ ...phantom, wording: 2 }).success).toBe(true);
  expect(reasonOf(phantom, 'C18')?.wording.regulator).toContain('Signed records contradict what was claimed.');
  expect(reasonOf(unrated, 'DEPENDENCY_DOWN')?.text).toBe('Not readable or not there: usd_rate');
});
