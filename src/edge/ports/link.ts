/**
 * One opened transport, before supervision: what a serial line and a TCP connection have in common.
 */
export interface LinkEvents {
  /** Bytes as they came. The array is the listener's. */
  bytes(chunk: Uint8Array): void;
  /** The link is gone. At most once, never before `open` resolved and never after `close` was called. */
  lost(reason: string): void;
}

export interface Link {
  /** Resolves when the bytes have left, or rejects: then it is unknown what left. */
  write(bytes: Uint8Array): Promise<void>;
  /** Resolves when the descriptor is closed. Never rejects. May be called after the link was lost. */
  close(): Promise<void>;
}

export interface LinkOpener {
  /** For people: `/dev/ttyUSB0 at 9600 baud`. */
  readonly target: string;
  /**
   * One attempt. Rejects with `LatchkeyError`: PORT_BUSY when another process holds it, PORT_UNAVAILABLE otherwise;
   * after a rejection nothing stays open. `signal` ends the attempt.
   */
  open(events: LinkEvents, signal: AbortSignal): Promise<Link>;
  /**
   * What is there now, cheaply: a text that changes when the device comes, goes or is another one; `absent` when there
   * is none. Undefined from openers that cannot tell.
   */
  identity(): Promise<string | undefined>;
}
