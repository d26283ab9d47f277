/**
 * Cuts the bytes of a text scanner into texts: by suffix, and by silence where none comes.
 *
 * Holds at most one text of the greatest length. A longer one is handed over cut, and the line is then skipped to its
 * next suffix or silence: an hour of noise without a suffix is one long text.
 */
import { equalBytes } from '../../../base/bytes.ts';
import type { TextFraming } from './settings.ts';

export type TextCut =
  /** What stood between two suffixes, or ended in silence; with its prefix, never empty. */
  | { readonly kind: 'text'; readonly bytes: Uint8Array; readonly ended: 'suffix' | 'silence' }
  /** Its first bytes, as many as a text may have. */
  | { readonly kind: 'too_long'; readonly bytes: Uint8Array }
  | { readonly kind: 'skipped'; readonly sizeBytes: number };

const LF = 0x0a;
const CR = 0x0d;
const AIM_BYTES = 3;

export class TextCutter {
  readonly #framing: TextFraming;
  readonly #textBytesMax: number;
  readonly #held: Uint8Array;
  #size = 0;
  /** A text was too long: everything up to the next suffix or silence is skipped. */
  #skipping = false;

  constructor(framing: TextFraming) {
    this.#framing = framing;
    this.#textBytesMax = framing.prefix.length + AIM_BYTES + framing.lengthMax;
    this.#held = new Uint8Array(this.#textBytesMax + framing.suffix.length);
  }

  get heldBytes(): number {
    return this.#size;
  }

  /** True when silence would end something. */
  get open(): boolean {
    return this.#size > 0 || this.#skipping;
  }

  push(chunk: Uint8Array): readonly TextCut[] {
    const cuts: TextCut[] = [];
    let skippedBytes = 0;
    for (const byte of chunk) {
      if (this.#size === 0 && byte === LF && this.#framing.suffixName === 'cr' && !this.#skipping) continue;
      this.#held[this.#size] = byte;
      this.#size += 1;
      if (this.#endsWithSuffix()) {
        if (this.#skipping) skippedBytes += 1;
        else this.#take(cuts, 'suffix');
        this.#size = 0;
        this.#skipping = false;
      } else if (this.#skipping) {
        skippedBytes += 1;
        this.#keepTail();
      } else if (this.#size === this.#held.length) {
        cuts.push({ kind: 'too_long', bytes: this.#held.slice(0, this.#textBytesMax) });
        this.#skipping = true;
        skippedBytes += this.#size - this.#textBytesMax;
        this.#keepTail();
      }
    }
    if (skippedBytes > 0) cuts.push({ kind: 'skipped', sizeBytes: skippedBytes });
    return cuts;
  }

  /** The line was silent for the idle gap. */
  silence(): readonly TextCut[] {
    const cuts: TextCut[] = [];
    if (!this.#skipping) this.#take(cuts, 'silence');
    this.#size = 0;
    this.#skipping = false;
    return cuts;
  }

  /** Forgets a half-read text: the port was lost. The answer is its size. */
  reset(): number {
    const lost = this.#skipping ? 0 : this.#size;
    this.#size = 0;
    this.#skipping = false;
    return lost;
  }

  #take(cuts: TextCut[], ended: 'suffix' | 'silence'): void {
    const { suffix, suffixName } = this.#framing;
    let end = ended === 'suffix' ? this.#size - suffix.length : this.#size;
    if (suffixName === 'lf' && ended === 'suffix' && this.#held[end - 1] === CR) end -= 1;
    if (end > 0) cuts.push({ kind: 'text', bytes: this.#held.slice(0, end), ended });
  }

  #endsWithSuffix(): boolean {
    const { suffix } = this.#framing;
    if (suffix.length === 0 || this.#size < suffix.length) return false;
    return equalBytes(this.#held.subarray(this.#size - suffix.length, this.#size), suffix);
  }

  /** Just enough to see a suffix that began before. */
  #keepTail(): void {
    const tail = Math.min(this.#size, Math.max(0, this.#framing.suffix.length - 1));
    this.#held.copyWithin(0, this.#size - tail, this.#size);
    this.#size = tail;
  }
}
