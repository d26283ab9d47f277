/**
 * How well one board answers, and how long it went unseen at most between two looks. Pure.
 */
import type { Outcome } from './board-health.ts';

/** About so many of the last questions weigh in the recent rate. */
const RECENT_QUESTIONS = 64;
/** The greatest interval is of this and the period before it. */
const PERIOD_MS = 600_000;

export interface BoardRates {
  readonly asked: number;
  readonly answered: number;
  readonly silent: number;
  /** Bytes came, and none of them an answer that is believed. */
  readonly damaged: number;
  /** Two answers to one question. */
  readonly doubles: number;
  /** Share of the last questions without a usable answer, 0 to 1. */
  readonly recentFailures: number;
  readonly unseen: {
    readonly sinceMs: number;
    readonly worstMs: number;
    readonly worstBeforeMs: number;
  };
}

export const NO_RATES: BoardRates = {
  asked: 0,
  answered: 0,
  silent: 0,
  damaged: 0,
  doubles: 0,
  recentFailures: 0,
  unseen: { sinceMs: 0, worstMs: 0, worstBeforeMs: 0 },
};

export function rated(rates: BoardRates, outcome: Outcome['kind'], usable: boolean): BoardRates {
  const recentFailures = rates.recentFailures + ((usable ? 0 : 1) - rates.recentFailures) / RECENT_QUESTIONS;
  const one = (kind: Outcome['kind']): number => (outcome === kind ? 1 : 0);
  return {
    asked: rates.asked + 1,
    answered: rates.answered + one('answer'),
    silent: rates.silent + one('silence'),
    damaged: rates.damaged + one('damaged') + one('wrong_channels'),
    doubles: rates.doubles + one('double'),
    recentFailures,
    unseen: rates.unseen,
  };
}

/** A look came; the one before it was asked for `unseenMs` ago. */
export function looked(rates: BoardRates, unseenMs: number, nowMs: number): BoardRates {
  const { unseen } = rates;
  if (nowMs - unseen.sinceMs >= PERIOD_MS) {
    return { ...rates, unseen: { sinceMs: nowMs, worstMs: unseenMs, worstBeforeMs: unseen.worstMs } };
  }
  return unseenMs <= unseen.worstMs ? rates : { ...rates, unseen: { ...unseen, worstMs: unseenMs } };
}

export function worstUnseenMs({ unseen }: BoardRates): number {
  return Math.max(unseen.worstMs, unseen.worstBeforeMs);
}
