/**
 * strace as a witness and as a saboteur: which system calls a process made, with their bytes, and faults put into them.
 *
 * Everything is asked for in hexadecimal (-xx), so that no path and no payload can confuse the reader of the log.
 */
import { readFileSync } from 'node:fs';

export interface StraceOptions {
  readonly logFile: string;
  /** System calls to record. `execve` is always recorded: its first line names the traced process. */
  readonly trace: readonly string[];
  /**
   * strace's own spelling, for example `fsync:error=EIO:when=3` or `pwrite64:signal=SIGKILL:when=5`. A kill comes
   * before the call is carried out. `when` counts the calls of each thread on its own.
   */
  readonly inject?: readonly string[];
  /** Bytes of each buffer that are recorded. */
  readonly bytesMax?: number;
}

export interface Syscall {
  readonly pid: number;
  /** Seconds since 1970, at the call and at its return. */
  readonly startS: number;
  readonly endS: number;
  /** Lines of the log: a call that began before another, and one that returned before another began. */
  readonly startLine: number;
  readonly endLine: number;
  readonly name: string;
  readonly args: readonly SyscallArg[];
  /** Absent when the call never returned: the process was killed in it. */
  readonly result?: number;
  /** `EIO`, `ENOSPC`, ... */
  readonly error?: string;
  readonly injected: boolean;
}

export interface SyscallArg {
  readonly text: string;
  /** For a descriptor: its path, or `socket:[...]`. */
  readonly path?: string;
  /** Every buffer in it, in order (writev has several). */
  readonly buffers: readonly Uint8Array[];
}

export function straceArgs(options: StraceOptions): string[] {
  const calls = [...new Set(['execve', ...options.trace])].join(',');
  const injections = (options.inject ?? []).flatMap((inject) => ['-e', `inject=${inject}`]);
  const size = String(options.bytesMax ?? 262_144);
  // Other calls run at full speed then; but strace 6.1 sends no signals so.
  const filter = injections.some((inject) => inject.includes('signal=')) ? [] : ['--seccomp-bpf'];
  return [
    '-f',
    ...filter,
    '-y',
    '-ttt',
    '-xx',
    '-s',
    size,
    '-e',
    `trace=${calls}`,
    ...injections,
    '-o',
    options.logFile,
    '--',
  ];
}

export function readStrace(logFile: string): readonly Syscall[] {
  return parseStrace(readFileSync(logFile, 'latin1'));
}

/** The first process of the log: the command itself. Undefined while the log is empty. */
export function tracedPid(logFile: string): number | undefined {
  const pid = /^(\d+) /.exec(readFileSync(logFile, 'latin1'))?.[1];
  return pid === undefined ? undefined : Number(pid);
}

interface Begun {
  readonly startS: number;
  readonly startLine: number;
  readonly text: string;
}

/** Reads a log written with `straceArgs`. Lines about signals and exits are passed over; others must be understood. */
export function parseStrace(log: string): readonly Syscall[] {
  const calls: Syscall[] = [];
  const begun = new Map<number, Begun>();
  for (const [line, text] of log.split('\n').entries()) {
    const [, pidText, atText, rest] = /^(\d+) +(\d+\.\d+) (.*)$/.exec(text) ?? [];
    if (pidText === undefined || atText === undefined || rest === undefined) continue;
    if (rest.startsWith('---') || rest.startsWith('+++')) continue;
    const pid = Number(pidText);
    const atS = Number(atText);
    const cut = rest.indexOf(' <unfinished ...>');
    if (cut >= 0 && !rest.startsWith('<... ')) {
      begun.set(pid, { startS: atS, startLine: line, text: rest.slice(0, cut) });
      continue;
    }
    const resumed = /^<\.\.\. \w+ resumed>(.*)$/.exec(rest)?.[1];
    const start = resumed === undefined ? undefined : begun.get(pid);
    if (resumed !== undefined) begun.delete(pid);
    const whole = resumed === undefined ? rest : `${start?.text ?? ''}${resumed}`;
    const times = { startS: start?.startS ?? atS, endS: atS, startLine: start?.startLine ?? line, endLine: line };
    calls.push({ pid, ...times, ...parseCall(whole) });
  }
  // Calls in which the log ended never returned.
  for (const [pid, { startS, startLine, text }] of begun) {
    calls.push({ pid, startS, endS: startS, startLine, endLine: startLine, ...parseCall(`${text}) = ?`) });
  }
  return calls.sort((a, b) => a.startLine - b.startLine);
}

function parseCall(
  text: string,
): Pick<Syscall, 'name' | 'args' | 'injected'> & Partial<Pick<Syscall, 'result' | 'error'>> {
  const [, name, inner, answer] = /^(\w+)\((.*)\) += (.*)$/s.exec(text) ?? [];
  if (name === undefined || inner === undefined || answer === undefined) {
    throw new Error(`strace said something that is not understood: ${text.slice(0, 200)}`);
  }
  const [, number, error] = /^(-?\d+|0x[0-9a-f]+|\?)(?:<[^>]*>)?(?: (E[A-Z0-9]+))?/.exec(answer) ?? [];
  return {
    name,
    args: splitArgs(inner).map(parseArg),
    injected: answer.includes('(INJECTED)'),
    ...(number === undefined || number === '?' ? {} : { result: Number(number) }),
    ...(error === undefined ? {} : { error }),
  };
}

/** At commas outside of quotes and brackets. Quoted text is hexadecimal, so it holds neither. */
function splitArgs(inner: string): string[] {
  const args: string[] = [];
  let depth = 0;
  let from = 0;
  for (let i = 0; i < inner.length; i += 1) {
    const character = inner[i];
    if (character === '[' || character === '{' || character === '(') depth += 1;
    else if (character === ']' || character === '}' || character === ')') depth -= 1;
    else if (character === ',' && depth === 0) {
      args.push(inner.slice(from, i).trim());
      from = i + 1;
    }
  }
  const last = inner.slice(from).trim();
  return last === '' && args.length === 0 ? [] : [...args, last];
}

function parseArg(text: string): SyscallArg {
  const buffers = [...text.matchAll(/"((?:\\x[0-9a-f]{2})*)"/g)].map((match) => unescapeHex(match[1] ?? ''));
  const path = /^(?:-?\d+|AT_FDCWD)<((?:\\x[0-9a-f]{2})*)>$/.exec(text)?.[1];
  return { text, buffers, ...(path === undefined ? {} : { path: Buffer.from(unescapeHex(path)).toString() }) };
}

function unescapeHex(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text.replaceAll('\\x', ''), 'hex'));
}
