/** Whether a process does its work, in words that rules and programs may rely on. */
export interface NotReady {
  /** Stable: `receipts_stalled`. */
  readonly reason: string;
  /** For people: what is so. Our own words and numbers, nothing from outside and no address. */
  readonly detail: string;
  /** For people: what to do. */
  readonly remedy: string;
}

export interface Readiness {
  readonly ready: boolean;
  readonly reasons: readonly NotReady[];
}

export function readinessOf(reasons: readonly NotReady[]): Readiness {
  return { ready: reasons.length === 0, reasons };
}
