/**
 * Key names of C2SP signed-note: not empty, and no Unicode space, control character, lone surrogate or plus.
 */
export function isKeyName(name: string): boolean {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is refused
  return name.length > 0 && !/[\s\u0000-\u001f\u0085\ud800-\udfff+]/u.test(name);
}
