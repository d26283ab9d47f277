/**
 * What a device reported: the only thing that crosses from drivers to custody.
 *
 * A reading says what was seen and nothing about what it means: door polarity, compartments and parcels are custody's.
 * Each reading was checked by its driver (checksum, address, not an echo, not stale); what failed is counted in
 * `line` readings, never passed on.
 */
import type { ScanCode } from '../../evidence/event/scan-code.ts';
import type { Observed } from './observed.ts';

export interface ChannelState {
  /** Channel as printed on the board, from 1. */
  readonly channel: number;
  /** The feedback bit as on the wire. Its meaning is the commissioned polarity. */
  readonly feedback: 0 | 1;
  /** Item sensor: 1 an item is there. Absent on boards without sensors. */
  readonly item?: 0 | 1;
}

/** One sound answer of a lock board to one poll: all channels that it reported, at one moment. */
export interface BoardReading {
  readonly kind: 'board';
  readonly device: string;
  readonly observed: Observed;
  /** When the poll was sent: the board took its state between this and `observed`. */
  readonly askedUpMs?: number;
  readonly channels: readonly ChannelState[];
}

/** One scan, as the scanner sent it, without prefix and suffix. */
export interface ScanReading {
  readonly kind: 'scan';
  readonly device: string;
  readonly observed: Observed;
  readonly code: ScanCode;
  /** Equal scans within the debounce window before this one that were not reported on their own. */
  readonly suppressed: number;
  /**
   * Why the scan cannot name a parcel: two scans without a suffix between them, cut by length, a no-read text, or its
   * beginning or end is missing (prefix, AIM identifier, suffix).
   */
  readonly quarantined?: 'glued' | 'too_long' | 'no_read' | 'incomplete';
}

/** A device answers, stopped answering, or answers wrongly. One reading per change. */
export interface DeviceReading {
  readonly kind: 'device';
  readonly device: string;
  readonly observed: Observed;
  readonly state: 'found' | 'lost' | 'faulted';
  /**
   * Stable word. Found: `answered` (a board), `port_open` (a scanner, which cannot be asked). Lost: `no_reply`,
   * `port_lost`. Faulted: `duplicate_address`, `wrong_channels`, `damaged` (answers that are never sound), `babbling`
   * (the line is never quiet).
   */
  readonly reason: string;
  /** For `lost` and `found` after a loss: when it last answered. */
  readonly lastAnswerUpMs?: number;
}

/**
 * Counts of one line since the reading before; sent at most once a minute and only when noise, a damaged frame or a
 * missing answer was counted.
 */
export interface LineReading {
  readonly kind: 'line';
  readonly port: string;
  readonly observed: Observed;
  readonly sinceUpMs: number;
  readonly bytes: number;
  readonly frames: number;
  readonly noiseBytes: number;
  readonly checksumErrors: number;
  readonly timeouts: number;
  readonly echoes: number;
}

export type Reading = BoardReading | ScanReading | DeviceReading | LineReading;

/** Takes readings in the order in which they were observed. Must not throw and must not block. */
export type ReadingSink = (reading: Reading) => void;
