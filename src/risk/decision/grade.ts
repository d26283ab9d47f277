/**
 * How much speaks for a leg, in thousandths of a deciban, and the grade that this makes.
 *
 * Support counts as far as the key and the clock under it can be believed; what speaks against keeps its full weight,
 * since a broken device must not be able to erase evidence against itself.
 */
import type { ClockTrust, Contradiction, EventRef, Level, Signal } from './facts.ts';
import { GROUP_NAMES, GROUPS, type Group, SIGNALS } from './signals.ts';

export type Grade = 'CONTRADICTED' | 'NONE' | 'WEAK' | 'MODERATE' | 'STRONG';

/** From the least to the best. */
export const GRADES: readonly Grade[] = ['CONTRADICTED', 'NONE', 'WEAK', 'MODERATE', 'STRONG'];

export interface GroupEvidence {
  readonly group: Group;
  readonly mdb: number;
  readonly events: readonly EventRef[];
}

export interface Evidence {
  readonly grade: Grade;
  readonly mdb: number;
  readonly groups: readonly GroupEvidence[];
}

/** Thousandths. */
export const LEVEL_WEIGHT: Readonly<Record<Level, number>> = {
  unsigned: 100,
  declared: 1_000,
  A0: 400,
  A1: 800,
  A2: 1_000,
  A3: 1_000,
};
export const CLOCK_WEIGHT: Readonly<Record<ClockTrust, number>> = {
  synced: 1_000,
  fair: 900,
  free: 700,
  rollback: 300,
};

/** Keys that live in a TPM. */
const ATTESTED: ReadonlySet<Level> = new Set(['A1', 'A2', 'A3']);

const STRONG_MDB = 20_000;
const MODERATE_MDB = 12_000;
const WEAK_MDB = 5_000;
const CONTRADICTED_MDB = -6_000;
const STRONG_GROUPS = 3;
const MODERATE_GROUPS = 2;

/** `contradictions` are those of the same leg. The order and repetition of signals change nothing. */
export function gradeOf(signals: readonly Signal[], contradictions: readonly Contradiction[]): Evidence {
  const distinct = [...new Map(signals.map((signal) => [keyOf(signal), signal])).values()];
  const groups = GROUP_NAMES.flatMap((group) => groupOf(group, distinct));
  const mdb = groups.reduce((sum, { mdb: part }) => sum + part, 0);
  return { grade: wordOf(mdb, groups, distinct, contradictions.some(isHard)), mdb, groups };
}

export function isHard(contradiction: Contradiction): boolean {
  return contradiction.severity === 'hard' && contradiction.innocent === undefined;
}

export function atLeast(grade: Grade, least: Grade): boolean {
  return GRADES.indexOf(grade) >= GRADES.indexOf(least);
}

/** One event says one thing by one signal; of several weights the best counts, so that repetition lowers nothing. */
function keyOf({ name, says, event, level, clock }: Signal): string {
  return `${name} ${says} ${event} ${level} ${clock}`;
}

function groupOf(group: Group, signals: readonly Signal[]): readonly GroupEvidence[] {
  const own = signals.filter(({ name }) => SIGNALS[name].group === group);
  if (own.length === 0) return [];
  const best = new Map<string, number>();
  let against = 0;
  for (const signal of own) {
    const { supportsDb, contradictsDb } = SIGNALS[signal.name];
    if (signal.says === 'contradicts') against = Math.max(against, contradictsDb * 1_000);
    else {
      const key = `${signal.name} ${signal.event}`;
      best.set(key, Math.max(best.get(key) ?? 0, weighted(supportsDb, signal)));
    }
  }
  const support = [...best.values()].reduce((sum, part) => sum + part, 0);
  const mdb = Math.min(GROUPS[group].capDb * 1_000, support) - against;
  return [{ group, mdb, events: [...new Set(own.map(({ event }) => event))].sort() }];
}

function weighted(db: number, { level, clock }: Signal): number {
  return Math.floor((db * LEVEL_WEIGHT[level] * CLOCK_WEIGHT[clock]) / 1_000);
}

function wordOf(mdb: number, groups: readonly GroupEvidence[], signals: readonly Signal[], hard: boolean): Grade {
  if (hard || mdb <= CONTRADICTED_MDB) return 'CONTRADICTED';
  const speaking = groups.filter((group) => group.mdb > 0);
  const attested = speaking.filter(({ group }) => signals.some((signal) => isAttested(signal, group)));
  if (mdb >= STRONG_MDB && attested.length >= STRONG_GROUPS) return 'STRONG';
  if (mdb >= MODERATE_MDB && speaking.length >= MODERATE_GROUPS) return 'MODERATE';
  return mdb >= WEAK_MDB ? 'WEAK' : 'NONE';
}

function isAttested({ name, says, level }: Signal, group: Group): boolean {
  return SIGNALS[name].group === group && says === 'supports' && ATTESTED.has(level);
}
