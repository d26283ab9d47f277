/**
 * Between the page and its worker. A page whose browser lets it have no worker (some forbid it to files on the disk)
 * judges in its own thread, in pieces.
 */
import { judge, unreadable } from './judge.ts';
import type { Ask, Told } from './protocol.ts';

/** The part of a worker's global scope that is used; the DOM's types describe a window. */
interface WorkerScope {
  postMessage(told: Told): void;
  addEventListener(type: 'message', listener: (event: MessageEvent<Ask>) => void): void;
}

/** The worker's side: answers one question. */
export function serve(): void {
  const scope = globalThis as unknown as WorkerScope;
  const tell = (told: Told): void => scope.postMessage(told);
  scope.addEventListener('message', ({ data }) => {
    judge(data, tell).catch((error: unknown) => tell(unreadable(error)));
  });
}

/** Asks, and tells until it is answered or stopped. Returns what stops it. */
export function ask(script: string, question: Ask, tell: (told: Told) => void): () => void {
  let isStopped = false;
  const guarded = (told: Told): void => {
    if (!isStopped) tell(told);
  };
  const here = (): void => {
    judge(question, guarded).catch((error: unknown) => guarded(unreadable(error)));
  };
  const worker = workerOf(script);
  if (worker === undefined) here();
  else {
    let isHeard = false;
    worker.addEventListener('message', ({ data }: MessageEvent<Told>) => {
      isHeard = true;
      guarded(data);
    });
    worker.addEventListener('error', (event) => {
      event.preventDefault();
      worker.terminate();
      if (isHeard) guarded(unreadable(new Error(event.message)));
      else if (!isStopped) here();
    });
    worker.postMessage(question);
  }
  return () => {
    isStopped = true;
    worker?.terminate();
  };
}

function workerOf(script: string): Worker | undefined {
  try {
    const url = URL.createObjectURL(new Blob([script], { type: 'text/javascript' }));
    const worker = new Worker(url, { type: 'module' });
    // A module is fetched after the constructor returns, so the address is given back when it has answered or failed.
    const forget = (): void => URL.revokeObjectURL(url);
    worker.addEventListener('message', forget, { once: true });
    worker.addEventListener('error', forget, { once: true });
    return worker;
  } catch {
    return undefined;
  }
}
