/**
 * A program beside the simulated site, the gateway or the consumer: a process of its own, which hands on the page end and
 * start again. SIGKILL is its power cut: it says nothing more and saves nothing more. Only what the kernel had taken and
 * not yet written survives that, and would not survive a cut of the whole machine.
 */
import { createWriteStream, type WriteStream } from 'node:fs';
import { LatchkeyError } from '../../src/base/errors.ts';
import { Child, type ChildExit } from '../demo/child-process.ts';
import type { ProgramView } from './view.ts';

const READY_LIMIT_MS = 60_000;
const STOP_LIMIT_MS = 15_000;
const LOG_BYTES_MAX = 33_554_432;

export interface ProgramParts {
  /** As in "the gateway runs". */
  readonly name: string;
  readonly args: readonly string[];
  /** Part of the line by which it says that it does its work. */
  readonly ready: string;
  /** Where its diagnostics go: those of this process's time, and at most `LOG_BYTES_MAX` bytes of them. */
  readonly logPath: string;
}

export class Program {
  readonly #parts: ProgramParts;
  readonly #log: WriteStream;
  #logBytes = 0;
  #child: Child | undefined;
  #view: ProgramView = { state: 'stopped' };
  #listener: (view: ProgramView) => void = () => undefined;

  constructor(parts: ProgramParts) {
    this.#parts = parts;
    this.#log = createWriteStream(parts.logPath, { mode: 0o600 });
    // A log that cannot be written hinders nothing else.
    this.#log.on('error', () => undefined);
  }

  get name(): string {
    return this.#parts.name;
  }

  get view(): ProgramView {
    return this.#view;
  }

  /** Hears each change of the view; one listener. */
  onChange(listener: (view: ProgramView) => void): void {
    this.#listener = listener;
  }

  /**
   * Starts it, and resolves when it does its work. Throws USAGE while it is there already; rejects with TIMED_OUT, and its
   * last words, when it does not come up.
   */
  start(): Promise<void> {
    const { name, args, ready } = this.#parts;
    if (this.#child !== undefined) throw new LatchkeyError('USAGE', `the ${name} is there already`);
    const child = new Child(process.execPath, args, { isTied: true, onLine: (line) => this.#keep(line) });
    child.endInput();
    this.#child = child;
    this.#set({ state: 'starting' });
    child.exited.then(
      (exit) => this.#ended(child, exit),
      (error: unknown) => this.#ended(child, undefined, String(error)),
    );
    const coming = child.line(ready, READY_LIMIT_MS).then(
      () => {
        if (this.#child === child && this.#view.state === 'starting') this.#set({ state: 'running' });
      },
      () => {
        throw new LatchkeyError('TIMED_OUT', `the ${name} did not start: ${lastWords(child)}`);
      },
    );
    // Whoever clicks does not wait for it: the view says what came of it.
    coming.catch(() => undefined);
    return coming;
  }

  /** Resolves when it has ended, by SIGKILL when it takes its time. Throws USAGE when it is not there. */
  async stop(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    const child = this.#child;
    if (child === undefined) throw new LatchkeyError('USAGE', `the ${this.#parts.name} is not there`);
    this.#set({ state: 'stopping' });
    await child.stop(signal, STOP_LIMIT_MS);
  }

  /** Leaves nothing running. */
  async close(): Promise<void> {
    if (this.#child !== undefined) await this.stop('SIGTERM').catch(() => undefined);
    await new Promise<void>((resolve) => this.#log.end(() => resolve()));
  }

  #ended(child: Child, exit: ChildExit | undefined, why = lastWords(child)): void {
    if (this.#child !== child) return;
    this.#child = undefined;
    const isAsked = this.#view.state === 'stopping';
    const how = exit?.signal ?? (exit?.code === 0 ? '' : `exit code ${exit?.code ?? 'unknown'}`);
    this.#set(isAsked ? { state: 'stopped' } : { state: 'failed', why: how === '' ? why : `${how}: ${why}` });
  }

  #set(view: ProgramView): void {
    this.#view = view;
    this.#listener(view);
  }

  #keep(line: string): void {
    this.#logBytes += line.length + 1;
    if (this.#logBytes <= LOG_BYTES_MAX) this.#log.write(`${line}\n`);
  }
}

/** What a command says to people at its end, before what it says to programs. */
function lastWords(child: Child): string {
  const lines = child.lines('err');
  return lines.findLast((line) => line.startsWith('latchkey: ')) ?? lines.at(-1) ?? 'it said nothing';
}
