/**
 * The level of a log, and why it is not higher (FORMAT.md section 9). Each level needs those below it.
 */
import type { AnchorsFinding } from './anchors.ts';
import type { TrustedRange } from './entry-levels.ts';
import type { Level } from './policy.ts';
import type { BelievedLog } from './trust.ts';
import type { SeenReceipt } from './verdict.ts';

export interface Assured {
  readonly log: BelievedLog;
  readonly anchors: AnchorsFinding;
  readonly receipts: readonly SeenReceipt[];
  /** What is asked about: [first, end). Of a bundle, the place of its last entry ends it. */
  readonly first: number;
  readonly end: number;
  /** Size of the smallest anchor over all that is asked about, where a cosignature of it is enough; else of the newest. */
  readonly covering?: number | undefined;
  /** Entries of a revoked key that are shown to be from before; absent while it is not revoked. */
  readonly trusted?: TrustedRange | undefined;
  /** Entries that no anchor covers have a lower level of their own; in a bundle they lower all. */
  readonly tailAllowed: boolean;
}

export interface Assurance {
  readonly level: Level;
  /** Why the level is not higher, in words: each missing step, lowest first. */
  readonly whyNotHigher: readonly string[];
  /** Entries of [first, end) that no verified anchor covers. */
  readonly tail: number;
  /** The level of those, when it is lower than the rest's. */
  readonly tailLevel?: Level;
}

export function assuranceOf(asked: Assured): Assurance {
  const { anchors, first, end, tailAllowed } = asked;
  const covered = Math.min(Math.max(anchors.size, first), end);
  const tail = end - covered;
  const sealed = whyNotSealed(asked) ?? whyRevoked(asked);
  const anchored = anchors.size > first && (tailAllowed || tail === 0) ? undefined : whyNotAnchored(asked);
  const cosigned = whyNotCosigned(asked);
  const whyNotHigher = [sealed, anchored, cosigned].filter((why) => why !== undefined);
  const level = sealed !== undefined ? 'A0' : anchored !== undefined ? 'A1' : cosigned !== undefined ? 'A2' : 'A3';
  const isTailLower = (level === 'A2' || level === 'A3') && tail > 0;
  if (isTailLower) whyNotHigher.push(`${tail} entries from ${covered} on reach A1: no verified anchor covers them yet`);
  return { level, whyNotHigher, tail, ...(isTailLower && { tailLevel: 'A1' }) };
}

/** A1 at least, by whoever the policy believes. */
export function isSealed(log: BelievedLog): boolean {
  return whyNotSealed({ log }) === undefined;
}

function whyRevoked({ trusted, end }: Assured): string | undefined {
  if (trusted === undefined || (trusted.end > trusted.first && end <= trusted.end)) return undefined;
  return 'A1: the key is revoked, and not all of these are shown to be in the tree that the revocation names';
}

function whyNotSealed({ log }: Pick<Assured, 'log'>): string | undefined {
  if (log.disputed === true) return 'A1: two statements name this log and another for one log';
  if (log.tpmClass === 'emulated') {
    return `A1: ${sourceOf(log)} calls this TPM emulated, and whoever copies its state has the same one`;
  }
  if (log.vouchedBy !== undefined && log.attested !== true) {
    return 'A1: the policy does not name this log; a key for which another log key vouches reaches A0 until it is attested';
  }
  if (log.enrolment === undefined && log.record !== undefined) {
    return `A1: ${recordOf(log.record)} is of software keys`;
  }
  if (log.enrolment === undefined) {
    return 'A1: the policy names no enrolment that proves a key sealed in a hardware TPM; a software key reaches A0';
  }
  if (log.tpmClass === undefined) return 'A1: the policy names an enrolment, but not the class of its TPM';
  return undefined;
}

function recordOf({ service, hash }: NonNullable<BelievedLog['record']>): string {
  return `the enrolment record ${hash} of ${service}`;
}

function sourceOf({ record, tpmFrom }: BelievedLog): string {
  return record === undefined || tpmFrom === 'policy' ? 'the policy' : recordOf(record);
}

function whyNotAnchored({ log, anchors, first, end }: Assured): string {
  const start = 'A2: no verified TPM anchor covers these entries';
  if (log.ak === undefined || log.counter === undefined) {
    const seen = anchors.found > 0 ? `; ${anchors.found} lines look like anchors` : '';
    return `${start}: the policy names no AK and counter${seen}`;
  }
  if (anchors.size > first) return `A2: the newest verified anchor is at size ${anchors.size}, below entry ${end - 1}`;
  const { cleared = 0 } = anchors;
  if (cleared > 0) {
    return `${start}: of those over it, ${cleared} were made after its TPM was cleared, and that must be enrolled again`;
  }
  const strange = anchors.found - anchors.verified;
  if (strange > 0) return `${start}: ${strange} are of another AK or counter, or do not verify`;
  if (anchors.verified > 0) return `${start}: ${anchors.verified} verify, and none is joined to them by this file`;
  return `${start}: there is none in the file`;
}

function whyNotCosigned({ anchors, receipts, covering }: Assured): string | undefined {
  const independent = receipts.filter((receipt) => receipt.roles.includes('independent'));
  if (independent.length === 0) return 'A3: no cosignature of a witness that the policy calls independent';
  const size = Math.max(...independent.map((receipt) => receipt.size));
  if (size >= (covering ?? anchors.size)) return undefined;
  const anchor = covering === undefined ? `the newest anchor at ${anchors.size}` : `their anchor at ${covering}`;
  return `A3: the newest independent cosignature is at size ${size}, below ${anchor}`;
}
