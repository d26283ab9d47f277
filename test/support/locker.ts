/** The example firmware of firmware-protocol/c as a process: a locker controller in C on a pseudo-terminal of its own. */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { writePairingCode } from '../../firmware-protocol/codec/pairing-code.ts';
import { Child } from '../../simulators/demo/child-process.ts';
import { hex } from '../../src/base/bytes.ts';
import { compileFirmware } from './firmware.ts';

export interface Locker {
  /** A link to its pseudo-terminal; another one after each start. */
  readonly path: string;
  readonly identity: string;
  readonly pairingCode: string;
  /** SHA-256 of what runs, as its boot loader would find it. */
  readonly digest: string;
  /** `door 1 open`, `scan ]C0 TEXT`, `reset` and the like. */
  hands(line: string): void;
  readonly child: Child;
  stop(): Promise<void>;
}

export interface LockerOptions {
  readonly dir: string;
  readonly name?: string;
  readonly identity?: Uint8Array;
  readonly labelKey?: Uint8Array;
  /** With the sanitizers unless told otherwise: they take time. */
  readonly sanitized?: boolean;
}

export async function startLocker(options: LockerOptions): Promise<Locker> {
  const { dir, name = 'locker' } = options;
  const identity = options.identity ?? Uint8Array.of(0x4c, 0x4b, 0, 0, 0, 0, 0, 7);
  const labelKey = options.labelKey ?? new Uint8Array(16).fill(0x61);
  const program = compileFirmware({ main: 'example/main.c', sanitized: options.sanitized ?? true });
  const digest = createHash('sha256').update('example firmware 1.0.0').digest('hex');
  const path = join(dir, name);
  const child = new Child(program, [join(dir, `${name}.state`), hex(identity), hex(labelKey), digest, path]);
  await child.line(/^line /);
  const sha256 = (data: Uint8Array): Uint8Array => createHash('sha256').update(data).digest();
  return {
    path,
    identity: hex(identity),
    pairingCode: writePairingCode({ identity, labelKey }, sha256),
    digest,
    child,
    hands: (line) => child.write(`${line}\n`),
    async stop() {
      await child.stop('SIGTERM');
    },
  };
}
