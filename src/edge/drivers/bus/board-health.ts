/**
 * What is said of one board: it answers, stopped answering, or answers wrongly. Pure; a change is said once.
 *
 * A polled board that is there answers nearly always, so a few polls decide. Two boards with one address answer one
 * question twice, or on top of each other; each such sign weighs four clean answers.
 */
/** Polls in a row without any sound answer before a board is lost. */
export const MISSES_TO_LOST = 3;
export const DAMAGED_TO_FAULT = 5;
export const WRONG_TO_FAULT = 3;
export const DOUBLE_WEIGHT = 4;
const COLLISION_WEIGHT = 2;
export const DOUBLES_TO_FAULT = 8;
const DOUBLES_MAX = 12;

export type HealthState = 'unknown' | 'found' | 'lost' | 'faulted';

export interface BoardHealth {
  readonly state: HealthState;
  readonly reason: string;
  readonly misses: number;
  readonly damaged: number;
  readonly wrong: number;
  /** Suspicion of a second board on the address; while it is above zero no answer is passed on. */
  readonly doubles: number;
  readonly lastAnswerUpMs?: number;
}

export type Outcome =
  /** One sound answer, or one that only showed that the board is alive. */
  | { readonly kind: 'answer'; readonly upMs: number; readonly doubt?: 'second_master' | 'partly_silent' }
  | { readonly kind: 'silence' }
  /** Bytes came and no sound answer. `collision`: more of them than one answer has, on a line quiet otherwise. */
  | { readonly kind: 'damaged'; readonly collision: boolean }
  /** Two sound answers to one question. */
  | { readonly kind: 'double' }
  | { readonly kind: 'wrong_channels' }
  /** The line is never quiet. */
  | { readonly kind: 'babbling' }
  /** Somebody else asks on this line. */
  | { readonly kind: 'second_master' }
  | { readonly kind: 'port_lost' };

export interface HealthChange {
  readonly state: 'found' | 'lost' | 'faulted';
  readonly reason: string;
  readonly lastAnswerUpMs?: number;
}

export interface Judgement {
  readonly health: BoardHealth;
  readonly change?: HealthChange;
}

export const INITIAL_HEALTH: BoardHealth = {
  state: 'unknown',
  reason: '',
  misses: 0,
  damaged: 0,
  wrong: 0,
  doubles: 0,
};

export function judge(health: BoardHealth, outcome: Outcome): Judgement {
  switch (outcome.kind) {
    case 'answer':
      return answered(health, outcome.upMs, outcome.doubt);
    case 'silence': {
      const next = { ...health, misses: health.misses + 1, damaged: 0 };
      return next.misses >= MISSES_TO_LOST ? become(next, 'lost', 'no_reply') : { health: next };
    }
    case 'damaged':
      return damaged(health, outcome.collision);
    case 'double':
      return suspect({ ...health, misses: 0, damaged: 0 }, DOUBLE_WEIGHT);
    case 'wrong_channels': {
      const next = { ...health, misses: 0, damaged: 0, wrong: health.wrong + 1 };
      return next.wrong >= WRONG_TO_FAULT ? become(next, 'faulted', 'wrong_channels') : { health: next };
    }
    case 'babbling':
      return health.state === 'lost' ? { health } : become(health, 'faulted', 'babbling');
    case 'second_master':
      return health.state === 'lost' ? { health } : become(health, 'faulted', 'second_master');
    case 'port_lost':
      return become({ ...health, misses: MISSES_TO_LOST, damaged: 0, wrong: 0 }, 'lost', 'port_lost');
  }
}

function answered(health: BoardHealth, upMs: number, doubt: string | undefined): Judgement {
  const doubles = Math.max(0, health.doubles - 1);
  const cleared = health.reason !== 'duplicate_address' || doubles === 0;
  const { health: judged, change } = !cleared
    ? { health, change: undefined }
    : doubt === undefined
      ? become(health, 'found', 'answered')
      : become(health, 'faulted', doubt);
  const { state, reason } = judged;
  const known: BoardHealth = { state, reason, misses: 0, damaged: 0, wrong: 0, doubles, lastAnswerUpMs: upMs };
  return change === undefined ? { health: known } : { health: known, change };
}

function damaged(health: BoardHealth, collision: boolean): Judgement {
  const next = { ...health, misses: health.misses + 1, damaged: health.damaged + 1 };
  const { health: weighed, change } = suspect(next, collision ? COLLISION_WEIGHT : 0);
  if (change !== undefined || weighed.reason === 'duplicate_address') {
    return change === undefined ? { health: weighed } : { health: weighed, change };
  }
  return weighed.damaged >= DAMAGED_TO_FAULT ? become(weighed, 'faulted', 'damaged') : { health: weighed };
}

function suspect(health: BoardHealth, weight: number): Judgement {
  const next = { ...health, doubles: Math.min(DOUBLES_MAX, health.doubles + weight) };
  return next.doubles >= DOUBLES_TO_FAULT ? become(next, 'faulted', 'duplicate_address') : { health: next };
}

function become(health: BoardHealth, state: HealthChange['state'], reason: string): Judgement {
  const same = health.state === state && (state !== 'faulted' || health.reason === reason);
  if (same) return { health };
  const last = health.lastAnswerUpMs;
  const since = state !== 'faulted' && last !== undefined ? { lastAnswerUpMs: last } : {};
  return { health: { ...health, state, reason }, change: { state, reason, ...since } };
}
