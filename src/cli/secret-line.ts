/** A secret that a person types, unseen, or that a program writes as a line of standard input. */
import { createInterface } from 'node:readline';
import type { ReadStream } from 'node:tty';
import { within } from '../base/abort.ts';
import { LatchkeyError } from '../base/errors.ts';

const WAIT_MS = 120_000;
const CHARS_MAX = 1_024;
const INTERRUPT = '\u0003';
const END = '\u0004';

/** Rejects with USAGE when nothing comes, and with the signal's reason. */
export async function secretLine(question: string, stop: AbortSignal): Promise<string> {
  const signal = within(WAIT_MS, stop);
  const { stdin } = process;
  if (!stdin.isTTY) return pipedLine(signal);
  process.stderr.write(question);
  try {
    return await typedLine(stdin, signal);
  } finally {
    process.stderr.write('\n');
  }
}

async function pipedLine(signal: AbortSignal): Promise<string> {
  const lines = createInterface({ input: process.stdin });
  try {
    return await new Promise<string>((resolve, reject) => {
      lines.once('line', resolve);
      lines.once('close', () => reject(new LatchkeyError('USAGE', 'expected a line on standard input, found nothing')));
      signal.addEventListener('abort', () => reject(signal.reason), { once: true });
    });
  } finally {
    lines.close();
    process.stdin.unref?.();
  }
}

/** The terminal shows nothing in raw mode, and leaves it to us what ends a line. */
function typedLine(terminal: ReadStream, signal: AbortSignal): Promise<string> {
  return new Promise((resolve, reject) => {
    let typed = '';
    const end = (settle: () => void): void => {
      terminal.off('data', take);
      signal.removeEventListener('abort', aborted);
      terminal.setRawMode(false);
      terminal.pause();
      settle();
    };
    const aborted = (): void => end(() => reject(signal.reason));
    const take = (chunk: Buffer): void => {
      for (const char of chunk.toString()) {
        if (char === '\r' || char === '\n') {
          end(() => resolve(typed));
          return;
        }
        if (char === INTERRUPT || char === END) {
          end(() => reject(new LatchkeyError('USAGE', 'expected a line, and it was broken off')));
          return;
        }
        typed =
          char === '\u007f' || char === '\b' ? [...typed].slice(0, -1).join('') : (typed + char).slice(0, CHARS_MAX);
      }
    };
    terminal.setRawMode(true);
    terminal.on('data', take);
    signal.addEventListener('abort', aborted, { once: true });
    terminal.resume();
  });
}
