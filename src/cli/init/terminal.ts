/** Questions at a terminal. Lines that are typed ahead, or pasted, answer the questions in their order. */
import { createInterface } from 'node:readline';
import { LatchkeyError } from '../../base/errors.ts';
import type { Asker } from './answers.ts';

const LINES_AHEAD_MAX = 1_000;

export interface Terminal {
  readonly ask: Asker;
  close(): void;
}

export function openTerminal(
  input: NodeJS.ReadableStream,
  output: NodeJS.WritableStream,
  signal: AbortSignal,
): Terminal {
  // The terminal itself edits the line: then Ctrl-C is a signal, as everywhere.
  const reader = createInterface({ input, terminal: false });
  const ahead: string[] = [];
  let waiting: ((line: string | undefined) => void) | undefined;
  let ended = false;
  const take = (line: string | undefined): void => {
    const waiter = waiting;
    waiting = undefined;
    if (waiter !== undefined) waiter(line);
    else if (line !== undefined && ahead.length < LINES_AHEAD_MAX) ahead.push(line);
  };
  reader.on('line', take);
  reader.on('close', () => {
    ended = true;
    take(undefined);
  });
  const abort = (): void => reader.close();
  signal.addEventListener('abort', abort, { once: true });
  return {
    async ask(question) {
      output.write(question);
      const line = ahead.shift() ?? (ended ? undefined : await new Promise<string | undefined>((go) => (waiting = go)));
      signal.throwIfAborted();
      if (line === undefined) throw new LatchkeyError('USAGE', 'the answers ended before the questions did');
      return line;
    },
    close() {
      signal.removeEventListener('abort', abort);
      reader.close();
    },
  };
}
