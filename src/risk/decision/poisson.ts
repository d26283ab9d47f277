/**
 * The upper tail of a Poisson distribution in whole parts, in integers alone: the same on every machine.
 */
const SCALE = 10n ** 30n;
const TERMS_MAX = 10_000;

/** P(N >= count) for a mean of `meanMilli` thousandths, in millionths, rounded down. */
export function poissonTailMicro(count: number, meanMilli: number): number {
  return Number(poissonTail(count, meanMilli, 1_000_000n));
}

/** The same in `parts` of one. */
export function poissonTail(count: number, meanMilli: number, parts: bigint): bigint {
  if (count <= 0) return parts;
  const mean = BigInt(meanMilli);
  let term = SCALE;
  let all = 0n;
  let below = 0n;
  for (let k = 0; k < TERMS_MAX && term > 0n; k += 1) {
    all += term;
    if (k < count) below += term;
    term = (term * mean) / (1_000n * BigInt(k + 1));
  }
  return ((all - below) * parts) / all;
}
