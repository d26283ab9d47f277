import { describe, expect, test } from 'vitest';
import { utf8, utf8Text } from '../../../src/base/bytes.ts';
import { silentLogger } from '../../../src/base/logger.ts';
import { ManualScheduler } from '../../../src/base/manual-scheduler.ts';
import { parseTracking } from '../../../src/edge/clock/chrony.ts';
import { type ClockSenses, machineSenses, probeClock } from '../../../src/edge/clock/clock-probe.ts';
import { createClockSource, REFRESH_EVERY_MS } from '../../../src/edge/clock/clock-source.ts';
import { createObserver } from '../../../src/edge/clock/observer.ts';
import { mutate, Random } from '../../support/mutate.ts';

// Lines as chronyc 4 prints them, taken from the tests of other programs that read it.
const NTP =
  'C0A80101,192.168.1.1,3,1776153600.123456,0.000123,0.000045,0.000067,12.345,0.010,0.250,0.001200,0.004500,64.0,Normal';
const LEAP = NTP.replace('Normal', 'Insert second');
const PPS =
  '50505300,PPS,1,1776153600.123456,0.000000015,0.000000021,0.000000034,-1.234,0.001,0.015,0.000000000,0.000015000,16.0,Normal';
const UNSYNCHRONISED =
  '00000000,,0,0.000000000,0.000000000,0.000000000,0.000000000,0.000,0.000,0.000,1.000000000,1.000000000,0.0,Not synchronised';
const LOCAL = NTP.replace('C0A80101,192.168.1.1,3', '7F7F0101,,10');

const NOW = Date.UTC(2026, 10, 22, 9);
const MARK = '/run/systemd/timesync/synchronized';
const RTC = '/sys/class/rtc/rtc0/hctosys';

function senses(machine: {
  readonly chronyc?: string;
  readonly touchedMs?: number;
  readonly rtc?: string;
  readonly wallMs?: number;
}): ClockSenses {
  return {
    run: async (program, args) =>
      program === 'chronyc' && args.join(' ') === '-c tracking' ? machine.chronyc : undefined,
    read: async (path) => (path === RTC ? machine.rtc : undefined),
    touchedMs: async (path) => (path === MARK ? machine.touchedMs : undefined),
    wallMs: () => machine.wallMs ?? NOW,
  };
}

describe('where wall time comes from', () => {
  test('chrony that follows a server is ntp, with half the delay, the dispersion and the offset as error', async () => {
    // 0.123 ms + 0.6 ms + 4.5 ms, rounded up.
    expect(await probeClock(senses({ chronyc: `${NTP}\n` }))).toEqual({ src: 'ntp', err_ms: 6 });
    expect(await probeClock(senses({ chronyc: LEAP }))).toEqual({ src: 'ntp', err_ms: 6 });
  });

  test('chrony that follows a satellite receiver is gps', async () => {
    expect(await probeClock(senses({ chronyc: PPS }))).toEqual({ src: 'gps', err_ms: 1 });
  });

  test('chrony that follows nothing, or its own clock, proves nothing', async () => {
    expect(parseTracking(UNSYNCHRONISED)).toMatchObject({ ok: false, reason: 'unsynchronised' });
    expect(parseTracking(LOCAL)).toMatchObject({ ok: false, reason: 'unsynchronised' });
    expect(await probeClock(senses({ chronyc: LOCAL }))).toEqual({ src: 'none' });
    expect(await probeClock(senses({ chronyc: UNSYNCHRONISED, rtc: '1\n' }))).toEqual({ src: 'rtc' });
  });

  test('what is not a tracking line is refused', () => {
    for (const text of ['', '506 Cannot talk to daemon', NTP.replace(',64.0', ''), NTP.replace('C0A80101', 'x')]) {
      expect(parseTracking(text)).toMatchObject({ ok: false, reason: 'tracking' });
    }
  });

  test('a fresh mark of timesyncd is ntp with an unknown error; an old one or one from the future is not', async () => {
    expect(await probeClock(senses({ touchedMs: NOW - 2_000_000 }))).toEqual({ src: 'ntp' });
    expect(await probeClock(senses({ touchedMs: NOW - 7_000_000 }))).toEqual({ src: 'none' });
    expect(await probeClock(senses({ touchedMs: NOW + 3_600_000 }))).toEqual({ src: 'none' });
  });

  test('the hardware clock counts when it set the system clock to a plausible time', async () => {
    expect(await probeClock(senses({ rtc: '1\n' }))).toEqual({ src: 'rtc' });
    expect(await probeClock(senses({ rtc: '0\n' }))).toEqual({ src: 'none' });
    expect(await probeClock(senses({ rtc: '1\n', wallMs: 0 }))).toEqual({ src: 'none' });
  });

  test('a machine that says nothing has no source', async () => {
    expect(await probeClock(senses({}))).toEqual({ src: 'none' });
  });

  test('this machine is asked without a throw, and a program that is not there is no answer', async () => {
    const machine = machineSenses(() => Date.now());
    expect(await machine.run('/nowhere/chronyc', [])).toBeUndefined();
    expect(['none', 'rtc', 'ntp', 'gps']).toContain((await probeClock(machine)).src);
  });

  test('20000 mutated tracking lines: no throw, a claim within its bounds or a reason, all of them reached', () => {
    const random = new Random(14);
    const lines = [NTP, LEAP, PPS, UNSYNCHRONISED, LOCAL].map(utf8);
    const reached = new Set<string>();
    for (let round = 0; round < 20_000; round += 1) {
      const text = utf8Text(mutate(random, lines[random.below(lines.length)] ?? new Uint8Array(), lines));
      if (text === undefined) continue;
      const parsed = parseTracking(text);
      if (!parsed.ok) reached.add(parsed.reason);
      else {
        reached.add(parsed.value.src);
        const error = parsed.value.err_ms ?? 0;
        if (!Number.isSafeInteger(error) || error < 0 || error > 86_400_000) expect.fail(text);
      }
    }
    expect([...reached].sort()).toEqual(['gps', 'ntp', 'tracking', 'unsynchronised']);
  });
});

describe('the clock source', () => {
  async function turn(scheduler: ManualScheduler, byMs: number): Promise<void> {
    scheduler.advance(byMs);
    for (let step = 0; step < 20; step += 1) await Promise.resolve();
  }

  test('claims nothing before its first look, looks every minute, and stops', async () => {
    const scheduler = new ManualScheduler();
    let chronyc: string | undefined = NTP;
    let asked = 0;
    const source = createClockSource({
      scheduler,
      logger: silentLogger,
      senses: {
        ...senses({}),
        run: async () => {
          asked += 1;
          return chronyc;
        },
      },
    });
    expect(source.claim()).toEqual({ src: 'none' });
    await source.start();
    expect(source.claim().src).toBe('ntp');
    chronyc = undefined;
    await turn(scheduler, REFRESH_EVERY_MS - 1);
    expect(source.claim().src).toBe('ntp');
    await turn(scheduler, 2);
    expect(source.claim().src).toBe('none');
    source.stop();
    await turn(scheduler, 10 * REFRESH_EVERY_MS);
    expect(asked).toBe(2);
    expect(scheduler.pending).toBe(0);
  });

  test('a look that hangs ends, and what it would have said is not claimed', async () => {
    const scheduler = new ManualScheduler();
    const source = createClockSource({
      scheduler,
      logger: silentLogger,
      senses: { ...senses({}), run: () => new Promise(() => undefined) },
    });
    const first = source.start();
    await turn(scheduler, 10_001);
    await first;
    expect(source.claim()).toEqual({ src: 'none' });
    source.stop();
  });

  test('an observation carries both clocks and the claim; up time counts from the observer on', async () => {
    const scheduler = new ManualScheduler(NOW);
    scheduler.advance(5_000);
    const observer = createObserver(scheduler, { claim: () => ({ src: 'ntp', err_ms: 6 }) });
    scheduler.advance(1_234.7);
    expect(observer.observe()).toEqual({ wallMs: NOW + 6_234.7, upMs: 1_234, clock: { src: 'ntp', err_ms: 6 } });
  });
});
