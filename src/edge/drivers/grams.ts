/**
 * Weights as scales print them, in whole grams. Integers only: a decimal text is never a float on its way into evidence.
 */
import { accept, type Result, refuse } from '../../base/result.ts';

/** Nanograms of one unit; pound and ounce are exact by the international agreement of 1959, the troy ounce follows. */
const NANOGRAMS: ReadonlyMap<string, bigint> = new Map([
  ['mg', 1_000_000n],
  ['ct', 200_000_000n],
  ['g', 1_000_000_000n],
  ['oz', 28_349_523_125n],
  ['ozt', 31_103_476_800n],
  ['lb', 453_592_370_000n],
  ['kg', 1_000_000_000_000n],
  ['t', 1_000_000_000_000_000n],
]);
const NANOGRAMS_PER_GRAM = 1_000_000_000n;

const DECIMAL = /^([+-]?) *(\d{1,10})(?:\.(\d{0,6}))?$/;
/** What an event can carry: no locker holds ten tons. */
export const GRAMS_MAX = 9_999_999;

/** Half a gram is rounded away from zero. `unit` in the scale's spelling, case ignored. */
export function gramsOf(value: string, unit: string): Result<number, 'number' | 'unit' | 'range'> {
  const match = DECIMAL.exec(value);
  if (match === null) return refuse('number', 'expected a decimal number of at most 10 and 6 digits');
  const nanograms = NANOGRAMS.get(unit.toLowerCase());
  if (nanograms === undefined) return refuse('unit', 'expected mg, g, kg, t, ct, oz, ozt or lb');
  const [, sign, whole = '', fraction = ''] = match;
  const scaled = BigInt(whole + fraction) * nanograms;
  const divisor = NANOGRAMS_PER_GRAM * 10n ** BigInt(fraction.length);
  const rounded = (scaled + divisor / 2n) / divisor;
  if (rounded > BigInt(GRAMS_MAX)) return refuse('range', `expected at most ${GRAMS_MAX} g`);
  const grams = Number(rounded);
  return accept(sign === '-' && grams !== 0 ? -grams : grams);
}
