/**
 * A simulated TPM 2.0: swtpm in a folder of its own, with everything that happens to a TPM in the field and in an
 * attack: power cuts, clean stops, resets, a TPM that hangs, one that is rolled back, one that is copied.
 */
import { randomInt } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { assert } from '../../src/base/assert.ts';
import { LatchkeyError } from '../../src/base/errors.ts';
import { control } from './control-channel.ts';
import { type EkCertificate, manufacture, readEkCertificates, tpmPlaces } from './manufacture.ts';
import { findTpmPrograms, type TpmPrograms } from './needs.ts';
import { askTpm, packetCode, SHUTDOWN_CLEAR, STARTUP_CLEAR, type TpmAddress } from './packets.ts';
import { controlAddress, SwtpmRun } from './swtpm.ts';
import { openTpmVendor, type TpmVendor } from './vendor.ts';

export interface SimulatedTpmSettings {
  /** The TPM's folder: state, certificates, socket. Made, and the TPM with it, when it is not there. */
  readonly dir: string;
  /** Where it listens: a Unix socket (`tpm.sock` in the folder) or a port of 127.0.0.1; a free one unless given. */
  readonly listen?:
    | { readonly kind: 'unix'; readonly path?: string }
    | { readonly kind: 'tcp'; readonly port?: number };
  /** Who vouches for its EK: `vendor` in the folder unless given, so that a fleet can share one. */
  readonly vendorDir?: string;
  /** Subject of the EK certificates. */
  readonly name?: string;
}

/** The state as it lay on the disk at one moment: what a thief or an attacker copies. */
export interface TpmSnapshot {
  readonly files: ReadonlyMap<string, Uint8Array>;
}

const ASK_LIMIT_MS = 5_000;
/** sockaddr_un holds 107 bytes, of which the control channel's suffix takes five. */
const SOCKET_PATH_BYTES_MAX = 102;
const PORT_TRIES = 5;
const LOCK_FILE = '.lock';

/** Makes the vendor and the TPM when they are absent, and powers the TPM on. */
export async function openSimulatedTpm(settings: SimulatedTpmSettings): Promise<SimulatedTpm> {
  const programs = findTpmPrograms();
  const dir = checkedPath('folder', resolve(settings.dir));
  const vendorDir = checkedPath('vendor folder', resolve(settings.vendorDir ?? join(dir, 'vendor')));
  const name = settings.name ?? 'simulated-tpm';
  if (!/^[A-Za-z0-9._-]{1,64}$/.test(name)) {
    throw new LatchkeyError('CONFIG_INVALID', `name of a TPM: expected 1 to 64 of A-Z a-z 0-9 . _ -, found "${name}"`);
  }
  const choose = addressChooser(dir, settings.listen);
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const vendor = await openTpmVendor(vendorDir, programs);
  await manufacture(dir, name, vendor, programs);
  const { address, run } = await listenAndStart(dir, choose, programs);
  return new SimulatedTpm(dir, vendor, programs, address, run);
}

export class SimulatedTpm {
  readonly dir: string;
  readonly vendor: TpmVendor;
  /** Stays the same over every restart. */
  readonly address: TpmAddress;
  readonly ekCertificates: readonly EkCertificate[];
  readonly #programs: TpmPrograms;
  #run: SwtpmRun | undefined;

  constructor(dir: string, vendor: TpmVendor, programs: TpmPrograms, address: TpmAddress, run: SwtpmRun) {
    this.dir = dir;
    this.vendor = vendor;
    this.#programs = programs;
    this.address = address;
    this.#run = run;
    this.ekCertificates = readEkCertificates(tpmPlaces(dir).ekDir);
  }

  get running(): boolean {
    return this.#run?.running ?? false;
  }

  /** swtpm's process, while it runs. */
  get pid(): number | undefined {
    return this.#run?.pid;
  }

  /** Resolves when the present run of swtpm ended, in whatever way; at once when the TPM is off. */
  async exited(): Promise<void> {
    await this.#run?.exited;
  }

  /** For tpm2-tools: the value of TPM2TOOLS_TCTI. */
  get tcti(): string {
    return this.address.kind === 'unix'
      ? `swtpm:path=${this.address.path}`
      : `swtpm:host=${this.address.host},port=${this.address.port}`;
  }

  /** Powers it on after a stop, with TPM2_Startup(CLEAR) as the firmware of a board sends it. */
  async start(): Promise<void> {
    assert(this.#run === undefined, 'a simulated TPM is powered on once');
    this.#run = await SwtpmRun.start(tpmPlaces(this.dir).stateDir, this.address, this.#programs);
  }

  /** Power is gone at once (SIGKILL) and stays away until `start`. */
  async powerOff(): Promise<void> {
    const run = this.#run;
    this.#run = undefined;
    await run?.kill();
  }

  /** Power is gone at once and comes back. Clients are disconnected. */
  async powerCut(): Promise<void> {
    await this.powerOff();
    await this.start();
  }

  /** TPM2_Shutdown(CLEAR), then off. Rejects with TIMED_OUT while another client is connected: swtpm serves one. */
  async cleanShutdown(): Promise<void> {
    await this.#ask(SHUTDOWN_CLEAR, 'TPM2_Shutdown');
    await this.stop();
  }

  /**
   * Power-cycles the TPM (_TPM_Init) under whoever is connected. After `startup: 'none'` every command is answered with
   * TPM_RC_INITIALIZE until somebody sends TPM2_Startup, as after a glitch on a real reset line; 'clear' sends it, and
   * rejects with TIMED_OUT while another client is connected.
   */
  async reset({ startup }: { readonly startup: 'clear' | 'none' }): Promise<void> {
    await control(controlAddress(this.address), 'powerCycle', ASK_LIMIT_MS);
    if (startup === 'clear') await this.#ask(STARTUP_CLEAR, 'TPM2_Startup');
  }

  /** The state on disk, of a running TPM too: orderly data in its memory is not in it. */
  snapshot(): TpmSnapshot {
    const { stateDir } = tpmPlaces(this.dir);
    const names = readdirSync(stateDir).filter((name) => name !== LOCK_FILE);
    return { files: new Map(names.map((name) => [name, new Uint8Array(readFileSync(join(stateDir, name)))])) };
  }

  /** The attack that a real chip does not allow: power off, the old state back on the disk, power on. */
  async restore(snapshot: TpmSnapshot): Promise<void> {
    await this.powerOff();
    writeState(tpmPlaces(this.dir).stateDir, snapshot);
    await this.start();
  }

  /** A copy with the same seeds and keys, in a folder of its own, running beside this one. */
  async clone(dir: string, listen?: SimulatedTpmSettings['listen']): Promise<SimulatedTpm> {
    const from = tpmPlaces(this.dir);
    const to = tpmPlaces(resolve(dir));
    if (existsSync(to.stateDir)) {
      throw new LatchkeyError('CONFIG_INVALID', `clone: expected no TPM in ${dir}, found one`);
    }
    mkdirSync(dir, { recursive: true, mode: 0o700 });
    cpSync(from.ekDir, to.ekDir, { recursive: true });
    writeState(to.stateDir, this.snapshot());
    return openSimulatedTpm({ dir, vendorDir: this.vendor.dir, ...(listen === undefined ? {} : { listen }) });
  }

  /** Answers nobody from now on (SIGSTOP); connections stay. */
  pause(): void {
    assert(this.#run !== undefined, 'a TPM that is off cannot be paused');
    this.#run.signal('SIGSTOP');
  }

  resume(): void {
    assert(this.#run !== undefined, 'a TPM that is off cannot be resumed');
    this.#run.signal('SIGCONT');
  }

  /** Ends swtpm, without a TPM2_Shutdown: for the TPM that is an unclean stop. Does nothing when it is off. */
  async stop(): Promise<void> {
    const run = this.#run;
    this.#run = undefined;
    if (run === undefined) return;
    run.signal('SIGCONT');
    await run.end();
  }

  async #ask(command: Uint8Array, name: string): Promise<void> {
    const code = packetCode(await askTpm(this.address, command, ASK_LIMIT_MS));
    if (code !== 0) throw new LatchkeyError('INTERNAL', `${name}: the TPM answered 0x${(code ?? 0).toString(16)}`);
  }
}

interface AddressChooser {
  readonly next: () => TpmAddress;
  /** Whether another call gives another address. */
  readonly varies: boolean;
}

function addressChooser(dir: string, listen: SimulatedTpmSettings['listen'] = { kind: 'unix' }): AddressChooser {
  if (listen.kind === 'unix') {
    const path = socketPath(resolve(listen.path ?? join(dir, 'tpm.sock')));
    return { next: () => ({ kind: 'unix', path }), varies: false };
  }
  // Even, with room for the control channel on the next one, and below those that the kernel gives away.
  const port = (): number => listen.port ?? 2 * randomInt(10_000, 16_000);
  return { next: () => ({ kind: 'tcp', host: '127.0.0.1', port: port() }), varies: listen.port === undefined };
}

/** A free port may be taken by somebody else before swtpm listens on it: then another is tried. */
async function listenAndStart(dir: string, choose: AddressChooser, programs: TpmPrograms) {
  const { stateDir } = tpmPlaces(dir);
  for (let tries = 1; ; tries += 1) {
    const address = choose.next();
    try {
      return { address, run: await SwtpmRun.start(stateDir, address, programs) };
    } catch (error) {
      const busy = error instanceof LatchkeyError && error.code === 'PORT_BUSY';
      if (!choose.varies || !busy || tries === PORT_TRIES) throw error;
    }
  }
}

function writeState(stateDir: string, snapshot: TpmSnapshot): void {
  rmSync(stateDir, { recursive: true, force: true });
  mkdirSync(stateDir, { recursive: true, mode: 0o700 });
  for (const [name, bytes] of snapshot.files) writeFileSync(join(stateDir, name), bytes, { mode: 0o600 });
}

function socketPath(path: string): string {
  const size = Buffer.byteLength(path);
  if (size <= SOCKET_PATH_BYTES_MAX) return checkedPath('socket', path);
  throw new LatchkeyError(
    'CONFIG_INVALID',
    `socket of a TPM: expected a path of at most ${SOCKET_PATH_BYTES_MAX} bytes, found ${size}: ${path}`,
  );
}

/** swtpm's options are lists with commas, and its settings files lines. */
function checkedPath(what: string, path: string): string {
  if (!/[\s,]/.test(path)) return path;
  throw new LatchkeyError('CONFIG_INVALID', `${what} of a TPM: expected no comma and no blank, found "${path}"`);
}
