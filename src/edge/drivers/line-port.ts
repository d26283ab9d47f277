/** The port under a line, as every kind of line has it: how its first attempt ended, why it is as it is, what it carried. */
import type { PortState, PortTrouble } from '../contracts/port.ts';
import type { BoardCounts } from '../contracts/reading.ts';
import { FirstAttempt } from './first-attempt.ts';
import type { LineParts, LineStatus } from './line.ts';
import { LineCounts } from './line-counts.ts';

export interface LinePortListener {
  /** The chunk is counted already. */
  heard(chunk: Uint8Array): void;
  opened(): void;
  lost(): void;
}

export class LinePort {
  readonly counts: LineCounts;
  readonly #port: LineParts['port'];
  readonly #first: FirstAttempt;
  #reason = 'not started';

  /** `boards` gives the counts of polled boards since the start. */
  constructor(parts: LineParts, boards?: () => readonly BoardCounts[]) {
    const { port } = parts;
    this.#port = port;
    this.counts = new LineCounts({ ...parts, port: port.name, ...(boards !== undefined && { boards }) });
    this.#first = new FirstAttempt(port.name);
  }

  start(listener: LinePortListener): void {
    this.#port.start({
      bytes: (chunk) => {
        this.counts.add('bytes', chunk.length);
        listener.heard(chunk);
      },
      state: (state, reason, trouble) => {
        this.#note(state, reason, trouble);
        if (state === 'open') listener.opened();
        else if (state === 'lost') listener.lost();
      },
    });
  }

  /** As `Line.firstAttempt` says. */
  firstAttempt(): Promise<void> {
    return this.#first.ended;
  }

  /** Reports what was counted, and resolves when the port's descriptor is closed. */
  async close(): Promise<void> {
    this.counts.stop();
    await this.#port.close();
  }

  status(): Pick<LineStatus, 'port' | 'state' | 'reason'> {
    return { port: this.#port.name, state: this.#port.state, reason: this.#reason };
  }

  #note(state: PortState, reason: string, trouble: PortTrouble | undefined): void {
    this.#reason = reason;
    this.#first.note(state, reason, trouble);
  }
}
