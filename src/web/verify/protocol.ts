/** What the page asks of its worker, and what it is told: plain data, so that it crosses between threads. */
import type { Verdict } from '../../evidence/verify/verdict.ts';
import type { View } from './view-types.ts';

/** An export is read in pieces and needs little memory; this bounds the patience of whoever waits. */
export const FILE_BYTES_MAX = 268_435_456;

/** The part of a browser's `File` that is needed. */
export interface SourceFile {
  readonly name: string;
  readonly size: number;
  slice(from: number, to: number): { arrayBuffer(): Promise<ArrayBuffer> };
}

export interface Ask {
  readonly file: SourceFile;
  /** A trust policy as its file has it; it comes before `vkey`. */
  readonly policy?: SourceFile;
  /** A log's verifier key, `<origin>+<8 hex digits>+<base64>`. */
  readonly vkey?: string;
  /** Cosigned notes and enrolment records from beside the evidence. */
  readonly beside: readonly SourceFile[];
}

export type Told =
  | { readonly kind: 'progress'; readonly doneBytes: number; readonly totalBytes: number }
  /** What was given besides the evidence cannot be read. */
  | { readonly kind: 'refused'; readonly title: string; readonly problems: readonly string[] }
  | { readonly kind: 'judged'; readonly verdict: Verdict; readonly view: View };
