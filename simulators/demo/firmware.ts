/**
 * The demo's device of the open wire: the example firmware in C, built with the C compiler that is there, as a locker controller on a
 * pseudo-terminal of its own. Without a compiler the demo says so and goes on without it.
 */
import { createHash, randomBytes } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { writePairingCode } from '../../firmware-protocol/codec/pairing-code.ts';
import { LatchkeyError, messageOf } from '../../src/base/errors.ts';
import { Child, runToEnd } from './child-process.ts';
import { FIRMWARE } from './stage.ts';

const BUILD_LIMIT_MS = 60_000;
const SOURCES = 'firmware-protocol/c';
/** How far above this module, or its compiled copy in `dist`, the sources may lie. */
const LEVELS_MAX = 4;

export interface Firmware {
  /** Where the gateway finds its line. */
  readonly path: string;
  /** SHA-256 of the program that runs, as a boot loader would have found it. */
  readonly digest: string;
  /** File with the code of its label, for `latchkey pair`. */
  readonly codeFile: string;
  readonly keyFile: string;
  open(channel: number): void;
  shut(channel: number): void;
  item(channel: number, there: boolean): void;
  stop(): Promise<unknown>;
}

/** Undefined, and said, when there is no C compiler. */
export async function demoFirmware(dir: string, say: (text: string) => void): Promise<Firmware | undefined> {
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const program = join(dir, 'locker');
  if (!(await isBuilt(program))) {
    say('no C compiler (cc) is here, so no firmware of the open wire takes part');
    return undefined;
  }
  const digest = createHash('sha256').update(readFileSync(program)).digest('hex');
  const identity = randomBytes(8);
  const labelKey = randomBytes(16);
  const path = join(dir, 'line');
  const args = [join(dir, 'state'), identity.toString('hex'), labelKey.toString('hex'), digest, path];
  const child = new Child(program, args);
  try {
    await child.line(/^line /);
  } catch (error) {
    await child.stop('SIGKILL').catch(() => undefined);
    throw error;
  }
  const sha256 = (data: Uint8Array): Uint8Array => createHash('sha256').update(data).digest();
  const codeFile = join(dir, 'label');
  writeFileSync(codeFile, `${writePairingCode({ identity, labelKey }, sha256)}\n`, { mode: 0o600 });
  const type = (line: string): void => child.write(`${line}\n`);
  return {
    path,
    digest,
    codeFile,
    keyFile: join(dir, 'keys', `${FIRMWARE.name}.json`),
    open: (channel) => type(`door ${channel} open`),
    shut: (channel) => type(`door ${channel} shut`),
    item: (channel, there) => type(`item ${channel} ${there ? 1 : 0}`),
    stop: () => child.stop('SIGTERM'),
  };
}

/** False without a compiler. Sources that it does not take are a fault of ours. */
async function isBuilt(program: string): Promise<boolean> {
  const folder = sourceFolder();
  const library = readdirSync(folder).filter((name) => name.endsWith('.c'));
  const sources = [...library, 'example/main.c'].map((name) => join(folder, name));
  const args = ['-std=c99', '-O2', '-D_XOPEN_SOURCE=700', ...sources, '-o', program];
  try {
    const built = await runToEnd('cc', args, { limitMs: BUILD_LIMIT_MS });
    if (built.code === 0) return true;
    throw new LatchkeyError('INTERNAL', `cc does not take the example firmware: ${built.err}`);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return false;
    throw error;
  }
}

/** The sources are not copied into `dist`: they lie beside it. */
function sourceFolder(): string {
  let above = import.meta.dirname;
  for (let level = 0; level < LEVELS_MAX; level += 1) {
    above = dirname(above);
    const folder = resolve(above, SOURCES);
    if (hasMain(folder)) return folder;
  }
  throw new LatchkeyError('INTERNAL', `expected ${SOURCES}/example/main.c above ${import.meta.dirname}, found none`);
}

function hasMain(folder: string): boolean {
  try {
    return readdirSync(join(folder, 'example')).includes('main.c');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return false;
    throw new LatchkeyError('INTERNAL', `cannot read ${folder}: ${messageOf(error)}`);
  }
}
