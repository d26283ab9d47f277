/**
 * How much an entry counts: what the anchors of its log prove of it, and what the operator's settings make of that. A
 * ceiling only ever lowers. Nothing raises what is proved but a trial, which refund decisions name.
 */
import { isTrusted, levelAt, type ProvedStretch, type TrustedRange } from '../../evidence/verify/entry-levels.ts';
import type { Assumption } from '../decision/facts.ts';
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
  /** The key is revoked: entries from `revoked_first` on, and below this, are the gateway's. Null while it is not. */
  readonly revoked_size: number | null;
  readonly revoked_first: number | null;
}

export interface LevelWord {
  readonly ceiling?: EntryLevel;
  readonly trial?: Assumption['trial'];
}

/** Of the entry at `n`; nothing while no key is known to be sealed. */
export function provedLevel(n: number, proof: Omit<LogProof, 'emulated'>): EntryLevel {
  const { sealed, segment_first, below, anchored_size, witnessed_size } = proof;
  const newest: ProvedStretch = {
    first: segment_first ?? 0,
    anchored: anchored_size ?? 0,
    witnessed: witnessed_size ?? 0,
  };
  const trusted = trustedOf(proof);
  return levelAt(n, {
    sealed: sealed === true,
    stretches: [...(below ?? []), newest],
    ...(trusted !== undefined && { trusted }),
  });
}

/** Outside of it a key proves nothing, whatever settings say of the gateway. */
export function trustedOf({
  revoked_first,
  revoked_size,
}: Pick<LogProof, 'revoked_first' | 'revoked_size'>): TrustedRange | undefined {
  return revoked_size === null ? undefined : { first: revoked_first ?? 0, end: revoked_size };
}

export function entryLevel(n: number, proof: LogProof, { ceiling, trial }: LevelWord): EntryLevel {
  if (!isTrusted(n, trustedOf(proof))) return 'A0';
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
