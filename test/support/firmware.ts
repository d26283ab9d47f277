/**
 * The C side of the open wire, for tests: compiled once for each state of its sources, with the warnings that firmware authors
 * are promised and with the sanitizers, and spoken to line by line.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';

/** From the sources (test/support) and from the build (dist/test/support) alike. */
export const C_DIR = sourceFolder();
export const C_WARNINGS = ['-std=c99', '-Wall', '-Wextra', '-Wpedantic', '-Wconversion', '-Wshadow', '-Werror'];
const SANITIZERS = ['-g', '-fsanitize=address,undefined', '-fno-sanitize-recover=all'];
const COMPILE_LIMIT_MS = 120_000;

function sourceFolder(): string {
  const candidates = ['../..', '../../..'].map((up) => resolve(import.meta.dirname, up, 'firmware-protocol/c'));
  const cwd = resolve('firmware-protocol/c');
  return [...candidates, cwd].find((path) => existsSync(join(path, 'lkw_frame.c'))) ?? cwd;
}

export function librarySources(): readonly string[] {
  return readdirSync(C_DIR)
    .filter((name) => name.endsWith('.c'))
    .map((name) => join(C_DIR, name));
}

export interface Program {
  /** Below firmware-protocol/c. */
  readonly main: string;
  readonly sanitized: boolean;
  readonly compiler?: string;
  readonly flags?: readonly string[];
}

/** Path of the program; compiled when its sources are new. */
export function compileFirmware({ main, sanitized, compiler = 'gcc', flags = [] }: Program): string {
  const own = [sanitized ? '-O1' : '-O2', ...C_WARNINGS, ...(sanitized ? SANITIZERS : []), ...flags];
  const sources = [...librarySources(), join(C_DIR, main)];
  const headers = readdirSync(C_DIR).filter((name) => name.endsWith('.h'));
  const hash = createHash('sha256').update(JSON.stringify([compiler, own, main]));
  for (const file of [...sources, ...headers.map((name) => join(C_DIR, name))]) hash.update(readFileSync(file));
  const dir = join(tmpdir(), `latchkey-firmware-${process.getuid?.() ?? 0}`);
  const program = join(dir, hash.digest('hex').slice(0, 24));
  if (existsSync(program)) return program;
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const fresh = `${program}.new`;
  const call = [compiler, ...own, '-D_XOPEN_SOURCE=700', ...sources, '-o', fresh];
  // Whoever comes second waits for the first instead of compiling the same beside it.
  const once = 'test -e "$0" || { "$@" && mv "$0.new" "$0"; }';
  execFileSync('flock', [`${program}.lock`, 'sh', '-c', once, program, ...call], {
    timeout: COMPILE_LIMIT_MS,
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  return program;
}

/** A C program that answers each line with one line. Its end in between, as after a sanitizer's finding, rejects. */
export class LineProgram {
  readonly #child: ChildProcess;
  readonly #answers: AsyncIterator<string>;
  #complaint = '';

  constructor(path: string, args: readonly string[]) {
    this.#child = spawn(path, [...args], { stdio: ['pipe', 'pipe', 'pipe'] });
    this.#child.stderr?.on('data', (chunk: Buffer) => {
      this.#complaint = (this.#complaint + chunk.toString()).slice(-4_000);
    });
    this.#child.stdin?.on('error', () => undefined);
    if (this.#child.stdout === null) throw new Error('no standard output');
    this.#answers = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
  }

  async ask(line: string): Promise<string> {
    const [answer] = await this.askAll([line]);
    return answer ?? '';
  }

  async askAll(lines: readonly string[]): Promise<readonly string[]> {
    this.#child.stdin?.write(`${lines.join('\n')}\n`);
    const answers: string[] = [];
    while (answers.length < lines.length) {
      const next = await this.#answers.next();
      if (next.done === true) throw new Error(`the program ended: ${this.#complaint}`);
      answers.push(next.value);
    }
    return answers;
  }

  /** Resolves with its exit code. */
  async end(): Promise<number | null> {
    const { exitCode } = this.#child;
    if (exitCode !== null) return exitCode;
    const ended = new Promise<number | null>((done) => this.#child.once('exit', (code) => done(code)));
    this.#child.stdin?.end();
    return ended;
  }
}

export function startHarness(mode: string, ...args: readonly string[]): LineProgram {
  return new LineProgram(compileFirmware({ main: 'test/harness.c', sanitized: true }), [mode, ...args]);
}

/** Without sanitizers, for a million questions. */
export function startFastHarness(mode: string, ...args: readonly string[]): LineProgram {
  return new LineProgram(compileFirmware({ main: 'test/harness.c', sanitized: false }), [mode, ...args]);
}
