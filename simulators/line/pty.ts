/**
 * A pseudo-terminal without native code: util-linux `script` (Debian's essential package bsdutils) owns the master, we
 * speak through its standard input and output, and what it runs holds the slave open and raw, so that a gateway may
 * open and close it at will.
 *
 * Bytes 00 to FF pass unchanged both ways. Killing `script` closes the master: whoever has the slave open sees a
 * hang-up, as when a USB cable is pulled. When this process dies in whatever way, the pipe on descriptor 4 ends, and
 * with it the child and `script`.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Readable } from 'node:stream';
import { LatchkeyError, messageOf } from '../../src/base/errors.ts';

export interface Pty {
  /** The slave, for example /dev/pts/3. */
  readonly path: string;
  send(bytes: Uint8Array): void;
  listen(listener: (chunk: Uint8Array) => void): void;
  /** Hangs up; resolves when the master is closed. */
  hangUp(): Promise<void>;
}

/** Says the slave's name on descriptor 3 once the slave is raw, then holds it open until descriptor 4 ends. */
const HOLD_SLAVE = 'stty raw -echo -hupcl && tty >&3 && exec 3>&- && exec cat <&4 >/dev/null';
const OPEN_LIMIT_MS = 10_000;
/** Bytes that wait for a gateway that does not read; beyond this they are lost, as in a full UART buffer. */
const PENDING_BYTES_MAX = 256 * 1024;

export async function openPty(): Promise<Pty> {
  const child = spawn('script', ['--quiet', '--flush', '--return', '--command', HOLD_SLAVE, '/dev/null'], {
    stdio: ['pipe', 'pipe', 'pipe', 'pipe', 'pipe'],
    env: { ...process.env, SHELL: '/bin/sh' },
  });
  const { stdin, stdout, stderr } = child;
  const closed = once(child, 'close').catch(() => undefined);
  // Writing to a pty that was just unplugged fails; that is what unplugging means.
  stdin.on('error', () => undefined);
  child.stdio[4]?.on('error', () => undefined);
  let complaint = '';
  stderr.on('data', (chunk: Buffer) => {
    complaint = (complaint + chunk.toString()).slice(-500);
  });
  const path = await slaveName(child.stdio[3] as Readable, closed, () => complaint).catch((error: unknown) => {
    child.kill('SIGKILL');
    throw error;
  });
  return {
    path,
    send(bytes) {
      if (stdin.writable && stdin.writableLength < PENDING_BYTES_MAX) stdin.write(bytes);
    },
    listen(listener) {
      stdout.on('data', (chunk: Buffer) => listener(new Uint8Array(chunk)));
    },
    async hangUp() {
      stdin.destroy();
      child.kill('SIGKILL');
      await closed;
    },
  };
}

async function slaveName(pipe: Readable, closed: Promise<unknown>, complaint: () => string): Promise<string> {
  const limit = AbortSignal.timeout(OPEN_LIMIT_MS);
  const line = (async () => {
    let text = '';
    for await (const chunk of pipe) {
      text += String(chunk);
      if (text.includes('\n')) break;
    }
    return text.trim();
  })();
  const late = once(limit, 'abort');
  try {
    const name = await Promise.race([line, closed.then(() => ''), late.then(() => '')]);
    if (name.startsWith('/dev/')) return name;
    throw new LatchkeyError('PORT_UNAVAILABLE', `"script" opened no pseudo-terminal: ${complaint() || 'no answer'}`);
  } catch (error) {
    if (error instanceof LatchkeyError) throw error;
    throw new LatchkeyError('PORT_UNAVAILABLE', `"script" opened no pseudo-terminal: ${messageOf(error)}`);
  }
}
