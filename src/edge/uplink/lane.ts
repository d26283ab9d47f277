/**
 * One log on its way out: a cursor that runs ahead of the receipts, and goes back to them.
 *
 * Two limits of different kind. The window (machine.ts) bounds memory: batches that the broker did not acknowledge. The
 * allowance here bounds waste: what the broker acknowledged and no consumer receipted may have to be sent again, so the
 * lane runs ahead only as far as receipts have earned. It doubles with every round of receipts and falls to one batch when
 * they stop.
 */
import type { At, CheckpointState, Flight, Lane, LogView, UplinkLimits } from './machine-types.ts';

/** The hard limit of one batch (FORMAT.md section 4): with nothing ahead one batch may always go. */
export const ALLOWANCE_MIN_BYTES = 131_072;
const ALLOWANCE_FIRST_BYTES = 1_048_576;
/** Also bounds the records kept of what is ahead, when batches are tiny. */
const AHEAD_BATCHES_MAX = 4_096;
/** How often the mark follows the published checkpoint after the first time: each mark is a durable write. */
const MARK_INTERVAL_MS = 60_000;

const UNPUBLISHED: CheckpointState = {
  ackedSize: -1,
  ackedNote: undefined,
  flying: undefined,
  refusals: 0,
  code: 0,
  retryAtMs: 0,
};

export function newLane(log: LogView): Lane {
  return {
    ...log,
    checkpoint: UNPUBLISHED,
    markedSize: -1,
    marking: false,
    markAtMs: 0,
    cursor: log.progressSize,
    fresh: true,
    epoch: 0,
    held: undefined,
    ahead: [],
    aheadBytes: 0,
    allowanceBytes: ALLOWANCE_FIRST_BYTES,
    pausedUntilMs: 0,
    owedSinceMs: undefined,
    stalls: 0,
    refusals: 0,
    trouble: undefined,
    code: 0,
  };
}

/** The next connection knows nothing of the last one. Without receipts, each has less to lose than the one before. */
export function disconnectedLane(lane: Lane): Lane {
  return {
    ...goBack(lane, lane.progressSize),
    checkpoint: UNPUBLISHED,
    allowanceBytes: Math.max(ALLOWANCE_MIN_BYTES, Math.floor(lane.allowanceBytes / 2)),
    pausedUntilMs: lane.trouble === 'refused' ? lane.pausedUntilMs : 0,
    owedSinceMs: undefined,
  };
}

/** Sends again from `to` on. What is on its way keeps its place in the window; its answers no longer count. */
export function goBack(lane: Lane, to: number): Lane {
  const ahead = lane.ahead.filter((sent) => sent.end <= to);
  const aheadBytes = ahead.reduce((sum, sent) => sum + sent.bytes, 0);
  return { ...lane, cursor: to, fresh: true, epoch: lane.epoch + 1, held: undefined, ahead, aheadBytes };
}

/** The journal's new view: new notes to send, and receipts that came. */
export function updatedLane(lane: Lane, log: LogView, limits: UplinkLimits, at: At): Lane {
  const moved = { ...lane, noteSize: log.noteSize, note: log.note };
  if (log.progressSize <= lane.progressSize) return moved;
  const ahead = lane.ahead.filter((sent) => sent.end > log.progressSize);
  const aheadBytes = ahead.reduce((sum, sent) => sum + sent.bytes, 0);
  const earned = lane.aheadBytes - aheadBytes;
  const receipted: Lane = {
    ...moved,
    progressSize: log.progressSize,
    ahead,
    aheadBytes,
    allowanceBytes: Math.min(limits.aheadBytesMax, lane.allowanceBytes + earned),
    owedSinceMs: ahead.length > 0 ? at.nowMs : undefined,
    pausedUntilMs: lane.trouble === 'unreadable' ? lane.pausedUntilMs : 0,
    stalls: 0,
    trouble: lane.trouble === 'unreadable' ? lane.trouble : undefined,
  };
  // A receipt beyond the cursor: what the rewind wanted to send again had arrived after all.
  return receipted.cursor < receipted.progressSize ? goBack(receipted, receipted.progressSize) : receipted;
}

export function mayRead(lane: Lane, at: At): boolean {
  return (
    lane.held === undefined &&
    at.nowMs >= lane.pausedUntilMs &&
    lane.markedSize >= 0 &&
    lane.cursor < Math.min(lane.noteSize, lane.checkpoint.ackedSize) &&
    lane.ahead.length < AHEAD_BATCHES_MAX &&
    (lane.ahead.length === 0 || lane.aheadBytes < lane.allowanceBytes)
  );
}

/** The held batch was given to the broker. */
export function sentLane(lane: Lane): Lane {
  const { held } = lane;
  if (held === undefined) return lane;
  return {
    ...lane,
    held: undefined,
    cursor: held.end,
    fresh: false,
    ahead: [...lane.ahead, { end: held.end, bytes: held.bytes }],
    aheadBytes: lane.aheadBytes + held.bytes,
  };
}

/** What the broker said about a batch of this lane. 16 on a message that is not retained means that nobody got it. */
export function answeredLane(lane: Lane, flight: Flight, code: number, limits: UplinkLimits, at: At): Lane {
  if (flight.epoch !== lane.epoch) return lane;
  if (code === 0) {
    const owedSinceMs = lane.ahead.length > 0 ? (lane.owedSinceMs ?? at.nowMs) : undefined;
    const healed = lane.trouble === 'stalled' ? lane.trouble : undefined;
    return { ...lane, owedSinceMs, refusals: 0, trouble: healed, code: 0 };
  }
  const waitMs = backoffMs(lane.refusals, limits.retryFirstMs, limits.retryMaxMs, at.random);
  return {
    ...goBack(lane, lane.progressSize),
    pausedUntilMs: at.nowMs + waitMs,
    owedSinceMs: undefined,
    allowanceBytes: ALLOWANCE_MIN_BYTES,
    refusals: lane.refusals + 1,
    trouble: code < 128 ? 'undelivered' : 'refused',
    code,
  };
}

export function unreadableLane(lane: Lane, limits: UplinkLimits, at: At): Lane {
  const waitMs = backoffMs(lane.refusals, limits.retryFirstMs, limits.retryMaxMs, at.random);
  return { ...lane, pausedUntilMs: at.nowMs + waitMs, refusals: lane.refusals + 1, trouble: 'unreadable', code: 0 };
}

/** When the lane goes back because receipts stay away; undefined while none are owed. */
export function stallDueMs(lane: Lane, limits: UplinkLimits): number | undefined {
  if (lane.owedSinceMs === undefined || lane.ahead.length === 0) return undefined;
  return lane.owedSinceMs + Math.min(limits.stallMaxMs, limits.stallMs * 2 ** Math.min(lane.stalls, 30));
}

export function stalledLane(lane: Lane, limits: UplinkLimits, at: At): Lane {
  return {
    ...goBack(lane, lane.progressSize),
    owedSinceMs: undefined,
    // A fleet that lost its consumer together must not come back in step.
    pausedUntilMs: at.nowMs + at.random * limits.retryFirstMs,
    allowanceBytes: ALLOWANCE_MIN_BYTES,
    stalls: lane.stalls + 1,
    trouble: 'stalled',
    code: 0,
  };
}

/** A consumer speaks again: what went to nobody may go at once. */
export function wokenLane(lane: Lane): Lane {
  return lane.trouble === 'undelivered' ? { ...lane, pausedUntilMs: 0 } : lane;
}

export function markDue(lane: Lane, at: At): boolean {
  return !lane.marking && lane.checkpoint.ackedSize > lane.markedSize && at.nowMs >= lane.markAtMs;
}

export function markedLane(lane: Lane, size: number, at: At): Lane {
  return { ...lane, marking: false, markedSize: size, markAtMs: at.nowMs + MARK_INTERVAL_MS };
}

export function unmarkedLane(lane: Lane, limits: UplinkLimits, at: At): Lane {
  return { ...lane, marking: false, markAtMs: at.nowMs + limits.retryFirstMs };
}

/** Uniform between half a step and the step, which doubles. */
export function backoffMs(attempt: number, firstMs: number, maxMs: number, random: number): number {
  const stepMs = Math.min(maxMs, firstMs * 2 ** Math.min(attempt, 30));
  return stepMs / 2 + (random * stepMs) / 2;
}
