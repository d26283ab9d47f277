/** Long enough for a machine that is held up for seconds: what fails, fails later; what holds costs nothing. */
const LIMIT_MS = 30_000;

/** Waits for a condition, looking every few milliseconds: rejects, saying what was awaited, after `limitMs`. */
export async function until(what: string, condition: () => boolean, limitMs = LIMIT_MS): Promise<void> {
  const endMs = performance.now() + limitMs;
  while (!condition()) {
    if (performance.now() > endMs) throw new Error(`waited ${limitMs} ms in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}
