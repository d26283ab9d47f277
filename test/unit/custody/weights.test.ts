/** What two weights say against an episode: whatever goes in makes it heavier, a return as well as a deposit. */
import { expect, test } from 'vitest';
import { weightContradictions } from '../../../src/edge/custody/weights.ts';

const TOLERANCE_G = 50;

test.each([
  ['parcel.deposited', 0, 1_250, []],
  ['parcel.returned', 0, 1_250, []],
  ['parcel.collected', 1_250, 0, []],
  ['parcel.removed', 1_250, 0, []],
  ['compartment.disturbed', 1_250, 1_250, []],
  ['parcel.returned', 1_250, 1_250, ['weight_unchanged']],
  ['parcel.removed', 1_250, 1_200, ['weight_unchanged']],
  ['parcel.returned', 1_250, 0, ['weight_gone']],
  ['compartment.disturbed', 1_250, 0, ['weight_gone']],
  ['parcel.collected', 0, 1_250, ['weight_added']],
  ['compartment.disturbed', 0, 1_250, ['weight_added']],
])('%s from %i g to %i g', (type, before, after, contradictions) => {
  expect(weightContradictions(type, before, after, TOLERANCE_G)).toEqual(contradictions);
});
