/**
 * The thread in which the console's server runs, as the daemon sees it: started, watched, and started again when it ends.
 * The daemon never waits for it: a port that is taken, a page that eats its memory or hangs costs the page alone.
 */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { assert } from '../../base/assert.ts';
import { Backoff } from '../../base/backoff.ts';
import type { Scheduler, Timer } from '../../base/clock.ts';
import { messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import type { Finding } from '../contracts/console-view.ts';
import type { ConsoleWorkerData, ConsoleWorkerSays } from './console-worker.ts';
import { finding } from './findings.ts';
import { type GatewaySettings, socketPathOf } from './settings.ts';

/** Sessions, the page and what waits for slow readers need a fraction of it. */
export const MEMORY = { maxOldGenerationSizeMb: 96, maxYoungGenerationSizeMb: 16, stackSizeMb: 2 } as const;
const RETRY = { firstMs: 1_000, maxMs: 60_000 } as const;
/** One that served for so long is started again as if it were the first time. */
const STEADY_MS = 60_000;
const STOP_LIMIT_MS = 3_000;

export interface ConsoleThreadStatus {
  readonly state: 'starting' | 'serving' | 'away';
  readonly url?: string;
  /** Why it is away, or ended last. */
  readonly reason?: string;
  /** How often it was started again. */
  readonly restarts: number;
}

export interface ConsoleThread {
  status(): ConsoleThreadStatus;
  stop(): Promise<void>;
}

export interface ConsoleThreadParts {
  readonly settings: GatewaySettings;
  readonly scheduler: Scheduler;
  readonly logger: Logger;
  /** The worker's file, where it is not that of the build. */
  readonly entry?: string;
}

/** Undefined where no settings ask for a page. */
export function startConsole(parts: ConsoleThreadParts): ConsoleThread | undefined {
  const { web, people } = parts.settings.console;
  if (web === undefined) return undefined;
  const thread = new Thread(parts, {
    web,
    people,
    socketPath: socketPathOf(parts.settings),
    gateway: parts.settings.gateway.id,
    logLevel: parts.settings.log_level,
    page: above('web/console', (path) => existsSync(`${path}/index.html`) && existsSync(`${path}/assets`)),
  });
  thread.start();
  return thread;
}

class Thread implements ConsoleThread {
  readonly #parts: ConsoleThreadParts;
  readonly #data: ConsoleWorkerData;
  readonly #backoff = new Backoff(RETRY);
  #worker: Worker | undefined;
  #timer: Timer | undefined;
  #servingSinceMs: number | undefined;
  #url: string | undefined;
  #reason: string | undefined;
  #starts = 0;
  #isStopped = false;

  constructor(parts: ConsoleThreadParts, data: ConsoleWorkerData) {
    this.#parts = parts;
    this.#data = data;
  }

  start(): void {
    this.#starts += 1;
    const worker = new Worker(this.#parts.entry ?? entryPath(), {
      workerData: this.#data,
      resourceLimits: MEMORY,
      name: 'console',
      execArgv: [],
    });
    this.#worker = worker;
    let reason = 'it ended without a word';
    worker.on('message', (message: ConsoleWorkerSays) => {
      if (message.says === 'failed') reason = message.reason;
      else this.#serves(message.url);
    });
    worker.on('error', (error) => {
      reason = messageOf(error);
    });
    worker.once('exit', () => this.#ended(worker, reason));
  }

  status(): ConsoleThreadStatus {
    const state = this.#servingSinceMs !== undefined ? 'serving' : this.#reason === undefined ? 'starting' : 'away';
    return {
      state,
      ...(this.#url !== undefined && { url: this.#url }),
      ...(this.#reason !== undefined && { reason: this.#reason }),
      restarts: this.#starts - 1,
    };
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#timer?.cancel();
    const worker = this.#worker;
    if (worker === undefined) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(() => void worker.terminate(), STOP_LIMIT_MS);
      worker.once('exit', () => {
        clearTimeout(timer);
        resolve();
      });
      worker.postMessage('stop');
    });
  }

  #serves(url: string): void {
    this.#servingSinceMs = this.#parts.scheduler.monotonicMs();
    this.#url = url;
    this.#parts.logger.info({ url }, 'the console is served');
  }

  #ended(worker: Worker, reason: string): void {
    if (this.#worker !== worker) return;
    const { scheduler, logger } = this.#parts;
    const servedMs = scheduler.monotonicMs() - (this.#servingSinceMs ?? scheduler.monotonicMs());
    this.#worker = undefined;
    this.#servingSinceMs = undefined;
    this.#url = undefined;
    if (this.#isStopped) return;
    this.#reason = reason;
    if (servedMs > STEADY_MS) this.#backoff.reset();
    const nextMs = this.#backoff.nextMs();
    logger.error({ reason, next_ms: nextMs }, 'the console ended; it is started again');
    this.#timer = scheduler.after(nextMs, () => this.start());
  }
}

/** A page that is away holds up no custody, and is no reason to call the gateway unhealthy. */
export function consoleFindings(console: ConsoleThreadStatus | undefined): readonly Finding[] {
  const { state, restarts = 0, reason = 'it ended without a word' } = console ?? {};
  if (state === 'away') {
    return [finding('console_away', `the console is not served, and is tried again: ${reason}`, 'console')];
  }
  if (restarts === 0) return [];
  const times = restarts === 1 ? 'once' : `${restarts} times`;
  return [finding('console_restarted', `the console ended ${times} and was started again: ${reason}`, 'console')];
}

/** Beside this file as the compiler writes it, or at the top of the bundle. */
function entryPath(): string {
  const candidates = ['./console-worker.js', '../console-worker.js'].map((name) =>
    fileURLToPath(new URL(name, import.meta.url)),
  );
  const found = candidates.find((path) => existsSync(path));
  assert(found !== undefined, `the console's worker belongs to the build: ${candidates.join(' or ')}`);
  return found;
}

/** The folder of that name in one of those above this file, however deep the build puts it. */
function above(name: string, isIt: (path: string) => boolean): string | undefined {
  for (let up = new URL('.', import.meta.url); up.pathname !== '/'; up = new URL('..', up)) {
    const path = fileURLToPath(new URL(name, up));
    if (isIt(path)) return path;
  }
  return undefined;
}
