/** A line with one device and no lock: what is the same of every kind of it. */
import type { Observed } from '../contracts/observed.ts';
import type { Line, LineParts, LineStatus } from './line.ts';
import { LoneDevice, type LonePlace } from './lone-device.ts';

export abstract class LoneLine<T extends string> implements Line {
  protected readonly device: LoneDevice<T>;

  constructor(parts: LineParts, place: LonePlace) {
    this.device = new LoneDevice<T>(parts, place);
  }

  start(): void {
    this.device.start({
      heard: (chunk, observed) => this.heard(chunk, observed),
      opened: () => this.opened(),
      lost: () => this.forget(),
    });
  }

  firstAttempt(): Promise<void> {
    return this.device.firstAttempt();
  }

  async stop(): Promise<void> {
    this.forget();
    await this.device.stop();
  }

  status(): LineStatus {
    return this.device.status();
  }

  protected abstract heard(chunk: Uint8Array, observed: Observed): void;

  protected abstract opened(): void;

  /** What came belongs to no question and no frame any more: the port was lost, or the line stops. */
  protected abstract forget(): void;
}
