/**
 * Looks once at where this machine's wall time comes from. Never assumed: what nobody says is `none`.
 *
 * Asked in order: chrony, systemd-timesyncd, the hardware clock. An NTP client that neither of these reports is not
 * seen, and counts as what is left.
 */
import { execFile } from 'node:child_process';
import { readFile, stat } from 'node:fs/promises';
import type { ClockClaim } from '../../evidence/event/event.ts';
import { parseTracking } from './chrony.ts';

/** Everything that a probe asks of the machine, so that tests can answer. */
export interface ClockSenses {
  /** Standard output of a program, or undefined when it is not there, fails or takes too long. */
  run(program: string, args: readonly string[]): Promise<string | undefined>;
  /** Text of a small file, or undefined. */
  read(path: string): Promise<string | undefined>;
  /** When a file was last touched, ms since 1970 UTC by this machine's clock, or undefined. */
  touchedMs(path: string): Promise<number | undefined>;
  wallMs(): number;
}

const TIMESYNCD_MARK = '/run/systemd/timesync/synchronized';
const RTC_SET_THE_CLOCK = '/sys/class/rtc/rtc0/hctosys';
/** timesyncd asks every 34 min at most (PollIntervalMaxSec) and touches its mark each time it succeeds. */
const TIMESYNCD_FRESH_MS = 3 * 2_048_000;
/** The mark may lie ahead by what the clock was slewed back since. */
const TIMESYNCD_AHEAD_MS = 60_000;
/** No clock of this product shows a time before it was written, nor so late; a hardware clock that does has no battery. */
const PLAUSIBLE_FROM_MS = Date.UTC(2025, 0, 1);
const PLAUSIBLE_TO_MS = Date.UTC(2100, 0, 1);

const RUN_LIMIT_MS = 5_000;
const OUTPUT_BYTES_MAX = 4_096;
const FILE_CHARS_MAX = 256;

export async function probeClock(senses: ClockSenses): Promise<ClockClaim> {
  const tracking = await senses.run('chronyc', ['-c', 'tracking']);
  const chrony = tracking === undefined ? undefined : parseTracking(tracking);
  if (chrony?.ok === true) return chrony.value;
  const nowMs = senses.wallMs();
  const touchedMs = await senses.touchedMs(TIMESYNCD_MARK);
  const ageMs = touchedMs === undefined ? Number.POSITIVE_INFINITY : nowMs - touchedMs;
  if (ageMs > -TIMESYNCD_AHEAD_MS && ageMs < TIMESYNCD_FRESH_MS) return { src: 'ntp' };
  const fromRtc = (await senses.read(RTC_SET_THE_CLOCK))?.trim() === '1';
  const plausible = nowMs >= PLAUSIBLE_FROM_MS && nowMs < PLAUSIBLE_TO_MS;
  return { src: fromRtc && plausible ? 'rtc' : 'none' };
}

/** This machine. */
export function machineSenses(wallMs: () => number): ClockSenses {
  return {
    wallMs,
    run: (program, args) =>
      new Promise((resolve) => {
        const options = { timeout: RUN_LIMIT_MS, maxBuffer: OUTPUT_BYTES_MAX, killSignal: 'SIGKILL' as const };
        execFile(program, [...args], options, (error, stdout) => resolve(error === null ? stdout : undefined));
      }),
    read: (path) =>
      readFile(path, 'utf8').then(
        (text) => text.slice(0, FILE_CHARS_MAX),
        () => undefined,
      ),
    touchedMs: (path) =>
      stat(path).then(
        (found) => found.mtimeMs,
        () => undefined,
      ),
  };
}
