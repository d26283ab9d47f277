/** Faults in the system calls of a process that is already running: strace is attached, and detached when it is enough. */
import { readFileSync, rmSync } from 'node:fs';
import { Child } from '../../../simulators/demo/child-process.ts';
import { parseStrace, type Syscall, straceArgs } from '../../support/strace.ts';

export interface Sabotage {
  /** The faults end; resolves with the calls that were recorded. */
  stop(): Promise<readonly Syscall[]>;
}

export interface Sabotaging {
  /** In strace's spelling; `when` counts from here, each thread on its own. */
  readonly inject: readonly string[];
  readonly trace: readonly string[];
  /** Only calls on these: others are neither recorded nor counted. */
  readonly paths?: readonly string[];
  readonly logFile: string;
}

export async function sabotage(pid: number, options: Sabotaging): Promise<Sabotage> {
  rmSync(options.logFile, { force: true });
  // `--` is the last one: a command would follow. A filter for speed cannot be put into a process that runs.
  const args = straceArgs(options).filter((arg) => arg !== '--' && arg !== '--seccomp-bpf');
  const paths = (options.paths ?? []).flatMap((path) => ['-P', path]);
  const strace = new Child('strace', [...args, ...paths, '-p', String(pid)]);
  await strace.line(/ attached/);
  let stopped: Promise<unknown> | undefined;
  return {
    async stop() {
      stopped ??= strace.stop('SIGINT');
      await stopped;
      return parseStrace(undetached(readFileSync(options.logFile, 'latin1')));
    },
  };
}

/** A call that was under way when strace let go is one of which no end was seen. */
function undetached(log: string): string {
  const lines = log.split('\n').filter((line) => !/ resumed> ?<detached \.\.\.>$/.test(line));
  return lines.map((line) => line.replace(/ <detached \.\.\.>$/, ' <unfinished ...>')).join('\n');
}
