/** What the service may answer. To refuse a refund for good is a person's act, so there is no such outcome. */
export type Outcome = 'PAY' | 'PAY_AND_INVESTIGATE' | 'STEP_UP' | 'REVIEW' | 'HOLD';

/** From the mildest to the strictest: of several findings the strictest outcome counts. */
export const OUTCOMES: readonly Outcome[] = ['PAY', 'PAY_AND_INVESTIGATE', 'STEP_UP', 'REVIEW', 'HOLD'];

export function stricter(a: Outcome, b: Outcome): Outcome {
  return OUTCOMES.indexOf(a) >= OUTCOMES.indexOf(b) ? a : b;
}

export function isMilder(a: Outcome, than: Outcome): boolean {
  return OUTCOMES.indexOf(a) < OUTCOMES.indexOf(than);
}

export function pays(outcome: Outcome): boolean {
  return outcome === 'PAY' || outcome === 'PAY_AND_INVESTIGATE';
}
