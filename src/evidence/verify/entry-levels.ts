/**
 * The level of one entry (FORMAT.md section 9): the one predicate of decisions, of bundles and of verdicts over them.
 *
 * A stretch is a run of entries without a gap: one tree, in which each of them is proved. An anchor or a cosignature over a
 * size in it is over that tree; nothing shows that an entry before a gap is in a tree that ends behind it.
 */
import { LEVELS, type Level } from './policy.ts';

/** Entries [first, end) of one tree, and what is known of that tree. */
export interface Stretch {
  readonly first: number;
  readonly end: number;
  /** Sizes of verified anchors whose root the tree has there; those outside of (first, end] are of no concern. */
  readonly anchors: readonly number[];
  /** Newest size in it that an independent witness cosigned; 0 for none. */
  readonly cosigned: number;
}

/** Of a stretch that begins at `first`: up to where its entries are anchored, and anchored and cosigned. */
export interface ProvedStretch {
  readonly first: number;
  readonly anchored: number;
  readonly witnessed: number;
}

/** Entries [first, end) are of the key; all others may be of whoever had it after it was revoked. */
export interface TrustedRange {
  readonly first: number;
  readonly end: number;
}

export interface LevelProof {
  /** The key is sealed in a hardware TPM. */
  readonly sealed: boolean;
  /** Ascending. Whatever lies between them is held by nobody. */
  readonly stretches: readonly ProvedStretch[];
  /** Absent while the key is not revoked. */
  readonly trusted?: TrustedRange;
}

export function provedStretch({ first, end, anchors, cosigned }: Stretch): ProvedStretch {
  let [anchored, witnessed] = [0, 0];
  for (const size of anchors) {
    if (size <= first || size > end) continue;
    anchored = Math.max(anchored, size);
    if (size <= cosigned) witnessed = Math.max(witnessed, size);
  }
  return { first, anchored, witnessed };
}

export function levelAt(n: number, { sealed, stretches, trusted }: LevelProof): Level {
  if (!isTrusted(n, trusted) || !sealed) return 'A0';
  const { anchored = 0, witnessed = 0 } = stretches.findLast(({ first }) => first <= n) ?? {};
  if (n < witnessed) return 'A3';
  return n < anchored ? 'A2' : 'A1';
}

export function isTrusted(n: number, trusted: TrustedRange | undefined): boolean {
  return trusted === undefined || (n >= trusted.first && n < trusted.end);
}

/** Of the stretches, the one whose tree has the size that a revocation names, if it has that root there; else nothing counts. */
export function trustedRange(
  size: number,
  isSameRoot: boolean,
  stretches: readonly { readonly first: number; readonly end: number }[],
): TrustedRange {
  const holder = isSameRoot ? stretches.find(({ first, end }) => size > first && size <= end) : undefined;
  return holder === undefined ? { first: 0, end: 0 } : { first: holder.first, end: size };
}

/** Entries of one level. */
export interface EntriesAt {
  readonly level: Level;
  /** Indices, ascending. */
  readonly entries: readonly number[];
}

/** The highest level first. */
export function byLevel(indices: readonly number[], proof: LevelProof): readonly EntriesAt[] {
  const found = new Map<Level, number[]>();
  for (const index of indices) {
    const level = levelAt(index, proof);
    const known = found.get(level);
    if (known === undefined) found.set(level, [index]);
    else known.push(index);
  }
  return [...found]
    .sort(([a], [b]) => LEVELS.indexOf(b) - LEVELS.indexOf(a))
    .map(([level, entries]) => ({ level, entries }));
}
