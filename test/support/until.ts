/** Long enough for a machine that is held up for seconds: what fails, fails later; what holds costs nothing. */
const LIMIT_MS = 60_000;
/** Soon at first; whoever waits for a process leaves it the processor. */
const LOOK_AGAIN_MS = { first: 2, max: 20 };

/** Waits for a condition, looking every few milliseconds: rejects, saying what was awaited, after `limitMs`. */
export async function until(what: string, condition: () => boolean, limitMs = LIMIT_MS): Promise<void> {
  const endMs = performance.now() + limitMs;
  for (let pauseMs = LOOK_AGAIN_MS.first; !condition(); pauseMs = Math.min(1.2 * pauseMs, LOOK_AGAIN_MS.max)) {
    if (performance.now() > endMs) throw new Error(`waited ${limitMs} ms in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
}
