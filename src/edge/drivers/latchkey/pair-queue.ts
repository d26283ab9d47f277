/** A pairing that waits for its turn on a line that is in use: one at a time, between two questions of the line. */
import { LatchkeyError } from '../../../base/errors.ts';
import type { PairAsk, PairedDevice } from '../line.ts';

export interface PairJob {
  readonly device: string;
  readonly ask: PairAsk;
}

interface Waiting extends PairJob {
  readonly resolve: (paired: PairedDevice) => void;
  readonly reject: (error: unknown) => void;
}

export class PairQueue {
  #waiting: Waiting | undefined;
  #isRunning = false;

  /** Rejects with PORT_BUSY while another one is under way. */
  add(job: PairJob): Promise<PairedDevice> {
    if (this.#waiting !== undefined || this.#isRunning) {
      return Promise.reject(new LatchkeyError('PORT_BUSY', 'another device of this line is being paired: try again'));
    }
    return new Promise((resolve, reject) => {
      this.#waiting = { ...job, resolve, reject };
    });
  }

  /** Nobody else can be asked until it ends. */
  get isRunning(): boolean {
    return this.#isRunning;
  }

  get isWaiting(): boolean {
    return this.#waiting !== undefined;
  }

  /** Does what waits. Never rejects: how it ended is for whoever asked. */
  async run(work: (job: PairJob) => Promise<PairedDevice>): Promise<void> {
    const job = this.#waiting;
    if (job === undefined) return;
    this.#waiting = undefined;
    this.#isRunning = true;
    try {
      job.resolve(await work(job));
    } catch (error) {
      job.reject(error);
    } finally {
      this.#isRunning = false;
    }
  }

  /** What has not begun. What runs finds out by itself. */
  drop(why: string): void {
    this.#waiting?.reject(new LatchkeyError('PORT_UNAVAILABLE', why));
    this.#waiting = undefined;
  }
}
