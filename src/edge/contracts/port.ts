/**
 * A byte transport: a serial line or a raw TCP connection to a serial server.
 *
 * Duties of a port: it reads all the time (an unplug is unnoticed otherwise), it comes back by itself with back-off and
 * jitter, and it says each change of state exactly once. It buffers nothing: bytes go to the listener as they come, in
 * chunks whose edges mean nothing.
 */
export type PortState =
  /** The first attempt has not ended yet. */
  | 'opening'
  | 'open'
  /** Not open, and tried again until `close`. */
  | 'lost'
  | 'closed';

/** Why a port is lost, where it matters to the caller: another process holds it, or the device is not there. */
export type PortTrouble = 'PORT_BUSY' | 'PORT_UNAVAILABLE';

export interface PortListener {
  /** Bytes as they came. The array is the listener's. */
  bytes(chunk: Uint8Array): void;
  /** `reason` is for people: what was expected, what was found. `trouble` comes with `lost`. */
  state(state: PortState, reason: string, trouble?: PortTrouble): void;
}

export interface Port {
  /** The configured name. */
  readonly name: string;
  readonly state: PortState;
  /** Begins to open and keeps trying until `close`. Called once. */
  start(listener: PortListener): void;
  /**
   * Writes and drains. Rejects with PORT_UNAVAILABLE when the port is not open or is lost in between: what was written
   * then is unknown, and the caller must treat it as perhaps sent.
   */
  write(bytes: Uint8Array, signal: AbortSignal): Promise<void>;
  /**
   * The caller sees no life on an open port (a half-open connection, a stalled adapter): it is closed, reported as lost
   * and opened again. Does nothing when the port is not open.
   */
  reopen(reason: string): void;
  /** Closes for good; resolves when the descriptor is closed. */
  close(): Promise<void>;
}
