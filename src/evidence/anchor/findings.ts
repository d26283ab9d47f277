/**
 * What continuity between anchors can show: the one table. Names are stable, texts are for people.
 *
 * `refuted`: the history is not honest, whatever else is true. `reported`: a person should know, and nothing is refuted.
 * `cannot_tell`: what would decide it is not held yet.
 */
export type FindingKind = 'refuted' | 'reported' | 'cannot_tell';

interface FindingRow {
  readonly kind: FindingKind;
  readonly text: string;
}

export const CONTINUITY_FINDINGS = {
  counter_cloned: { kind: 'refuted', text: 'one counter value is certified over two checkpoints: the TPM was cloned' },
  counter_gap: {
    kind: 'refuted',
    text: 'anchors are missing although all entries that could hold them are here: removed, or the disk was rolled back',
  },
  counter_before_opening: {
    kind: 'refuted',
    text: 'a log is anchored with a counter value that entry 0 had found to be reached before the log began',
  },
  clock_back: { kind: 'refuted', text: "the TPM's clock or restart count went back without a reset" },
  anchor_fork: { kind: 'refuted', text: 'an anchor is over another root than the log has at that size: keep both' },
  not_contained: { kind: 'refuted', text: 'an anchored tree does not contain the anchor before it' },
  gap_stated: {
    kind: 'reported',
    text: 'anchors are missing up to a counter value that entry 0 says it found: the log before is unanchored after its last',
  },
  counter_behind: {
    kind: 'reported',
    text: 'entry 0 found a lower counter than this gateway had reached: another TPM, or the state of an emulated one',
  },
  reset_unobserved: {
    kind: 'reported',
    text: 'the TPM was reset or resumed, and no start or GetTime that is held names it',
  },
  tpm_cleared: { kind: 'reported', text: 'the TPM was cleared: enrol again; what was anchored before stands' },
  anchored_branch: {
    kind: 'reported',
    text: 'an anchored rolled-back branch: entry 0 of the next log says what happened to the disk',
  },
  clock_set: { kind: 'reported', text: "the TPM's clock was set forward: its times prove nothing from there on" },
  unclean_end: { kind: 'reported', text: 'a start calls the boot before it ended cleanly, and it was not' },
  gap_open: { kind: 'cannot_tell', text: 'anchors are missing, and not all entries that could hold them are here' },
  containment_open: {
    kind: 'cannot_tell',
    text: 'whether an anchored tree contains the anchor before it: the entries are not here',
  },
} as const satisfies Record<string, FindingRow>;

export type FindingName = keyof typeof CONTINUITY_FINDINGS;

export interface ContinuityFinding {
  readonly name: FindingName;
  readonly kind: FindingKind;
  /** Which anchors, what was expected, what was found. */
  readonly detail: string;
}

export function findingOf(name: FindingName, detail: string): ContinuityFinding {
  return { name, kind: CONTINUITY_FINDINGS[name].kind, detail };
}
