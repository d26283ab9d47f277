/** Work of one gateway in order, one piece after the other. */
const TURN_MS = 20;

export class Mailbox {
  #tasks: (() => Promise<void>)[] = [];
  #running = false;
  #idle: (() => void)[] = [];

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
      // Verifying is work without waits: sockets and the disk get their turn now and then.
      if (performance.now() - turnFrom > TURN_MS) {
        await new Promise((resolve) => setImmediate(resolve));
        turnFrom = performance.now();
      }
    }
    this.#running = false;
    const idle = this.#idle;
    this.#idle = [];
    for (const resolve of idle) resolve();
  }
}
