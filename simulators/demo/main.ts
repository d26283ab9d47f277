/** Entry of `npm run demo [-- --json] [-- --keep] [-- --data-dir DIR]`. */
import { parseArgs } from 'node:util';
import { explain, LatchkeyError, messageOf } from '../../src/base/errors.ts';
import { runDemo } from './demo.ts';

const USAGE = `npm run demo [-- --json] [-- --keep] [-- --data-dir DIR]
  --json  the last line on standard output is one object with the counts; the story goes to standard error
  --keep  leaves the site up afterwards, until Ctrl-C
  --data-dir DIR  puts everything there, in place of a new folder under the temporary one; it stays either way`;

async function main(argv: readonly string[]): Promise<number> {
  const { json, keep, help, 'data-dir': dir } = options(argv);
  const toOut = (line: string): void => void process.stdout.write(`${line}\n`);
  const toErr = (line: string): void => void process.stderr.write(`${line}\n`);
  if (help) {
    toOut(USAGE);
    return 0;
  }
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort());
  const typed = process.stdin.isTTY ? { input: process.stdin } : {};
  const where = dir === undefined ? {} : { dir };
  return runDemo({ json, keep, ...where, say: json ? toErr : toOut, out: toOut, signal: stop.signal, ...typed });
}

interface Given {
  readonly json: boolean;
  readonly keep: boolean;
  readonly help: boolean;
  readonly 'data-dir'?: string | undefined;
}

function options(argv: readonly string[]): Given {
  const flag = { type: 'boolean', default: false } as const;
  try {
    return parseArgs({
      args: [...argv],
      options: { json: flag, keep: flag, help: flag, 'data-dir': { type: 'string' } },
    }).values;
  } catch (error) {
    throw new LatchkeyError('USAGE', messageOf(error));
  }
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  process.stderr.write(`${explain(error)}\n`);
  // An interrupted demo may still be in the middle of starting something.
  process.exit(error instanceof LatchkeyError ? error.exitCode : 70);
}
