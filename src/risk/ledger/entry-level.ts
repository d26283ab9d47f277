/**
 * How much an entry counts: what the anchors of its log prove of it, and what the operator's settings make of that. A
 * ceiling only ever lowers. Nothing raises what is proved but a trial, which refund decisions name.
 */
import type { Assumption } from '../decision/facts.ts';
import type { LedgerEntry } from './inputs.ts';

export type EntryLevel = Exclude<LedgerEntry['level'], 'unsigned'>;

/** Of a log, as `AssuranceBook` noted it; null when nobody has looked at it yet. */
export interface LogProof {
  readonly sealed: boolean | null;
  readonly anchored_size: number | null;
  readonly emulated: boolean | null;
}

export interface LevelWord {
  readonly ceiling?: EntryLevel;
  readonly trial?: Assumption['trial'];
}

/** Of the entry at `n` (FORMAT.md section 9); nothing while no key is known to be sealed. */
export function provedLevel(n: number, { sealed, anchored_size }: Omit<LogProof, 'emulated'>): EntryLevel {
  if (sealed !== true) return 'A0';
  return n < (anchored_size ?? 0) ? 'A2' : 'A1';
}

export function entryLevel(n: number, proof: LogProof, { ceiling, trial }: LevelWord): EntryLevel {
  const level = provedLevel(n, { ...proof, sealed: proof.sealed === true || isTried(proof, trial) });
  const raised = trial === 'software_keys' && level === 'A0' ? 'A1' : level;
  return ceiling !== undefined && ceiling < raised ? ceiling : raised;
}

/** An emulated TPM is taken for a hardware one; its anchors still have to be there, and to verify. */
function isTried({ emulated }: LogProof, trial: LevelWord['trial']): boolean {
  return trial === 'emulated_tpm' && emulated === true;
}
