/**
 * A serial keypad: one byte a key, a key that ends the entry, and a lamp that is told how that ended.
 */
import { utf8 } from '../../src/base/bytes.ts';
import type { Emission } from '../faults/plan.ts';

const TOLD_MAX = 1_000;

export class Keypad {
  readonly #enter: string;
  #told: readonly string[] = [];

  constructor({ enter }: { readonly enter: string }) {
    this.#enter = enter;
  }

  /** What it was told, newest last. */
  get told(): readonly string[] {
    return this.#told;
  }

  emission(keys: string): Emission {
    const enter = utf8(this.#enter);
    return { what: 'scan', bytes: utf8(keys + this.#enter), suffixBytes: enter.length };
  }

  receive(chunk: Uint8Array): void {
    this.#told = [...this.#told, ...Array.from(chunk, (byte) => String.fromCharCode(byte))].slice(-TOLD_MAX);
  }
}
