/**
 * Whether somebody else asks on this line. A serial server that takes several connections lets two gateways ask one
 * bus; each then hears answers to questions of the other, and on a pair of wires also the questions themselves. Pure.
 *
 * One such frame may be damage or a board that is very late; several within seconds are a second master. While it is
 * there no answer is certain to belong to our question, so none is believed.
 */
export const STRANGER_SIGNS = 5;
export const STRANGER_WITHIN_MS = 12_000;
/** So long after its last sign a second master is believed to be gone. */
export const STRANGER_GONE_MS = 20_000;

export interface Strangers {
  /** Times of the last signs, oldest first, at most `STRANGER_SIGNS`. */
  readonly signs: readonly number[];
  readonly present: boolean;
}

export const NO_STRANGERS: Strangers = { signs: [], present: false };

export function addSign(strangers: Strangers, nowMs: number): Strangers {
  const signs = [...strangers.signs, nowMs].slice(-STRANGER_SIGNS);
  const [oldest] = signs;
  const many = signs.length === STRANGER_SIGNS && oldest !== undefined && nowMs - oldest <= STRANGER_WITHIN_MS;
  return { signs, present: strangers.present || many };
}

/** Forgets a second master that fell silent. */
export function withTime(strangers: Strangers, nowMs: number): Strangers {
  const last = strangers.signs.at(-1);
  if (!strangers.present || (last !== undefined && nowMs - last < STRANGER_GONE_MS)) return strangers;
  return NO_STRANGERS;
}
