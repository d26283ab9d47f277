/**
 * A scanned code and what it can be. Types only; `recognise-code.ts` fills them.
 */

/** Identifier schemes that a scan is recognised as. `unknown` is what nothing recognised. */
export type Scheme = 'sscc' | 'gtin' | 'giai' | 's10' | 'ups' | 'impb' | 'unknown';

/** One thing that the code may name. Several are possible; arithmetic certainty comes first. */
export interface Identifier {
  readonly scheme: Scheme;
  /** Normalised as FORMAT.md says for the scheme. */
  readonly value: string;
  /** `check_digit`: its arithmetic holds. `pattern`: it only looks like it. */
  readonly certainty: 'check_digit' | 'pattern';
}

/** A GS1 element string: application identifier and value, after FNC1 separation. */
export interface Gs1Element {
  readonly ai: string;
  readonly value: string;
}

export interface ScanCode {
  /** Bytes of the scan after prefix, suffix and AIM identifier were taken off. */
  readonly raw: Uint8Array;
  /** AIM symbology identifier with its bracket, for example `]C1`, when the scanner sends it. */
  readonly aim?: string;
  /** The bytes as text, when they are UTF-8. */
  readonly text?: string;
  /** Best first; empty when nothing was recognised. */
  readonly identifiers: readonly Identifier[];
  /** Present when the carrier is a GS1 one and its content parses. */
  readonly elements?: readonly Gs1Element[];
}
