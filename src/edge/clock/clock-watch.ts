/**
 * Notices when the wall clock jumps against the monotonic one. The machine is pure; the watch around it owns the timer.
 *
 * Slewing is no step: the distance between the clocks is compared with the look before, a second ago, and even chrony
 * at its fastest (83 ms/s) stays far below the threshold. A machine that slept looks like a step forward, and is one.
 * The first step is said at once; those of the next ten seconds are said together, as NTP clients often step twice.
 */
import type { Scheduler, Timer } from '../../base/clock.ts';
import type { ClockClaim } from '../../evidence/event/event.ts';

export const STEP_THRESHOLD_MS = 500;
export const LOOK_EVERY_MS = 1_000;
export const COALESCE_MS = 10_000;

export interface ClockStep {
  /** By how much the wall clock moved beside the time that passed; negative is back. */
  readonly byMs: number;
  /** What the wall clock would have shown without the step, and what it shows. */
  readonly beforeWallMs: number;
  readonly afterWallMs: number;
  readonly fromSrc: ClockClaim['src'];
  readonly toSrc: ClockClaim['src'];
}

export interface ClockLook {
  readonly wallMs: number;
  readonly monotonicMs: number;
  readonly src: ClockClaim['src'];
}

export interface ClockWatchState {
  /** Wall minus monotonic at the look before. */
  readonly distanceMs: number;
  readonly src: ClockClaim['src'];
  /** Until then steps are gathered. */
  readonly gatherUntilMs: number;
  readonly gatheredMs: number;
  readonly gatheredSrc: ClockClaim['src'];
}

export interface WatchStep {
  readonly state: ClockWatchState;
  readonly step: ClockStep | undefined;
}

export function firstLook(look: ClockLook): ClockWatchState {
  return {
    distanceMs: look.wallMs - look.monotonicMs,
    src: look.src,
    gatherUntilMs: Number.NEGATIVE_INFINITY,
    gatheredMs: 0,
    gatheredSrc: look.src,
  };
}

export function lookAtClock(state: ClockWatchState, look: ClockLook): WatchStep {
  const distanceMs = look.wallMs - look.monotonicMs;
  const movedMs = distanceMs - state.distanceMs;
  const stepped = Math.abs(movedMs) >= STEP_THRESHOLD_MS;
  const gatheredMs = state.gatheredMs + (stepped ? movedMs : 0);
  const gatheredSrc = state.gatheredMs === 0 ? state.src : state.gatheredSrc;
  const next: ClockWatchState = { ...state, distanceMs, src: look.src, gatheredMs, gatheredSrc };
  // Steps that cancel each other within the gathering are none.
  const due = Math.abs(gatheredMs) >= STEP_THRESHOLD_MS && look.monotonicMs >= state.gatherUntilMs;
  if (!due) return { state: next, step: undefined };
  const byMs = Math.round(gatheredMs);
  return {
    state: { ...next, gatheredMs: 0, gatherUntilMs: look.monotonicMs + COALESCE_MS },
    step: {
      byMs,
      beforeWallMs: look.wallMs - byMs,
      afterWallMs: look.wallMs,
      fromSrc: gatheredSrc,
      toSrc: look.src,
    },
  };
}

export interface ClockWatch {
  start(): void;
  /** Looks now: whoever records something right after a step has the step recorded first. */
  look(): void;
  stop(): void;
}

export interface ClockWatchParts {
  readonly scheduler: Scheduler;
  readonly claim: () => ClockClaim;
  readonly onStep: (step: ClockStep) => void;
}

export function createClockWatch(parts: ClockWatchParts): ClockWatch {
  const { scheduler, onStep } = parts;
  let state: ClockWatchState | undefined;
  let timer: Timer | undefined;

  function look(): void {
    const now = { wallMs: scheduler.wallMs(), monotonicMs: scheduler.monotonicMs(), src: parts.claim().src };
    if (state === undefined) {
      state = firstLook(now);
      return;
    }
    const { state: next, step } = lookAtClock(state, now);
    state = next;
    if (step !== undefined) onStep(step);
  }

  function again(): void {
    look();
    timer = scheduler.after(LOOK_EVERY_MS, again);
  }

  return { start: again, look, stop: () => timer?.cancel() };
}
