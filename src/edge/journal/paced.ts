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

/** The generator's result; `progress` gets its newest value after each slice. Rejects with the abort reason. */
export async function paced<T, R>(
  steps: Generator<T, R>,
  options: { readonly signal: AbortSignal; readonly progress?: (value: T) => void },
): Promise<R> {
  for (;;) {
    options.signal.throwIfAborted();
    const endMs = performance.now() + SLICE_MS;
    let newest: T | undefined;
    let step = steps.next();
    while (step.done !== true && performance.now() < endMs) {
      newest = step.value;
      step = steps.next();
    }
    if (step.done !== true) newest = step.value;
    if (newest !== undefined) options.progress?.(newest);
    if (step.done === true) return step.value;
    await turn();
  }
}
