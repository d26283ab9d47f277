#!/usr/bin/env node
/** The command line's entry: finds the command, runs it, and turns its outcome into an exit code. */
import { ERRORS, explain, LatchkeyError } from '../base/errors.ts';
import { type CommandIo, type CommandSpec, parseCommandArgs } from './command.ts';
import { COMMANDS } from './commands.ts';
import { findCommand } from './find-command.ts';
import { helpCommand, helpOverview } from './help.ts';
import { packageVersion } from './version.ts';

async function main(argv: readonly string[]): Promise<number> {
  const [first, second] = argv;
  if (first === undefined || first === 'help' || first === '--help' || first === '-h') return help(argv.slice(1));
  if (first === '--version') return print(packageVersion());
  const command = findCommand(argv);
  if (command === undefined && ['help', '--help', '-h'].includes(second ?? '')) return help([first]);
  if (command === undefined) throw unknownCommand(argv);
  const args = parseCommandArgs(command, argv.slice(command.name.split(' ').length));
  if (args.flag('help')) return print(helpCommand(command));
  const run = await command.load();
  return run(args, processIo());
}

function help(words: readonly string[]): number {
  if (words[0] === 'exit-codes') return print(exitCodes());
  const command = COMMANDS.find((spec) => spec.name === words.join(' '));
  if (command !== undefined) return print(helpCommand(command));
  const group = COMMANDS.filter((spec) => words.length === 0 || spec.name.startsWith(`${words.join(' ')} `));
  if (group.length === 0) throw unknownCommand(words);
  return print(helpOverview(group, packageVersion()));
}

function exitCodes(): string {
  const rows = Object.entries(ERRORS).map(([code, row]) => `  ${row.exitCode}\t${code}: ${row.advice}`);
  return ['  0\tdone, or verified', '  1\trefuted', '  2\tcannot tell', ...rows].join('\n');
}

function unknownCommand(words: readonly string[]): LatchkeyError {
  const near: readonly CommandSpec[] = COMMANDS.filter((spec) => spec.name.split(' ')[0] === words[0]);
  const hint = near.length === 0 ? '' : `; did you mean ${near.map((spec) => `"latchkey ${spec.name}"`).join(' or ')}?`;
  return new LatchkeyError('USAGE', `there is no command "latchkey ${words.slice(0, 2).join(' ')}"${hint}`);
}

function print(text: string): number {
  process.stdout.write(`${text}\n`);
  return 0;
}

function processIo(): CommandIo {
  let stop: AbortController | undefined;
  return {
    out: (line) => void process.stdout.write(`${line}\n`),
    err: (line) => void process.stderr.write(`${line}\n`),
    write: (bytes) =>
      new Promise((resolve, reject) => {
        process.stdout.write(bytes, (error) => (error ? reject(error) : resolve()));
      }),
    // Signals are taken over only for commands that ask: the others end at once, as every program does.
    get signal() {
      stop ??= stopBySignals();
      return stop.signal;
    },
  };
}

function stopBySignals(): AbortController {
  const stop = new AbortController();
  const abort = (): void => stop.abort(new LatchkeyError('TIMED_OUT', 'stopped by a signal'));
  process.once('SIGINT', abort);
  process.once('SIGTERM', abort);
  // Of whoever started this process over a channel of Node's: when that one is gone, however it ended, so is this.
  process.once('disconnect', abort);
  process.channel?.unref();
  return stop;
}

// A reader that closes early (head, less) is no failure of ours, and never changes a verdict: what was about to be the
// exit code stays it.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') setImmediate(() => process.exit(process.exitCode ?? 0));
  else process.exit(74);
});

main(process.argv.slice(2)).then(
  (code) => {
    process.exitCode = code;
  },
  (error: unknown) => {
    if ((error as NodeJS.ErrnoException | undefined)?.code === 'EPIPE') return;
    process.stderr.write(`latchkey: ${explain(error)}\n`);
    if (!(error instanceof LatchkeyError) && error instanceof Error) process.stderr.write(`${error.stack ?? ''}\n`);
    process.exitCode = error instanceof LatchkeyError ? error.exitCode : ERRORS.INTERNAL.exitCode;
  },
);
