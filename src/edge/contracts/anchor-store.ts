/**
 * Where the intent to anchor a checkpoint survives a crash. At most one intent per counter, never overwritten.
 * The software key makes no anchors; the TPM's does.
 */
export interface AnchorIntent {
  readonly origin: string;
  readonly size: number;
  readonly root: Uint8Array;
  /** Counter value that the anchor will certify: the value found, plus one. */
  readonly counter: number;
}

export interface AnchorStore {
  intent(): AnchorIntent | undefined;
  /** Durable when it resolves. An assertion when an intent is already there. */
  saveIntent(intent: AnchorIntent): Promise<void>;
  /** Stores the anchor line on the note of the intent's size and removes the intent, in one transaction. */
  finish(intent: AnchorIntent, anchorLine: string): Promise<void>;
}
