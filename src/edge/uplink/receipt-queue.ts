/** Receipts on their way into the journal: one at a time, in order, few at once. */
import type { ReceiptAnswer } from '../contracts/outbox.ts';

const QUEUE_MAX = 64;

interface Waiting {
  readonly name: string;
  readonly payload: Uint8Array;
}

export interface ReceiptQueueParts {
  take(name: string, payload: Uint8Array): Promise<ReceiptAnswer>;
  answered(name: string, answer: ReceiptAnswer): void;
  failed(name: string, error: unknown): void;
}

export class ReceiptQueue {
  readonly #parts: ReceiptQueueParts;
  readonly #waiting: Waiting[] = [];
  #running = false;
  #room: (() => void)[] = [];

  constructor(parts: ReceiptQueueParts) {
    this.#parts = parts;
  }

  get size(): number {
    return this.#waiting.length;
  }

  /**
   * Takes it in any case; the promise, when there is one, resolves once there is room again. Whoever reads the socket
   * waits for it, which holds a flood back at its source.
   */
  push(name: string, payload: Uint8Array): Promise<void> | undefined {
    this.#waiting.push({ name, payload });
    void this.#run();
    if (this.#waiting.length < QUEUE_MAX) return undefined;
    return new Promise((resolve) => this.#room.push(resolve));
  }

  async #run(): Promise<void> {
    if (this.#running) return;
    this.#running = true;
    for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) {
      try {
        this.#parts.answered(next.name, await this.#parts.take(next.name, next.payload));
      } catch (error) {
        this.#parts.failed(next.name, error);
      }
      if (this.#waiting.length < QUEUE_MAX) for (const resume of this.#room.splice(0)) resume();
    }
    this.#running = false;
  }
}
