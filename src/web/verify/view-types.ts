/** What is drawn, in words already chosen: all texts are text, and none of them is ever markup. */
import type { ContinuityFinding } from '../../evidence/anchor/findings.ts';
import type { Level } from '../../evidence/verify/policy.ts';
import type { Outcome } from '../../evidence/verify/reasons.ts';
import type { TreePath } from './tree-path.ts';

export interface Row {
  readonly label: string;
  readonly value: string;
}

export interface View {
  readonly outcome: Outcome;
  readonly headline: string;
  readonly summary: string;
  readonly reason?: { readonly name: string; readonly detail: string; readonly place?: string };
  /** What the reader may do about it. */
  readonly advice?: string;
  readonly file: string;
  readonly question?: string;
  readonly sealed?: string;
  readonly decisions: readonly DecisionView[];
  readonly logs: readonly LogView[];
}

export interface LogView {
  /** Of a log in parts, each has its own. */
  readonly key: string;
  readonly origin: string;
  readonly title: string;
  /** Absent: nothing of this log was verified, and its entries are the file's claims. */
  readonly finding?: FindingView;
  /** The entries below are proved; otherwise they are drawn as the file has them. */
  readonly isProved: boolean;
  readonly entries: readonly EntryView[];
  readonly omitted: number;
}

export interface FindingView {
  readonly level: Level;
  readonly levelText: string;
  readonly ladder: readonly LevelStep[];
  /** Of a bundle: what each entry that is asked about reaches, the highest first. */
  readonly reached: readonly ReachedView[];
  readonly tail?: string;
  readonly rows: readonly Row[];
  readonly coverage: CoverageView;
  readonly anchors: readonly Row[];
  readonly continuity: readonly ContinuityFinding[];
  readonly receipts: readonly ReceiptView[];
  readonly missing: readonly string[];
}

/** Entries of one level. */
export interface ReachedView {
  readonly level: Level;
  readonly text: string;
  /** `entries 7, 9 and 11`. */
  readonly which: string;
}

export interface LevelStep {
  readonly level: Level;
  readonly text: string;
  readonly isReached: boolean;
  /** What is missing for it. */
  readonly why?: string;
}

/** The tree from left to right; sizes are counts of entries from 0. */
export interface CoverageView {
  readonly size: number;
  readonly first: number;
  readonly end: number;
  readonly anchored: number;
  readonly receipted: number;
  readonly checkpoints: readonly number[];
  readonly text: string;
}

export interface ReceiptView {
  readonly witness: string;
  readonly roles: string;
  readonly text: string;
}

export type EntryUse = 'accepted' | 'opaque' | 'withheld' | 'erased' | 'unreadable';

export interface EntryView {
  readonly n: number;
  readonly use: EntryUse;
  readonly title: string;
  readonly type?: string;
  /** Of `at`: `2026-11-22` and `09:00:05.120`. */
  readonly day?: string;
  readonly time?: string;
  /** From the entry drawn before, where it is long enough to be told. */
  readonly gap?: string;
  /** Compartment, device, parcel, actor. */
  readonly about: readonly string[];
  readonly rows: readonly Row[];
  readonly note?: string;
  readonly path?: TreePath;
  /** What is proved of it by itself, where the verdict says so. */
  readonly level?: { readonly level: Level; readonly text: string };
  /** Decisions that rest on it. */
  readonly decisions: readonly string[];
}

export interface DecisionView {
  readonly id: string;
  readonly refund: string;
  readonly outcome: string;
  readonly approvals?: string;
  readonly ruleset: string;
  readonly reasons: readonly { readonly code: string; readonly text: string; readonly events: readonly string[] }[];
  readonly alternatives: readonly Row[];
  /** Entries that it counted for more than the file proves of them, under the trust that was given. */
  readonly above: readonly AboveView[];
  /** Refers to facts that are in this file, said by the verdict. */
  readonly isChecked: boolean;
}

export interface AboveView {
  readonly entry: string;
  readonly counted: string;
  readonly proved: string;
}
