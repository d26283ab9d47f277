/**
 * Which anchors count for the level of a log (FORMAT.md sections 5 and 9): the one predicate of the service, of bundles and
 * of verdicts. Logs of one AK and one counter are one history, so a clear that one log shows is one for all of them.
 */
import { judgeContinuity } from '../anchor/continuity.ts';
import type { ContinuityFinding } from '../anchor/findings.ts';
import type { LogHistory, SeenAnchor } from '../anchor/history.ts';

export interface EnrolledHistory {
  readonly history: LogHistory;
  /** Names the enrolment on which the log stands; logs that go on by the AK's word have that of the log before. */
  readonly enrolment: string;
}

export interface GroupVerdict {
  readonly findings: readonly ContinuityFinding[];
  /** Whether the TPM was cleared between two of the anchors. */
  readonly isCleared: boolean;
  /** Made in the life of the TPM in which the log that it is over was enrolled. */
  isOfItsLife(anchor: SeenAnchor): boolean;
}

/** `logs`: of one AK and one counter, each log once. */
export function judgeGroup(logs: readonly EnrolledHistory[]): GroupVerdict {
  const { findings, clears } = judgeContinuity(logs.map(({ history }) => history));
  const enrolments = new Map(logs.map(({ history, enrolment }) => [history.origin, enrolment]));
  const lifeAt = (counter: number): number => clears.filter((from) => from <= counter).length;
  // A clear takes the keys of the logs before it: what was enrolled is the life in which it was first anchored.
  const lives = new Map<string, number>();
  for (const { origin, counter } of logs.flatMap(({ history }) => history.anchors)) {
    const enrolment = enrolments.get(origin);
    if (enrolment === undefined) continue;
    lives.set(enrolment, Math.min(lifeAt(counter), lives.get(enrolment) ?? Number.POSITIVE_INFINITY));
  }
  return {
    findings,
    isCleared: clears.length > 0,
    isOfItsLife: ({ origin, counter }) => lifeAt(counter) === (lives.get(enrolments.get(origin) ?? '') ?? 0),
  };
}
