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
  /**
   * Resolves when whatever `sink` took before is in the journal for good, rejects when it could not be recorded: for devices that keep
   * an event until it is acknowledged. Absent where nothing is recorded.
   */
  readonly recorded?: (signal: AbortSignal) => Promise<void>;
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
  /** What to do, where it is lost or faulted and a person can help. */
  readonly remedy?: string;
  /** What it counts itself since it started, by its own names: damage, forgeries, dropped events. Over the open wire. */
  readonly counters?: Readonly<Record<string, number>>;
  /** Of a polled board, since the start. */
  readonly polls?: {
    readonly asked: number;
    readonly answered: number;
    readonly silent: number;
    readonly damaged: number;
    readonly doubles: number;
    /** Of the last questions, in percent. */
    readonly recentFailuresPercent: number;
    /** The longest that its doors went unseen between two looks, in the last ten minutes or so. */
    readonly unseenWorstMs: number;
  };
}

export interface LineStatus {
  readonly port: string;
  readonly state: PortState;
  /** Why the port is in its state, for people. */
  readonly reason: string;
  readonly devices: readonly DeviceStatus[];
  /** How long the last round of polls took; absent for scanners. */
  readonly cycleMs?: number;
  /** The longest that a door can go unseen while every board answers, from the settings; absent for scanners. */
  readonly unseenMaxMs?: number;
  /** How long one unlock can hold the line, beside. */
  readonly unlockHoldMs?: number;
}

export type UnlockAnswer =
  /** Certain: no byte left. `line_busy`: the line does not fall silent, or too many unlocks wait already. */
  | {
      readonly kind: 'not_sent';
      readonly reason: 'port_not_open' | 'unknown_device' | 'no_locks' | 'unknown_channel' | 'line_busy' | 'stopped';
    }
  /**
   * The frame left, or may have. `missing`: a reply was expected and did not come, or the write failed. `ambiguous`: what
   * came may be the line's echo, or is not one reply. No word proves that the door opened: only a reading does.
   */
  | {
      readonly kind: 'sent';
      readonly sentUpMs: number;
      readonly reply: 'none_expected' | 'accepted' | 'rejected' | 'missing' | 'ambiguous';
    };

export interface PairAsk {
  /** Of the device's label, to pair it; without it the key of a paired device is rotated. */
  readonly code?: string;
  /** Each step, for the person who waits. */
  readonly say: (step: string) => void;
  /** Broken off before the next step. */
  readonly signal: AbortSignal;
}

export interface PairedDevice {
  readonly identity: string;
  /** Number of the key that is in use now. */
  readonly key: number;
  readonly boot: number;
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
  /**
   * Sends one unlock frame between two polls, once; it is never repeated here. The board is then asked out of turn, and
   * often, until a channel of it changed or a few seconds passed. Resolves when the reply came, when it is overdue, or at
   * once where none is expected; never rejects. An aborted `signal` means `not_sent` while the frame has not left, and
   * nothing afterwards. Absent where no device of the line has locks.
   */
  unlock?(device: string, channel: number, signal: AbortSignal): Promise<UnlockAnswer>;
  /**
   * Gives a device a key of this gateway, or another one, between two questions of the line; the device is `lost` (`pairing`) meanwhile and
   * found under its new key. Rejects with USAGE, PORT_UNAVAILABLE, PORT_BUSY or what the key file's disk says; every step
   * leaves both sides with a key that works. Absent where no device has keys.
   */
  pair?(device: string, ask: PairAsk): Promise<PairedDevice>;
  /** Shows a person at this device that access was granted or refused, where it can. */
  signal?(device: string, word: 'granted' | 'refused'): void;
}
