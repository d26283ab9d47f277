/**
 * A command of `latchkey`: its words for the help texts, its options, and what runs it.
 *
 * `load` imports the implementation only when the command runs, so that `verify` on a machine without a compiler
 * loads no native code.
 */
import { type ParseArgsConfig, parseArgs } from 'node:util';
import { LatchkeyError, messageOf } from '../base/errors.ts';

export interface CommandOption {
  readonly type: 'string' | 'boolean';
  readonly short?: string;
  readonly multiple?: boolean;
  /** The name of the value in the help, for example `FILE`. */
  readonly value?: string;
  readonly help: string;
}

export interface CommandSpec {
  /** `journal export`: one to three words. */
  readonly name: string;
  readonly summary: string;
  /** Names of the positional arguments, `[NAME]` when it may be left out, `NAME...` for several. */
  readonly positionals: readonly string[];
  readonly options: Readonly<Record<string, CommandOption>>;
  /** More for `--help`: examples and meaning of the exit code. */
  readonly details?: string;
  readonly load: () => Promise<CommandRun>;
}

/** Resolves with the exit code. */
export type CommandRun = (args: CommandArgs, io: CommandIo) => Promise<number>;

export class CommandArgs {
  readonly positionals: readonly string[];
  readonly #values: Readonly<Record<string, unknown>>;

  constructor(positionals: readonly string[], values: Readonly<Record<string, unknown>>) {
    this.positionals = positionals;
    this.#values = values;
  }

  text(name: string): string | undefined {
    const value = this.#values[name];
    return typeof value === 'string' ? value : undefined;
  }

  /** The values of an option that may be given several times. */
  list(name: string): readonly string[] {
    const value = this.#values[name];
    return Array.isArray(value) ? value.filter((each) => typeof each === 'string') : [];
  }

  flag(name: string): boolean {
    return this.#values[name] === true;
  }

  /** The option's value, or a usage error that names it. */
  required(name: string): string {
    const value = this.text(name);
    if (value === undefined) throw new LatchkeyError('USAGE', `option --${name} is needed`);
    return value;
  }

  count(name: string, otherwise: number): number {
    const value = this.text(name);
    if (value === undefined) return otherwise;
    if (!/^\d{1,15}$/.test(value)) {
      throw new LatchkeyError('USAGE', `option --${name}: expected a whole number, found ${JSON.stringify(value)}`);
    }
    return Number(value);
  }
}

/** What a command may touch of its process. */
export interface CommandIo {
  /** A line on standard output. */
  out(line: string): void;
  /** A line on standard error: progress and warnings, never what programs read. */
  err(line: string): void;
  /** Raw bytes on standard output; resolves when they are taken. */
  write(bytes: Uint8Array): Promise<void>;
  /** Fires at SIGINT and SIGTERM: stop cleanly. */
  readonly signal: AbortSignal;
}

export function parseCommandArgs(spec: CommandSpec, argv: readonly string[]): CommandArgs {
  const options: NonNullable<ParseArgsConfig['options']> = { help: { type: 'boolean', short: 'h' } };
  for (const [name, option] of Object.entries(spec.options)) {
    options[name] = {
      type: option.type,
      ...(option.short === undefined ? {} : { short: option.short }),
      ...(option.multiple === undefined ? {} : { multiple: option.multiple }),
    };
  }
  try {
    const parsed = parseArgs({ args: [...argv], options, allowPositionals: true, strict: true });
    checkPositionals(spec, parsed.positionals, parsed.values['help'] === true);
    return new CommandArgs(parsed.positionals, parsed.values);
  } catch (error) {
    if (error instanceof LatchkeyError) throw error;
    throw new LatchkeyError('USAGE', `${spec.name}: ${messageOf(error).split(/\.?[ \n]*(?:\n|\. )/)[0]}`);
  }
}

function checkPositionals(spec: CommandSpec, found: readonly string[], help: boolean): void {
  if (help) return;
  const least = spec.positionals.filter((name) => !name.startsWith('[')).length;
  const most = spec.positionals.some((name) => name.includes('...'))
    ? Number.POSITIVE_INFINITY
    : spec.positionals.length;
  if (found.length >= least && found.length <= most) return;
  const expected = spec.positionals.length === 0 ? 'no arguments' : spec.positionals.join(' ');
  const count = found.length === 1 ? '1 argument' : `${found.length} arguments`;
  throw new LatchkeyError('USAGE', `${spec.name}: expected ${expected}, found ${count}`);
}
