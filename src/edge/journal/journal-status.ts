/** What the journal says of itself and of each of its logs. */
import type { RoomLevel } from './disk-room.ts';
import type { HeldLog } from './held-log.ts';
import type { WriterState } from './log-writer.ts';

export interface LogStatus {
  readonly origin: string;
  readonly state: 'open' | 'closed' | 'breached';
  /** Why it ended; absent while it is open. */
  readonly cause?: string;
  readonly size: number;
  /** Size of the newest note. */
  readonly noteSize: number;
  readonly receiptedSize: number;
  readonly progressSize: number;
  /** Up to here rows of earlier runs were verified; absent when all were. */
  readonly verifiedSize?: number;
  /** Every entry is receipted, and the key destroyed. */
  readonly settled: boolean;
  readonly key: 'here' | 'locked' | 'lost' | 'destroyed';
}

export interface JournalStatus {
  /** Oldest first. */
  readonly logs: readonly LogStatus[];
  /** Origin of the open log; absent while the next one cannot be opened. */
  readonly open?: string;
  readonly writer: WriterState | 'none';
  readonly room: RoomLevel;
  /** Events that are not durable yet. */
  readonly waiting: number;
  /** The retained messages were compared in this run. */
  readonly compared: boolean;
  /** Files set aside so far, by name. */
  readonly setAside: readonly string[];
  /** Logs whose key is here and whose database is gone or unreadable. */
  readonly gone: readonly string[];
  /** Ended logs whose file cannot be opened now, or not by this version: `<number>-<tag>` and what was found. */
  readonly leftAlone: readonly { readonly name: string; readonly reason: string }[];
}

export function statusOf(log: HeldLog): LogStatus {
  const { origin, state, size, noteSize, receiptedSize, progressSize, verifiedSize, settled } = log;
  const key = settled
    ? 'destroyed'
    : log.keyLost
      ? 'lost'
      : log.signer === undefined || log.signer.isReady === false
        ? 'locked'
        : 'here';
  return {
    origin,
    state: state.kind,
    ...(state.kind !== 'open' && { cause: state.cause }),
    size,
    noteSize,
    receiptedSize,
    progressSize,
    ...(verifiedSize < size && { verifiedSize }),
    settled,
    key,
  };
}
