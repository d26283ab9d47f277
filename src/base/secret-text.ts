/**
 * A text that nobody prints: an access code on its way from the keys to its check. `JSON.stringify`, `util.inspect`, log
 * lines and string templates show `[secret]`; only `reveal` gives it.
 */
export class SecretText {
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  reveal(): string {
    return this.#text;
  }

  toString(): string {
    return '[secret]';
  }

  toJSON(): string {
    return '[secret]';
  }
}
