/**
 * How long a door of this line can go unseen at most, from the settings alone. Pure.
 *
 * Holds while every board answers in time and no unlock is open: what disturbs a line is said by the device's own
 * events, and each change in the journal names its own interval (`seen`).
 */
import type { Board } from '../board-family.ts';
import type { BusTiming } from './settings.ts';

/** From asking for a state to the arrival of the next one, at the latest. */
export function unseenMaxMs(boards: readonly Board[], timing: BusTiming): number {
  const questions = boards.flatMap(({ polls }) =>
    polls.map(({ request, replyBytes }) => {
      return (request.length + replyBytes) * timing.byteMs + timing.replyTimeoutMs + timing.turnaroundMs;
    }),
  );
  const roundMs = questions.reduce((sum, each) => sum + each, 0);
  // A board is asked first in one cycle and last in the next.
  return Math.ceil(Math.max(timing.cycleMs, roundMs) + roundMs);
}

/** So long one unlock can hold the line, beside. */
export function unlockHoldMs(boards: readonly Board[], timing: BusTiming): number {
  const holds = boards.map(({ unlock }) => {
    if (unlock === undefined) return 0;
    const wireMs = (2 * unlock.frame(1).length + unlock.replyBytes) * timing.byteMs;
    return wireMs + (unlock.reply === 'none' ? 0 : unlock.replyTimeoutMs) + 4 * timing.turnaroundMs;
  });
  return Math.ceil(Math.max(0, ...holds));
}
