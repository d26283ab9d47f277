/**
 * A line: one port and the devices on it. What the composition root sees of this room.
 */
import type { Scheduler } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import type { Metrics } from '../../base/metrics.ts';
import type { Observer } from '../contracts/observed.ts';
import type { Port, PortState } from '../contracts/port.ts';
import type { ReadingSink } from '../contracts/reading.ts';

export interface LineParts {
  /** Not started; the line starts and closes it. */
  readonly port: Port;
  readonly sink: ReadingSink;
  readonly observer: Observer;
  readonly scheduler: Scheduler;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

export interface DeviceStatus {
  readonly name: string;
  readonly driver: string;
  readonly state: 'unknown' | 'found' | 'lost' | 'faulted';
  readonly reason: string;
  readonly lastAnswerUpMs?: number;
}

export interface LineStatus {
  readonly port: string;
  readonly state: PortState;
  /** Why the port is in its state, for people. */
  readonly reason: string;
  readonly devices: readonly DeviceStatus[];
  /** How long the last round of polls took; absent for scanners. */
  readonly cycleMs?: number;
}

export interface Line {
  /** Opens the port and begins. Called once. */
  start(): void;
  /**
   * Resolves when the first attempt to open the port has ended, whether it is open or will be tried again. Rejects with
   * PORT_BUSY when another process holds it: at start that is a second daemon, and ends this one.
   */
  firstAttempt(): Promise<void>;
  /** Stops asking and closes the port; resolves when its descriptor is closed. */
  stop(): Promise<void>;
  status(): LineStatus;
}
