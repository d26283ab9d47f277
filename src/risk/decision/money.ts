/**
 * Money without rounding: a threshold in dollars is compared exactly, whatever the currency.
 *
 * Minor units per ISO 4217. A currency that is not listed has two decimals, as all but these have.
 */
import { present } from '../../base/assert.ts';
import type { UsdRate } from './facts.ts';

/** Of the currencies that have not two. */
export const DECIMALS: Readonly<Record<string, number>> = {
  BHD: 3,
  BIF: 0,
  CLF: 4,
  CLP: 0,
  DJF: 0,
  GNF: 0,
  IQD: 3,
  ISK: 0,
  JOD: 3,
  JPY: 0,
  KMF: 0,
  KRW: 0,
  KWD: 3,
  LYD: 3,
  OMR: 3,
  PYG: 0,
  RWF: 0,
  TND: 3,
  UGX: 0,
  UYI: 0,
  UYW: 4,
  VND: 0,
  VUV: 0,
  XAF: 0,
  XOF: 0,
  XPF: 0,
};

const E9 = 1_000_000_000n;
const DECIMALS_MAX = Math.max(...Object.values(DECIMALS));

export interface Amount {
  readonly amount_minor: number;
  readonly currency: string;
  readonly rate?: UsdRate;
}

export function decimalsOf(currency: string): number {
  return DECIMALS[currency] ?? 2;
}

/** -1, 0 or 1 as the amount is below, at or above so many cents of a dollar; undefined without a rate. */
export function compareUsd(amount: Amount, usdMinor: number): -1 | 0 | 1 | undefined {
  const { amount_minor: cents } = amount;
  // Whole numbers of one unit need no other: most amounts are such.
  if (amount.currency === 'USD' && Number.isSafeInteger(cents) && Number.isSafeInteger(usdMinor))
    return cents < usdMinor ? -1 : cents > usdMinor ? 1 : 0;
  const scaled = scaledUsd(amount);
  if (scaled === undefined) return undefined;
  const limit = BigInt(usdMinor) * scaled.per;
  const value = scaled.value * 100n;
  return value < limit ? -1 : value > limit ? 1 : 0;
}

/** Cents of a dollar, rounded down: for people, never for a comparison. */
export function usdMinor(amount: Amount): number | undefined {
  const scaled = scaledUsd(amount);
  return scaled && Number((scaled.value * 100n) / scaled.per);
}

/** Ten thousand billionths of a dollar: exact, and comparable across currencies. The rate must be there. */
export function usdWeight({ amount_minor, currency, rate }: Amount): bigint {
  const usd_e9 = currency === 'USD' ? E9 : BigInt(present(rate, `the rate of ${currency}`).usd_e9);
  return BigInt(amount_minor) * usd_e9 * 10n ** BigInt(DECIMALS_MAX - decimalsOf(currency));
}

/** Dollars are `value / per`. */
function scaledUsd({ amount_minor, currency, rate }: Amount): { value: bigint; per: bigint } | undefined {
  if (currency === 'USD') return { value: BigInt(amount_minor), per: 100n };
  if (rate === undefined) return undefined;
  return { value: BigInt(amount_minor) * BigInt(rate.usd_e9), per: 10n ** BigInt(decimalsOf(currency)) * E9 };
}
