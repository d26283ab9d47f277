/**
 * What a device reported: the only thing that crosses from drivers to custody.
 *
 * A reading says what was seen and nothing about what it means: door polarity, compartments and parcels are custody's.
 * Each reading was checked by its driver (checksum, address, not an echo, not stale); what failed is counted in
 * `line` readings, never passed on.
 */
import type { SecretText } from '../../base/secret-text.ts';
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
  /** Channels of which the board says that it cannot read them. */
  readonly unread?: readonly number[];
}

export type InputKind = 'tamper' | 'mains' | 'battery';

/** A switch that is no door, in one answer of a board. Sent with each answer, like a door's state. */
export interface InputReading {
  readonly kind: 'input';
  readonly device: string;
  readonly observed: Observed;
  readonly askedUpMs?: number;
  /** Its name, a code. */
  readonly input: string;
  readonly what: InputKind;
  /** Something is wrong: tampered with, or the power is away. */
  readonly active: boolean;
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
  /** Damaged, at a scanner for credentials: nothing of its text is shown, since it may be part of one. */
  readonly hidden?: true;
  /**
   * The compartment that was asked for with it: whoever was let in at this scanner has this parcel assigned there. Whether
   * that door is opened is not known yet, and the scan is no other door's.
   */
  readonly meant?: string;
}

/** A device answers, stopped answering, or answers wrongly. One reading per change. */
export interface DeviceReading {
  readonly kind: 'device';
  readonly device: string;
  readonly observed: Observed;
  readonly state: 'found' | 'lost' | 'faulted';
  /**
   * Stable word. Found: `answered`, `heard` (it speaks by itself), `port_open` (it cannot be asked), `authenticated` (it proved itself over the open wire), `identified` (it was
   * found before, and now said who it is). Lost: `no_reply`, `silent`,
   * `port_lost`, `pairing` (it is being given a key). Faulted: `duplicate_address`, `wrong_channels`, `damaged` (answers that are never sound), `babbling`
   * (the line is never quiet), `second_master` (somebody else asks on the line), `partly_silent` (one of several polls
   * is never answered), and over the open wire the words of `Fault` in drivers/latchkey.
   */
  readonly reason: string;
  /** For `lost` and `found` after a loss: when it last answered. */
  readonly lastAnswerUpMs?: number;
  /** With `events_lost`: how many events of the device nobody will ever hear. */
  readonly missing?: number;
  /** What it is, where its driver knows. */
  readonly what?: 'board' | 'scanner' | 'scale' | 'sensor' | 'reader' | 'camera';
  /** Who it says that it is: make, model, serial number, as far as it tells. At most 64 printable characters. */
  readonly identity?: string;
  /** With `found`: it proved itself, and what it reports until it is lost or faulted is authenticated. */
  readonly sensor?: SensorClaim;
}

/** What a device proved when its session opened (firmware-protocol/PROTOCOL.md). */
export interface SensorClaim {
  /** Names the session: 16 bytes, base64url. */
  readonly session: string;
  /** Start of the device, counted by itself. */
  readonly boot: number;
  /** Number of the key under which it proved itself. */
  readonly key: number;
  /** 16 hex digits. */
  readonly identity: string;
  readonly version?: string;
  readonly model?: string;
  /** SHA-256 of the firmware that its boot loader found: 32 bytes, base64url. */
  readonly firmware?: string;
  /** Of the report on the firmware: what this gateway drew, and the device's mac over it; 16 bytes each, base64url. */
  readonly nonce?: string;
  readonly mac?: string;
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
  /** Answers that nobody here asked for, and frames that no question of this gateway explains: a second master. */
  readonly unasked: number;
  readonly foreign: number;
  /** Of polled boards that failed in this time; absent when none did. */
  readonly boards?: readonly BoardCounts[];
}

/** Questions to one board and how they ended. */
export interface BoardCounts {
  readonly device: string;
  readonly asked: number;
  readonly answered: number;
  readonly silent: number;
  readonly damaged: number;
  readonly doubles: number;
}

/** What a scale says. Only `stable` is a weight; one such reading alone is still no fact. */
export interface WeightReading {
  readonly kind: 'weight';
  readonly device: string;
  readonly observed: Observed;
  /** It was measured between this and `observed`: when the question was sent, or how long a stream may be held up. */
  readonly sinceUpMs: number;
  readonly state: 'stable' | 'moving' | 'over' | 'under' | 'invalid';
  /** Rounded to whole grams. Absent when there is no value, or it is in no unit of weight. */
  readonly grams?: number;
}

/** What a position receiver says of one moment. */
export interface PositionReading {
  readonly kind: 'position';
  readonly device: string;
  readonly observed: Observed;
  /** Absent when the receiver has no fix of its own: void, estimated, or contradicting itself. */
  readonly fix?: {
    /** Millionths of a degree. */
    readonly latitude: number;
    readonly longitude: number;
    /** Estimated from the dilution of precision; absent when the receiver does not tell it. */
    readonly accuracyM?: number;
    /** Of the fix, in ms since 1970 UTC, when the receiver also tells the date. */
    readonly wallMs?: number;
  };
}

export type PhotoCause = 'file_drop' | 'door_opened' | 'door_closed';

/** An image was taken over, checked to be whole, and stored on the box (or could not be: `kept` is false). */
export interface PhotoReading {
  readonly kind: 'photo';
  readonly device: string;
  readonly observed: Observed;
  readonly cause: PhotoCause;
  /** For which it was asked; absent when the camera acted by itself. */
  readonly compartment?: string;
  /** 32 bytes. */
  readonly sha256: Uint8Array;
  readonly sizeBytes: number;
  readonly mediaType: 'image/jpeg' | 'image/png' | 'image/webp';
  readonly kept: boolean;
}

/** What a person typed and ended at a keypad: only access looks at it, and nobody writes it down. */
export interface KeypadReading {
  readonly kind: 'keypad';
  readonly device: string;
  readonly observed: Observed;
  readonly entry: SecretText;
}

export type Reading =
  | BoardReading
  | ScanReading
  | DeviceReading
  | LineReading
  | WeightReading
  | PositionReading
  | PhotoReading
  | InputReading
  | KeypadReading;

/** Takes readings in the order in which they were observed. Must not throw and must not block. */
export type ReadingSink = (reading: Reading) => void;
