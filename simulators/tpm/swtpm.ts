/**
 * One run of swtpm, from power-on to its end. When this process dies in whatever way, the kernel kills swtpm
 * (setpriv's parent-death signal): nothing is left behind. A session of its own keeps it from a terminal's Ctrl-C, which
 * would end it before it was shut down.
 */
import { rmSync } from 'node:fs';
import { LatchkeyError } from '../../src/base/errors.ts';
import { Child } from '../demo/child-process.ts';
import { control } from './control-channel.ts';
import type { TpmPrograms } from './needs.ts';
import { addressText, type TpmAddress } from './packets.ts';

const START_LIMIT_MS = 20_000;
const STOP_LIMIT_MS = 10_000;
const ASK_LIMIT_MS = 1_000;
const ASK_AGAIN_MS = 5;

/** Where tpm2-tools look for the control channel of a TPM too: the path with `.ctrl`, or the next port. */
export function controlAddress(address: TpmAddress): TpmAddress {
  if (address.kind === 'unix') return { kind: 'unix', path: `${address.path}.ctrl` };
  return { ...address, port: address.port + 1 };
}

export class SwtpmRun {
  readonly #child: Child;
  readonly #address: TpmAddress;

  private constructor(child: Child, address: TpmAddress) {
    this.#child = child;
    this.#address = address;
  }

  /**
   * Powers the TPM on, TPM2_Startup(CLEAR) included, and waits until it answers. Rejects with PORT_BUSY when the address
   * or the state is in use, with INTERNAL when swtpm ends for another reason, with TIMED_OUT when it stays silent.
   */
  static async start(stateDir: string, address: TpmAddress, programs: TpmPrograms): Promise<SwtpmRun> {
    await refuseTaken(address);
    const child = new Child(programs.setpriv, [
      ...['--pdeathsig', 'KILL', programs.setsid, programs.swtpm, 'socket', '--tpm2', '--tpmstate', `dir=${stateDir}`],
      ...['--server', listenOption(address), '--ctrl', listenOption(controlAddress(address))],
      ...['--flags', 'startup-clear'],
    ]);
    const run = new SwtpmRun(child, address);
    try {
      await run.#answers();
      return run;
    } catch (error) {
      await run.kill();
      throw error;
    }
  }

  get pid(): number {
    return this.#child.pid;
  }

  get running(): boolean {
    return this.#child.running;
  }

  /** Resolves when it ended, in whatever way. */
  get exited(): Promise<unknown> {
    return this.#child.exited;
  }

  /** Ends it as a power cut does: nothing is saved that was not saved before. */
  async kill(): Promise<void> {
    await this.#child.stop('SIGKILL', STOP_LIMIT_MS);
    this.#removeSockets();
  }

  /** Ends swtpm in its own time. That is no TPM2_Shutdown: swtpm 0.7 does not send one. */
  async end(): Promise<void> {
    await control(controlAddress(this.#address), 'shutdown', ASK_LIMIT_MS).catch(() => this.#child.signal('SIGTERM'));
    await this.#child.exit(STOP_LIMIT_MS).catch(() => this.#child.stop('SIGKILL', STOP_LIMIT_MS));
    this.#removeSockets();
  }

  signal(signal: 'SIGSTOP' | 'SIGCONT'): void {
    this.#child.signal(signal);
  }

  /** The control channel, since on the other a client may already be waiting. swtpm serves both after Startup only. */
  async #answers(): Promise<void> {
    const endMs = performance.now() + START_LIMIT_MS;
    for (;;) {
      if (!this.#child.running) throw ended(this.#child, this.#address);
      try {
        return await control(controlAddress(this.#address), 'getCapability', ASK_LIMIT_MS);
      } catch (error) {
        if (performance.now() > endMs) {
          throw new LatchkeyError('TIMED_OUT', `swtpm did not answer in ${START_LIMIT_MS} ms${this.#child.tail()}`, {
            cause: error,
          });
        }
        await new Promise((resolve) => setTimeout(resolve, ASK_AGAIN_MS));
      }
    }
  }

  #removeSockets(): void {
    if (this.#address.kind !== 'unix') return;
    for (const suffix of ['', '.ctrl']) rmSync(`${this.#address.path}${suffix}`, { force: true });
  }
}

/** A socket file that a killed swtpm left is swept away; one that answers is somebody else's. */
async function refuseTaken(address: TpmAddress): Promise<void> {
  const taken = await control(controlAddress(address), 'getCapability', ASK_LIMIT_MS).then(
    () => true,
    (error: unknown) => !(error instanceof LatchkeyError && error.code === 'PORT_UNAVAILABLE'),
  );
  if (taken) throw new LatchkeyError('PORT_BUSY', `another process listens at ${addressText(address)}`);
  if (address.kind === 'unix') for (const suffix of ['', '.ctrl']) rmSync(`${address.path}${suffix}`, { force: true });
}

function ended(child: Child, address: TpmAddress): LatchkeyError {
  const said = child.tail();
  if (/lock access to lockfile/.test(said)) {
    return new LatchkeyError('PORT_BUSY', `another swtpm holds this TPM's state${said}`);
  }
  if (/in use/i.test(said)) {
    return new LatchkeyError('PORT_BUSY', `another process listens at ${addressText(address)}${said}`);
  }
  return new LatchkeyError('INTERNAL', `swtpm ended at once${said}`);
}

function listenOption(address: TpmAddress): string {
  if (address.kind === 'unix') return `type=unixio,path=${address.path},mode=0600`;
  return `type=tcp,port=${address.port},bindaddr=${address.host}`;
}
