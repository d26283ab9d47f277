/**
 * What a verifier says in the end, and how it comes to a level (FORMAT.md sections 8 and 9).
 */
import type { Checkpoint } from '../log/checkpoint.ts';
import type { AnchorsFinding } from './anchors.ts';
import type { DecisionFinding } from './bundle-decisions.ts';
import type { SealedBy } from './bundle-seal.ts';
import type { TrustSource } from './enrolled.ts';
import type { EntriesAt } from './entry-levels.ts';
import { LEVELS, type Level, type TrustPolicy, type WitnessRole } from './policy.ts';
import { EXIT_CODES, type Outcome, VERIFY_REASONS, type VerifyReason } from './reasons.ts';
import type { BelievedLog, ClosedLog } from './trust.ts';

export type FileKind = 'batch' | 'export' | 'bundle';

/** A witness's cosignature that verified, on a checkpoint that the verified tree contains. */
export interface SeenReceipt {
  readonly witness: string;
  readonly roles: readonly WitnessRole[];
  readonly size: number;
  /** The witness's own clock, POSIX seconds. */
  readonly timestampS: number;
}

/** An entry that was accepted and may not be used as it stands. */
export interface NotedEntry {
  readonly index: number;
  readonly use: 'opaque' | 'withheld' | 'erased';
  readonly why: string;
}

export const NOTED_MAX = 16;

/** Whose word it is that this is the log's key, and that its TPM is what the level says. */
export interface BelievedFrom {
  readonly key: TrustSource;
  /** Of AK, counter and class. */
  readonly tpm?: TrustSource;
  /** The record on which it rests, directly or by successors. */
  readonly record?: { readonly service: string; readonly hash: string };
}

export function believedFrom({ keyFrom, tpmFrom, record }: BelievedLog): BelievedFrom {
  return { key: keyFrom, ...(tpmFrom !== undefined && { tpm: tpmFrom }), ...(record !== undefined && { record }) };
}

export interface LogFinding {
  readonly origin: string;
  /** Entries that were verified: [first, end) of an export; for a bundle the end of its newest checkpoint. */
  readonly first: number;
  readonly end: number;
  /** Root at `end`, base64. */
  readonly root: string;
  readonly entries: {
    readonly accepted: number;
    readonly opaque: number;
    readonly withheld: number;
    /** Of a bundle: those of which only the leaf hash is left. Absent when there are none. */
    readonly erased?: number;
  };
  /** The first 16 entries that are not plainly usable. */
  readonly noted: readonly NotedEntry[];
  readonly level: Level;
  /** Of a bundle: the level of each entry that is asked about, the highest first. */
  readonly levels?: readonly EntriesAt[];
  /** Why the level is not higher, in words. */
  readonly whyNotHigher: readonly string[];
  readonly receipts: readonly SeenReceipt[];
  /** Every entry below is stored durably, says a witness with role `store`; 0 when none says so. */
  readonly receiptedSize: number;
  /** Entries below `end` that no verified anchor covers. */
  readonly tail: number;
  /** Their level, when it is lower than that of the others. */
  readonly tailLevel?: Level;
  readonly anchors: AnchorsFinding;
  /** Smallest and largest wall clock that the events claim. */
  readonly claimedTime?: { readonly from: string; readonly to: string };
  /** What is not here, in words. */
  readonly missing: readonly string[];
  /** The log before this one, as entry 0 names it. */
  readonly predecessor?: ClosedLog;
  /** A verified successor names this log as ended. */
  readonly closed?: true;
  readonly vouchedBy?: string;
  readonly believed: BelievedFrom;
}

export interface Verdict {
  readonly outcome: Outcome;
  readonly exitCode: 0 | 1 | 2;
  readonly kind?: FileKind;
  /** Absent only when verified. */
  readonly reason?: VerifyReason;
  /** What was expected and what was found. */
  readonly detail?: string;
  /** Index of the batch in an export, or of the log in a bundle, at which it failed. */
  readonly at?: number;
  /** What was verified, also up to the place of a failure. */
  readonly logs: readonly LogFinding[];
  /** For a bundle: what its maker says that it answers. A claim. */
  readonly question?: string;
  /** For a bundle: who sealed it, so that nothing was left out since. Absent when nobody whom the policy names did. */
  readonly sealed?: SealedBy;
  /** For a bundle: what was decided on its entries, as its maker says. */
  readonly decisions?: readonly DecisionFinding[];
}

/** A failure on the way to a verdict. */
export interface Failure {
  readonly reason: VerifyReason;
  readonly detail: string;
  readonly at?: number;
}

export function failed(failure: Failure, logs: readonly LogFinding[] = [], kind?: FileKind): Verdict {
  const { outcome } = VERIFY_REASONS[failure.reason];
  return { outcome, exitCode: EXIT_CODES[outcome], logs, ...failure, ...(kind !== undefined && { kind }) };
}

/** Verified, unless the level of a log is below the least level of the policy. */
export function concluded(
  kind: FileKind,
  logs: readonly LogFinding[],
  policy: TrustPolicy,
  question?: string,
): Verdict {
  const least = LEVELS.indexOf(policy.leastLevel);
  // Of a bundle, a log may be there for an anchor alone: then nothing is asked of it.
  const about = logs.filter(({ levels }) => levels !== undefined);
  const low = (about.length > 0 ? about : logs).find((log) => LEVELS.indexOf(log.tailLevel ?? log.level) < least);
  if (low !== undefined) {
    const reaches =
      low.tailLevel === undefined ? low.level : `${low.level}, and ${low.tail} entries at its end ${low.tailLevel}`;
    const detail = `${low.origin} reaches ${reaches}; the policy asks for ${policy.leastLevel}`;
    return {
      ...failed({ reason: 'below_least_level', detail }, logs, kind),
      ...(question !== undefined && { question }),
    };
  }
  return { outcome: 'verified', exitCode: 0, kind, logs, ...(question !== undefined && { question }) };
}

export function receiptedSizeOf(receipts: readonly SeenReceipt[]): number {
  return receipts.reduce((size, each) => (each.roles.includes('store') ? Math.max(size, each.size) : size), 0);
}

/** The newest receipt of each witness, in the order of the witnesses' names. */
export function newestReceipts(receipts: readonly SeenReceipt[]): readonly SeenReceipt[] {
  const newest = new Map<string, SeenReceipt>();
  for (const receipt of receipts) {
    const known = newest.get(receipt.witness);
    const newer = known === undefined || receipt.size > known.size;
    const later = known?.size === receipt.size && receipt.timestampS > known.timestampS;
    if (newer || later) newest.set(receipt.witness, receipt);
  }
  return [...newest.values()].sort((a, b) => (a.witness < b.witness ? -1 : 1));
}

export function sameCheckpoint(a: Checkpoint, size: number, root: Uint8Array): boolean {
  return a.size === size && a.root.length === root.length && a.root.every((byte, i) => byte === root[i]);
}
