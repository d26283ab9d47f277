/**
 * How much an entry counts: what the anchors of its log prove of it, and what the operator's settings make of that. A
 * ceiling only ever lowers. Nothing raises what is proved but a trial, which refund decisions name.
 */
import type { Assumption } from '../decision/facts.ts';
import type { ProvedStretch } from '../store/schema-levels.ts';
import type { LedgerEntry } from './inputs.ts';

export type EntryLevel = Exclude<LedgerEntry['level'], 'unsigned'>;

/** Of a log, as `AssuranceBook` noted it; null when nobody has looked at it yet. */
export interface LogProof {
  readonly sealed: boolean | null;
  /** Where the stretch without a gap begins, of which both sizes are; none of what stands before is shown by them. */
  readonly segment_first: number | null;
  /** What is proved of the stretches before it. */
  readonly below: readonly ProvedStretch[] | null;
  readonly anchored_size: number | null;
  /** Of the anchored, what an independent witness cosigned as well; never more than it. */
  readonly witnessed_size: number | null;
  readonly emulated: boolean | null;
}

export interface LevelWord {
  readonly ceiling?: EntryLevel;
  readonly trial?: Assumption['trial'];
}

/** Of the entry at `n` (FORMAT.md section 9); nothing while no key is known to be sealed. */
export function provedLevel(n: number, proof: Omit<LogProof, 'emulated'>): EntryLevel {
  if (proof.sealed !== true) return 'A0';
  const { anchored, witnessed } = stretchOf(n, proof);
  if (n < witnessed) return 'A3';
  return n < anchored ? 'A2' : 'A1';
}

/** Entries before a gap may be of another tree than the one that was anchored after it. */
function stretchOf(
  n: number,
  { segment_first, below, anchored_size, witnessed_size }: Omit<LogProof, 'emulated' | 'sealed'>,
): Pick<ProvedStretch, 'anchored' | 'witnessed'> {
  if (n >= (segment_first ?? 0)) return { anchored: anchored_size ?? 0, witnessed: witnessed_size ?? 0 };
  return below?.findLast(({ first }) => first <= n) ?? { anchored: 0, witnessed: 0 };
}

export function entryLevel(n: number, proof: LogProof, { ceiling, trial }: LevelWord): EntryLevel {
  const level = isTried(proof, trial) ? triedLevel(n, proof) : provedLevel(n, proof);
  const raised = trial === 'software_keys' && level === 'A0' ? 'A1' : level;
  return ceiling !== undefined && ceiling < raised ? ceiling : raised;
}

/** Who witnessed it is not asked: a trial reaches A2 at most, as its decisions say. */
function triedLevel(n: number, proof: LogProof): EntryLevel {
  const level = provedLevel(n, { ...proof, sealed: true });
  return level === 'A3' ? 'A2' : level;
}

/** An emulated TPM is taken for a hardware one; its anchors still have to be there, and to verify. */
function isTried({ emulated, sealed }: LogProof, trial: LevelWord['trial']): boolean {
  return trial === 'emulated_tpm' && emulated === true && sealed !== true;
}
