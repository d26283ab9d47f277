/**
 * `<data_dir>/status.json`: what the receiver says of itself, since it has no control socket. Replaced as one step, at
 * most once per interval, and at once when it starts and stops.
 */
import { join } from 'node:path';
import { utf8 } from '../../base/bytes.ts';
import { type Scheduler, type Timer, wallText } from '../../base/clock.ts';
import { messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import { replaceFile } from '../../platform/durable-file.ts';

export class StatusFile {
  readonly #path: string;
  readonly #scheduler: Scheduler;
  readonly #logger: Logger;
  readonly #intervalMs: number;
  readonly #snapshot: () => object;
  #timer: Timer | undefined;
  #writing: Promise<void> = Promise.resolve();
  #failed = false;

  constructor(parts: {
    readonly directory: string;
    readonly scheduler: Scheduler;
    readonly logger: Logger;
    readonly intervalMs: number;
    readonly snapshot: () => object;
  }) {
    this.#path = join(parts.directory, 'status.json');
    this.#scheduler = parts.scheduler;
    this.#logger = parts.logger;
    this.#intervalMs = parts.intervalMs;
    this.#snapshot = parts.snapshot;
  }

  start(): void {
    void this.write();
    this.#timer = this.#scheduler.after(this.#intervalMs, () => this.start());
  }

  /** Resolves when it lies on disk, or could not be written: nothing depends on it. */
  write(): Promise<void> {
    this.#writing = this.#writing.then(() => this.#write());
    return this.#writing;
  }

  stop(): Promise<void> {
    this.#timer?.cancel();
    return this.write();
  }

  async #write(): Promise<void> {
    const status = { v: 1, at: wallText(this.#scheduler.wallMs()), ...this.#snapshot() };
    try {
      await replaceFile(this.#path, utf8(`${JSON.stringify(status)}\n`));
      this.#failed = false;
    } catch (error) {
      if (!this.#failed) this.#logger.warn({ error: messageOf(error) }, 'cannot write status.json');
      this.#failed = true;
    }
  }
}
