/** Long work in small steps: a generator run to its end at once, or giving way to the event loop. */
import { setImmediate as turn } from 'node:timers/promises';

/** How long one slice keeps the event loop. */
const SLICE_MS = 8;

export function lastOf<T, R>(steps: Generator<T, R>): R {
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
  }
}

/** The generator's result. Rejects with the abort reason between two slices. */
export async function paced<T, R>(
  steps: Generator<T, R>,
  options: { readonly signal: AbortSignal; readonly progress?: (value: T) => void },
): Promise<R> {
  for (;;) {
    const endMs = performance.now() + SLICE_MS;
    let newest: T | undefined;
    do {
      const step = steps.next();
      if (step.done === true) return step.value;
      newest = step.value;
    } while (performance.now() < endMs);
    if (newest !== undefined) options.progress?.(newest);
    await turn();
    options.signal.throwIfAborted();
  }
}
