/** Work of one gateway in order, one piece after the other; and turns among all of them. */
const TURN_MS = 20;

/**
 * Mailboxes with work left go on one at a time, and sockets get their turn between any two. If all went on in one round
 * of the loop, a few hundred gateways with a backlog would hold up leases and open transactions for longer than these live.
 */
export class Turns {
  readonly #waiting: (() => void)[] = [];

  /** Resolves when it is the caller's turn, in the order of calls. */
  next(): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      if (this.#waiting.length === 1) this.#later();
    });
  }

  #later(): void {
    setImmediate(() => {
      this.#waiting.shift()?.();
      if (this.#waiting.length > 0) this.#later();
    });
  }
}

export class Mailbox {
  readonly #turns: Turns;
  #tasks: (() => Promise<void>)[] = [];
  #running = false;
  #idle: (() => void)[] = [];

  constructor(turns: Turns) {
    this.#turns = turns;
  }

  get isIdle(): boolean {
    return !this.#running;
  }

  post(task: () => Promise<void>): void {
    this.#tasks.push(task);
    if (!this.#running) {
      this.#running = true;
      void this.#run();
    }
  }

  /** Resolves when nothing waits and nothing runs. */
  idle(): Promise<void> {
    return this.#running ? new Promise((resolve) => this.#idle.push(resolve)) : Promise.resolve();
  }

  async #run(): Promise<void> {
    let turnFrom = performance.now();
    for (let task = this.#tasks.shift(); task !== undefined; task = this.#tasks.shift()) {
      await task();
      // Verifying is work without waits.
      if (performance.now() - turnFrom > TURN_MS) {
        await this.#turns.next();
        turnFrom = performance.now();
      }
    }
    this.#running = false;
    const idle = this.#idle;
    this.#idle = [];
    for (const resolve of idle) resolve();
  }
}
