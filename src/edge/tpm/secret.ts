/**
 * Bytes that nobody prints: authorisation values, sealed data, session keys. `JSON.stringify`, `util.inspect` and
 * string templates show `[secret]`; only `reveal` gives the bytes.
 */
export class Secret {
  readonly #bytes: Uint8Array;

  /** Copies the bytes. */
  constructor(bytes: Uint8Array) {
    this.#bytes = Uint8Array.from(bytes);
  }

  get sizeBytes(): number {
    return this.#bytes.length;
  }

  /** The bytes themselves, not a copy: `wipe` empties what this gave. */
  reveal(): Uint8Array {
    return this.#bytes;
  }

  /** Overwrites the bytes with zeros. A garbage collector may have moved copies; this shortens their life, no more. */
  wipe(): void {
    this.#bytes.fill(0);
  }

  toString(): string {
    return '[secret]';
  }

  toJSON(): string {
    return '[secret]';
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return '[secret]';
  }
}

export const NO_AUTH = new Secret(new Uint8Array(0));
