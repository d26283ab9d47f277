/** A simulated device that has its line to itself: it hears bytes, and speaks when it likes. */
import type { Scheduler } from '../src/base/clock.ts';
import type { FaultCounts } from './faults/kinds.ts';
import type { Emission } from './faults/plan.ts';

export interface InstrumentParts {
  readonly scheduler: Scheduler;
  readonly counts: FaultCounts;
  readonly emit: (emission: Emission) => void;
}

export interface Instrument {
  receive(chunk: Uint8Array): void;
  close(): void;
}
