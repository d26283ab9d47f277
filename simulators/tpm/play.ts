/**
 * A simulated TPM for a person: says where it listens and what vouches for it, does what is typed, and stops cleanly.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { explain, LatchkeyError } from '../../src/base/errors.ts';
import { addressText } from './packets.ts';
import { openSimulatedTpm, type SimulatedTpm } from './tpm.ts';

export interface PlayTpmSettings {
  /** A temporary folder, removed at the end, when left out. */
  readonly dir?: string;
  readonly socketPath?: string;
}

export interface PlayTpmIo {
  out(line: string): void;
  err(line: string): void;
  readonly json: boolean;
  /** Lines typed by a person; absent when nobody types. */
  readonly input?: Readable;
}

const TYPED: Readonly<Record<string, (tpm: SimulatedTpm) => Promise<void> | void>> = {
  'power cut': (tpm) => tpm.powerCut(),
  reset: (tpm) => tpm.reset({ startup: 'none' }),
  pause: (tpm) => tpm.pause(),
  resume: (tpm) => tpm.resume(),
};

/** Serves a TPM until the signal fires. Rejects with PORT_UNAVAILABLE when swtpm ends by itself. */
export async function runTpm(settings: PlayTpmSettings, io: PlayTpmIo, signal: AbortSignal): Promise<void> {
  const temporary = settings.dir === undefined ? mkdtempSync(join(tmpdir(), 'latchkey-tpm-')) : undefined;
  try {
    await serve(settings, settings.dir ?? temporary ?? '', io, signal);
  } finally {
    if (temporary !== undefined) rmSync(temporary, { recursive: true, force: true });
  }
}

async function serve(settings: PlayTpmSettings, dir: string, io: PlayTpmIo, signal: AbortSignal): Promise<void> {
  const { socketPath } = settings;
  const listen = socketPath === undefined ? {} : { listen: { kind: 'unix', path: socketPath } as const };
  const tpm = await openSimulatedTpm({ dir, ...listen });
  const hands = new Hands(tpm, io);
  try {
    introduce(tpm, io);
    if (settings.dir === undefined) io.err('this TPM lives until you stop it; --dir keeps one');
    await hands.until(signal);
    await shutDown(tpm, io);
  } finally {
    hands.close();
    await tpm.stop();
  }
}

function introduce(tpm: SimulatedTpm, io: PlayTpmIo): void {
  const [p384, rsa2048] = tpm.ekCertificates;
  const facts = {
    socket: addressText(tpm.address),
    ek_certificate_p384: p384?.path,
    ek_certificate_rsa2048: rsa2048?.path,
    vendor_root: tpm.vendor.rootPath,
    vendor_issuer: tpm.vendor.issuerPath,
    tpm2tools_tcti: tpm.tcti,
  };
  const lines = [
    `TPM (for "keys" in gateway.yaml): ${facts.socket}`,
    `EK certificates: ${facts.ek_certificate_p384} and ${facts.ek_certificate_rsa2048}`,
    `vendor root (for the enrolment service, in tests alone): ${facts.vendor_root}`,
    `issued by: ${facts.vendor_issuer}`,
    `tpm2-tools: TPM2TOOLS_TCTI="${facts.tpm2tools_tcti}"`,
  ];
  for (const line of io.json ? [JSON.stringify(facts)] : lines) io.out(line);
}

/** A gateway that is still connected keeps TPM2_Shutdown from the TPM: then this is an unclean stop, and said. */
async function shutDown(tpm: SimulatedTpm, io: PlayTpmIo): Promise<void> {
  tpm.resume();
  try {
    await tpm.cleanShutdown();
  } catch (error) {
    if (!(error instanceof LatchkeyError)) throw error;
    io.err(`stopped without TPM2_Shutdown, as in a power cut: ${error.message}`);
  }
}

/** Does what is typed, one thing after the other. */
class Hands {
  readonly #tpm: SimulatedTpm;
  readonly #io: PlayTpmIo;
  readonly #lines: { close(): void } | undefined;
  #busy: Promise<void> = Promise.resolve();

  constructor(tpm: SimulatedTpm, io: PlayTpmIo) {
    this.#tpm = tpm;
    this.#io = io;
    if (io.input === undefined) return;
    const lines = createInterface({ input: io.input });
    lines.on('line', (text) => {
      this.#busy = this.#busy.then(() => this.#perform(text.trim()));
    });
    this.#lines = lines;
    io.err(`type: ${Object.keys(TYPED).join(', ')}`);
  }

  /** Resolves when the signal fires and nothing is being done; rejects when swtpm ended and nobody here did it. */
  async until(signal: AbortSignal): Promise<void> {
    const stopped = new Promise<void>((resolve) => {
      if (signal.aborted) resolve();
      else signal.addEventListener('abort', () => resolve(), { once: true });
    });
    while (!signal.aborted) {
      await Promise.race([stopped, this.#tpm.exited()]);
      await this.#busy;
      if (!signal.aborted && !this.#tpm.running) throw new LatchkeyError('TPM_UNAVAILABLE', 'swtpm ended by itself');
    }
    this.close();
    await this.#busy;
  }

  close(): void {
    this.#lines?.close();
  }

  async #perform(text: string): Promise<void> {
    if (text === '') return;
    const act = Object.hasOwn(TYPED, text) ? TYPED[text] : undefined;
    if (act === undefined) return this.#io.err(`"${text}": type ${Object.keys(TYPED).join(', ')}`);
    try {
      await act(this.#tpm);
      this.#io.err(`${text}: done`);
    } catch (error) {
      this.#io.err(explain(error));
    }
  }
}
