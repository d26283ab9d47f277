/**
 * The product as the demo uses it: command lines, settings files, the control socket. Nothing of it is imported.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { LatchkeyError } from '../../src/base/errors.ts';
import { Child, type ChildExit, type Finished, runToEnd } from './child-process.ts';
import type { Feed } from './feed.ts';

/** In the daemon's diagnostics, once its control socket answers. */
const RUNS = 'the gateway runs';
const START_LIMIT_MS = 60_000;
const STOP_LIMIT_MS = 60_000;
const LOOK_AGAIN_MS = 20;

/** What the demo reads in `latchkey status --json`. */
export interface GatewayView {
  readonly origin: string;
  /** C2SP verifier key of the open log. */
  readonly vkey: string;
  /** Entries that are durable. */
  readonly entries: number;
  /** Size below which the consumer has receipted. */
  readonly receipted: number;
  /** What a trust policy says of its TPM, when it has one. */
  readonly tpm?: { readonly ak: string; readonly counter: string };
}

export function latchkey(args: readonly string[], limitMs?: number): Promise<Finished> {
  return runToEnd(process.execPath, [mainPath(), ...args], limitMs === undefined ? {} : { limitMs });
}

/** Runs a command that must succeed. */
export async function latchkeyDone(args: readonly string[], limitMs?: number): Promise<string> {
  const done = await latchkey(args, limitMs);
  if (done.code === 0) return done.out;
  throw new LatchkeyError('INTERNAL', `latchkey ${args.join(' ')} ended with ${done.code}: ${done.err || done.out}`);
}

export class Gateway {
  readonly #config: string;
  readonly #feed: Feed;
  readonly #receiptSize: () => number;
  #daemon: Child | undefined;
  #tail: Child | undefined;

  /** `receiptSize`: what the newest receipt on the broker covers. */
  constructor(config: string, feed: Feed, receiptSize: () => number) {
    this.#config = config;
    this.#feed = feed;
    this.#receiptSize = receiptSize;
  }

  get pid(): number {
    return this.#running().pid;
  }

  /** Starts the daemon, and follows its entries. */
  async start(): Promise<GatewayView> {
    const daemon = new Child(process.execPath, [mainPath(), 'run', '--config', this.#config]);
    this.#daemon = daemon;
    const view = await this.#firstAnswer(daemon);
    const tailArgs = ['tail', '--config', this.#config, '--follow', '--json', '--lines', '100000'];
    this.#tail = new Child(process.execPath, [mainPath(), ...tailArgs], {
      onLine: (line, stream) => (stream === 'out' ? this.#feed.take(line) : undefined),
    });
    return view;
  }

  async view(): Promise<GatewayView> {
    const view = await this.#ask();
    if (view === undefined)
      throw new LatchkeyError('SOCKET_REFUSED', `the gateway does not answer${this.#running().tail()}`);
    return view;
  }

  /** Waits until a receipt covers everything that is durable now. */
  async receipted(limitMs: number): Promise<number> {
    const endMs = performance.now() + limitMs;
    const owed = (await this.view()).entries;
    for (;;) {
      const size = this.#receiptSize();
      if (size >= owed) return size;
      if (performance.now() > endMs) {
        throw new LatchkeyError('TIMED_OUT', `receipts reached ${size} of ${owed} in ${limitMs} ms`);
      }
      await pause();
    }
  }

  /** After the process was killed from outside: collects what is left of it. */
  async buried(): Promise<ChildExit> {
    const exit = await this.#running().exit(START_LIMIT_MS);
    this.#daemon = undefined;
    await this.#tail?.stop('SIGKILL');
    return exit;
  }

  /** SIGTERM: the daemon waits for the last receipt, within its limit, and ends. */
  async stop(): Promise<void> {
    const daemon = this.#daemon;
    if (daemon === undefined) return;
    const { code, signal } = await daemon.stop('SIGTERM', STOP_LIMIT_MS);
    this.#daemon = undefined;
    await this.#tail?.stop('SIGKILL');
    if (code !== 0) throw new LatchkeyError('INTERNAL', `the gateway stopped with ${signal ?? code}${daemon.tail()}`);
  }

  /** Leaves nothing running. */
  async abandon(): Promise<void> {
    await this.#tail?.stop('SIGKILL');
    await this.#daemon?.stop('SIGKILL');
  }

  async #firstAnswer(daemon: Child): Promise<GatewayView> {
    await daemon.line(RUNS, START_LIMIT_MS);
    return this.view();
  }

  async #ask(): Promise<GatewayView | undefined> {
    // "Something stands still" also has an exit code of its own; what was printed counts.
    const { out } = await latchkey(['status', '--config', this.#config, '--json']);
    return out === '' ? undefined : gatewayView(JSON.parse(out));
  }

  #running(): Child {
    if (this.#daemon === undefined) throw new LatchkeyError('INTERNAL', 'the gateway was not started');
    return this.#daemon;
  }
}

function gatewayView(status: unknown): GatewayView {
  const { log, tpm } = status as { log: GatewayView; tpm?: { readonly ak: string; readonly counterName: string } };
  return tpm === undefined ? log : { ...log, tpm: { ak: tpm.ak, counter: tpm.counterName } };
}

/** dist/simulators/demo/product.js -> dist/src/cli/main.js */
export function mainPath(): string {
  const path = join(import.meta.dirname, '../../src/cli/main.js');
  if (!existsSync(path)) throw new LatchkeyError('INTERNAL', `${path} is not there: run "npm run build"`);
  return path;
}

function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS));
}
