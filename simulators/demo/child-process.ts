/**
 * A child process whose lines can be awaited: how the demo and the process tests drive the product from outside.
 */
import { type ChildProcessWithoutNullStreams, type StdioOptions, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { present } from '../../src/base/assert.ts';
import { LatchkeyError } from '../../src/base/errors.ts';

export interface ChildExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface ChildOptions {
  /** Added to this process's environment; undefined takes a variable away. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly cwd?: string;
  /** As whom it runs, where this process is root: without any group beside that one. */
  readonly user?: { readonly uid: number; readonly gid: number };
  /** Sees every line as it comes. */
  readonly onLine?: (line: string, stream: 'out' | 'err') => void;
  /**
   * Whatever ends this process ends a child that looks after its channel (`latchkey` does), SIGKILL included; and a key at
   * the terminal reaches this process alone, which then ends its children in its own order.
   */
  readonly isTied?: boolean;
}

type Matcher = RegExp | string | ((line: string) => boolean);

interface Waiter {
  readonly matches: (line: string) => boolean;
  readonly found: (line: string) => void;
}

/** Lines kept of each stream; older ones are forgotten. */
const LINES_KEPT = 20_000;
const LINES_SHOWN = 20;
export const WAIT_LIMIT_MS = 60_000;

export class Child {
  readonly exited: Promise<ChildExit>;
  readonly #title: string;
  readonly #process: ChildProcessWithoutNullStreams;
  readonly #lines = { out: [] as string[], err: [] as string[] };
  readonly #waiters = new Set<Waiter>();
  #exit: ChildExit | undefined;

  constructor(command: string, args: readonly string[], options: ChildOptions = {}) {
    this.#title = [command, ...args].join(' ');
    const { isTied = false } = options;
    const parts = { env: { ...process.env, ...options.env }, cwd: options.cwd, detached: isTied, ...options.user };
    const stdio: StdioOptions = isTied ? ['pipe', 'pipe', 'pipe', 'ipc'] : 'pipe';
    // A channel changes nothing about the three streams.
    this.#process = spawn(command, args, { ...parts, stdio }) as ChildProcessWithoutNullStreams;
    this.#process.stdin.on('error', () => undefined);
    for (const stream of ['out', 'err'] as const) {
      const lines = createInterface({ input: stream === 'out' ? this.#process.stdout : this.#process.stderr });
      lines.on('line', (line) => this.#take(line, stream, options.onLine));
    }
    this.exited = new Promise((resolve, reject) => {
      this.#process.on('error', reject);
      this.#process.on('close', (code, signal) => {
        this.#exit = { code, signal };
        resolve(this.#exit);
      });
    });
    this.exited.catch(() => undefined);
  }

  get pid(): number {
    return present(this.#process.pid, `the process id of "${this.#title}"`);
  }

  get running(): boolean {
    return this.#exit === undefined;
  }

  lines(stream: 'out' | 'err' = 'out'): readonly string[] {
    return this.#lines[stream];
  }

  /** Both streams, for a message that says what went wrong. */
  tail(): string {
    const shown = [...this.#lines.out.slice(-LINES_SHOWN), ...this.#lines.err.slice(-LINES_SHOWN)];
    return shown.map((line) => `\n  | ${line}`).join('');
  }

  write(text: string): void {
    this.#process.stdin.write(text);
  }

  endInput(): void {
    this.#process.stdin.end();
  }

  /**
   * The first line on either stream that matches, also one that was already there. Rejects with TIMED_OUT, or with
   * INTERNAL when the process ended without it.
   */
  async line(matcher: Matcher, limitMs = WAIT_LIMIT_MS): Promise<string> {
    const matches = matcherOf(matcher);
    const known = [...this.#lines.out, ...this.#lines.err].find(matches);
    if (known !== undefined) return known;
    let waiter: Waiter | undefined;
    const found = new Promise<string>((resolve) => {
      waiter = { matches, found: resolve };
      this.#waiters.add(waiter);
    });
    try {
      return await this.#within(limitMs, `line ${String(matcher)}`, found, true);
    } finally {
      if (waiter !== undefined) this.#waiters.delete(waiter);
    }
  }

  /** How it ended. Rejects with TIMED_OUT when it goes on. */
  exit(limitMs = WAIT_LIMIT_MS): Promise<ChildExit> {
    return this.#within(limitMs, 'end', this.exited, false);
  }

  signal(signal: NodeJS.Signals): void {
    this.#process.kill(signal);
  }

  /** Sends the signal and waits for the end; SIGKILL follows when it does not come, and then this rejects. */
  async stop(signal: NodeJS.Signals = 'SIGTERM', limitMs = WAIT_LIMIT_MS): Promise<ChildExit> {
    if (this.#exit !== undefined) return this.#exit;
    this.signal(signal);
    try {
      return await this.exit(limitMs);
    } catch (error) {
      this.signal('SIGKILL');
      await this.exited.catch(() => undefined);
      throw error;
    }
  }

  #take(line: string, stream: 'out' | 'err', onLine: ChildOptions['onLine']): void {
    const lines = this.#lines[stream];
    lines.push(line);
    if (lines.length > LINES_KEPT) lines.splice(0, LINES_KEPT / 2);
    onLine?.(line, stream);
    for (const waiter of this.#waiters) if (waiter.matches(line)) waiter.found(line);
  }

  #within<T>(limitMs: number, what: string, work: Promise<T>, endsInVain: boolean): Promise<T> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(
        () => reject(new LatchkeyError('TIMED_OUT', `"${this.#title}": no ${what} in ${limitMs} ms${this.tail()}`)),
        limitMs,
      );
      const settle = (act: () => void): void => {
        clearTimeout(timer);
        act();
      };
      work.then(
        (value) => settle(() => resolve(value)),
        (error: unknown) => settle(() => reject(error)),
      );
      if (!endsInVain) return;
      const ended = ({ code, signal }: ChildExit): void =>
        settle(() =>
          reject(
            new LatchkeyError('INTERNAL', `"${this.#title}" ended (${signal ?? code}) without ${what}${this.tail()}`),
          ),
        );
      // Lines that came with the end are looked at first.
      this.exited.then((exit) => setImmediate(ended, exit), reject);
    });
  }
}

export interface Finished extends ChildExit {
  readonly out: string;
  readonly err: string;
}

/** Runs a command to its end. Rejects with TIMED_OUT, after SIGKILL, when it takes longer. */
export async function runToEnd(
  command: string,
  args: readonly string[],
  options: ChildOptions & { readonly limitMs?: number } = {},
): Promise<Finished> {
  const child = new Child(command, args, options);
  child.endInput();
  try {
    const exit = await child.exit(options.limitMs ?? WAIT_LIMIT_MS);
    return { ...exit, out: child.lines('out').join('\n'), err: child.lines('err').join('\n') };
  } catch (error) {
    child.signal('SIGKILL');
    throw error;
  }
}

function matcherOf(matcher: Matcher): (line: string) => boolean {
  if (typeof matcher === 'function') return matcher;
  return typeof matcher === 'string' ? (line) => line.includes(matcher) : (line) => matcher.test(line);
}
