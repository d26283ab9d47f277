/**
 * Keeps the claim about the wall clock fresh. Until the first look has ended the claim is `none`.
 */
import { withTimeout } from '../../base/abort.ts';
import type { Scheduler, Timer } from '../../base/clock.ts';
import { messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import type { ClockClaim } from '../../evidence/event/event.ts';
import { type ClockSenses, machineSenses, probeClock } from './clock-probe.ts';

export const REFRESH_EVERY_MS = 60_000;
const PROBE_LIMIT_MS = 10_000;
const UNKNOWN: ClockClaim = { src: 'none' };

export interface ClockSource {
  /** What is claimed now, from the last look. */
  claim(): ClockClaim;
  /** Looks once, then every minute until `stop`. Resolves after the first look; never rejects. */
  start(): Promise<void>;
  /** Looks now, for example after the clock stepped. Never rejects. */
  refresh(): Promise<void>;
  stop(): void;
}

export interface ClockSourceParts {
  readonly scheduler: Scheduler;
  readonly logger: Logger;
  readonly senses?: ClockSenses;
}

export function createClockSource(parts: ClockSourceParts): ClockSource {
  const { scheduler, logger } = parts;
  const senses = parts.senses ?? machineSenses(() => scheduler.wallMs());
  let claim = UNKNOWN;
  let timer: Timer | undefined;
  let stopped = false;

  async function refresh(): Promise<void> {
    const found = await withTimeout(
      scheduler,
      PROBE_LIMIT_MS,
      'asking where time comes from',
      probeClock(senses),
    ).catch((error: unknown) => {
      logger.warn({ error: messageOf(error) }, 'the clock source cannot be read');
      return UNKNOWN;
    });
    if (stopped) return;
    if (found.src !== claim.src) logger.info({ from: claim.src, to: found.src }, 'clock source changed');
    claim = found;
  }

  async function again(): Promise<void> {
    await refresh();
    if (!stopped) timer = scheduler.after(REFRESH_EVERY_MS, () => void again());
  }

  return {
    claim: () => claim,
    start: again,
    refresh,
    stop(): void {
      stopped = true;
      timer?.cancel();
    },
  };
}
