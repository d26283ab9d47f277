import { execFileSync } from 'node:child_process';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { sleep, withTimeout } from '../../../src/base/abort.ts';
import { AssertionError, assert, present } from '../../../src/base/assert.ts';
import { Backoff } from '../../../src/base/backoff.ts';
import { BoundedQueue } from '../../../src/base/bounded-queue.ts';
import {
  base64,
  base64url,
  concatBytes,
  equalBytes,
  hex,
  uint64be,
  unbase64,
  unbase64url,
  unhex,
  utf8,
  utf8Text,
} from '../../../src/base/bytes.ts';
import { wallText } from '../../../src/base/clock.ts';
import { ERRORS, explain, LatchkeyError } from '../../../src/base/errors.ts';
import { ManualScheduler } from '../../../src/base/manual-scheduler.ts';
import { MemoryMetrics } from '../../../src/base/metrics.ts';
import { readTime, timeOf, WALL_TIME_PATTERN } from '../../../src/base/wall-time.ts';

const bytes = fc.uint8Array({ maxLength: 300 });

describe('bytes', () => {
  test('each spelling goes to bytes and back, as node:buffer spells it', () => {
    fc.assert(
      fc.property(bytes, (value) => {
        const buffer = Buffer.from(value);
        expect(hex(value)).toBe(buffer.toString('hex'));
        expect(base64(value)).toBe(buffer.toString('base64'));
        expect(base64url(value)).toBe(buffer.toString('base64url'));
        expect(unhex(hex(value))).toEqual(value);
        expect(unbase64(base64(value))).toEqual(value);
        expect(unbase64url(base64url(value))).toEqual(value);
      }),
    );
  });

  // RFC 4648 section 3.5: pad bits that are not zero are another spelling of the same bytes.
  test.for(['QR==', 'QUJ=', 'QQ=', 'QQ', 'Q Q=', 'QQ==\n', '=QQ=', '-_8='])('base64 %j is refused', (text) => {
    expect(unbase64(text)).toBeUndefined();
  });

  test.for(['QR', 'QUJ', 'Q', 'QQ==', 'Q+', 'Q/'])('base64url %j is refused', (text) => {
    expect(unbase64url(text)).toBeUndefined();
  });

  test('hex in capitals or of odd length is refused', () => {
    expect(unhex('AB')).toBeUndefined();
    expect(unhex('abc')).toBeUndefined();
  });

  test('bytes that are not UTF-8 are no text, and a byte order mark is kept for the caller', () => {
    expect(utf8Text(Uint8Array.of(0xff))).toBeUndefined();
    expect(utf8Text(Uint8Array.of(0xc0, 0x80))).toBeUndefined();
    expect(utf8Text(Uint8Array.of(0xef, 0xbb, 0xbf, 0x41))).toBe('\uFEFFA');
    expect(utf8Text(utf8('Päckchen'))).toBe('Päckchen');
  });

  test('parts are joined, compared and counted', () => {
    expect(concatBytes(Uint8Array.of(1), Uint8Array.of(), Uint8Array.of(2, 3))).toEqual(Uint8Array.of(1, 2, 3));
    expect(equalBytes(Uint8Array.of(1), Uint8Array.of(1, 2))).toBe(false);
    expect(hex(uint64be(2 ** 40 + 5))).toBe('0000010000000005');
    expect(() => uint64be(-1)).toThrow(AssertionError);
  });
});

describe('time', () => {
  test('wall text is always 24 characters, as date(1) prints it', () => {
    const printed = execFileSync('date', ['-u', '-d', '@1700000000.5', '+%Y-%m-%dT%H:%M:%S.%3NZ']).toString().trim();
    expect(wallText(1_700_000_000_500)).toBe(printed);
    fc.assert(fc.property(fc.double({ noNaN: true }), (ms) => wallText(ms).length === 24));
  });

  test('each time that leaves a box is read again, as date(1) reads it', () => {
    const said = execFileSync('date', ['-u', '-d', '2024-02-29T23:59:59Z', '+%s']).toString().trim();
    expect(readTime('2024-02-29T23:59:59.000Z')).toBe(Number(said) * 1_000);
    const wallTime = new RegExp(`^${WALL_TIME_PATTERN}$`);
    fc.assert(
      fc.property(fc.integer({ min: -62_167_219_200_000, max: 253_402_300_799_999 }), (ms) => {
        expect(readTime(wallText(ms))).toBe(ms);
        expect(wallText(ms)).toMatch(wallTime);
      }),
    );
  });

  // RFC 3339 section 5.6, and its appendix B and C for leap years.
  test.for([
    '2026-02-31T09:00:00.000Z',
    '2026-02-29T09:00:00.000Z',
    '1900-02-29T09:00:00.000Z',
    '2026-04-31T09:00:00.000Z',
    '2026-00-01T09:00:00.000Z',
    '2026-13-01T09:00:00.000Z',
    '2026-01-01T24:00:00.000Z',
    '2026-01-01T09:60:00.000Z',
    '2026-01-01T09:00:60.000Z',
    '2026-01-01T09:00:00.000',
    '2026-01-01 09:00:00.000Z',
    '2026-01-01T09:00:00.000+24:00',
    '2026-01-01',
    'Jan 1 2026',
    '',
  ])('%j is no time', (text) => {
    expect(readTime(text)).toBeUndefined();
    expect(() => timeOf(text)).toThrow(AssertionError);
    expect(text).not.toMatch(new RegExp(`^${WALL_TIME_PATTERN}$`));
  });

  test.for([
    ['2000-02-29T09:00:00.000Z', Date.UTC(2000, 1, 29, 9)],
    ['1985-04-12T23:20:50.52Z', Date.UTC(1985, 3, 12, 23, 20, 50, 520)],
    ['1996-12-19T16:39:57-08:00', Date.UTC(1996, 11, 20, 0, 39, 57)],
    ['1937-01-01T12:00:27.87+00:20', Date.UTC(1937, 0, 1, 11, 40, 27, 870)],
  ] as const)('%s of RFC 3339 is a time', ([text, ms]) => {
    expect(readTime(text)).toBe(ms);
  });

  test('a manual scheduler runs what is due in order, and nothing that was cancelled', () => {
    const scheduler = new ManualScheduler(0);
    const ran: string[] = [];
    scheduler.after(20, () => ran.push(`b ${scheduler.monotonicMs()}`));
    scheduler.after(10, () => scheduler.after(5, () => ran.push(`a ${scheduler.monotonicMs()}`)));
    scheduler.after(12, () => ran.push('never')).cancel();
    scheduler.stepWall(-1_000);
    scheduler.advance(20);
    expect(ran).toEqual(['a 15', 'b 20']);
    expect([scheduler.wallMs(), scheduler.monotonicMs(), scheduler.pending]).toEqual([-980, 20, 0]);
  });

  test('a sleep ends by its signal, a wait by its limit', async () => {
    const scheduler = new ManualScheduler();
    const stop = new AbortController();
    const asleep = sleep(scheduler, 1_000, stop.signal);
    stop.abort(new Error('stop'));
    await expect(asleep).rejects.toThrow('stop');
    const waiting = withTimeout(scheduler, 50, 'the test', new Promise(() => undefined));
    scheduler.advance(50);
    await expect(waiting).rejects.toMatchObject({ code: 'TIMED_OUT' });
    expect(scheduler.pending).toBe(0);
  });

  test('back-off doubles to its ceiling with jitter, and starts over', () => {
    fc.assert(
      fc.property(fc.double({ min: 0, max: 0.999, noNaN: true }), (random) => {
        const backoff = new Backoff({ firstMs: 100, maxMs: 1_000 }, () => random);
        const steps = Array.from({ length: 40 }, () => backoff.nextMs());
        for (const [i, step] of steps.entries()) {
          const ceiling = Math.min(1_000, 100 * 2 ** i);
          expect(step).toBeGreaterThanOrEqual(ceiling / 2);
          expect(step).toBeLessThanOrEqual(ceiling);
        }
        backoff.reset();
        expect(backoff.nextMs()).toBe(steps[0]);
      }),
    );
  });
});

describe('bounds', () => {
  test('a queue keeps order, never grows past its capacity, and says when it is full', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 50 }), fc.array(fc.boolean(), { maxLength: 5_000 }), (capacity, pushes) => {
        const queue = new BoundedQueue<number>(capacity);
        const model: number[] = [];
        for (const [i, push] of pushes.entries()) {
          if (push) {
            expect(queue.push(i)).toBe(model.length < capacity);
            if (model.length < capacity) model.push(i);
          } else expect(queue.shift()).toBe(model.shift());
          expect([queue.size, queue.peek()]).toEqual([model.length, model[0]]);
        }
      }),
    );
  });

  test('a label with endless values cannot eat the memory', () => {
    const metrics = new MemoryMetrics();
    for (let i = 0; i < 5_000; i += 1) metrics.count('frames', 1, { port: String(i) });
    expect(metrics.snapshot().length).toBeLessThan(2_010);
    expect(metrics.value('metrics_series_dropped')).toBeGreaterThan(2_900);
    metrics.gauge('size', 7);
    metrics.count('frames', 2, { port: '1' });
    expect(metrics.value('frames', { port: '1' })).toBe(3);
  });
});

describe('errors', () => {
  test('a message tells what happened, the next step and the code', () => {
    const error = new LatchkeyError('PORT_BUSY', 'port bank-a: /dev/ttyUSB0 is held by another process');
    expect(explain(error)).toBe(
      'port bank-a: /dev/ttyUSB0 is held by another process. Another process holds this port; stop it first (PORT_BUSY)',
    );
    expect([error.action, error.exitCode]).toEqual(['stop', 75]);
    expect(explain(new Error('x'))).toBe('x (INTERNAL)');
  });

  test('somebody who did not answer in time is no defect', async () => {
    const signal = AbortSignal.timeout(1);
    await new Promise((resolve) => signal.addEventListener('abort', resolve));
    expect(explain(signal.reason)).toBe(
      'no answer in time. Try again; if it stays, look at the named part (TIMED_OUT)',
    );
  });

  test('every row has an exit code of the documented ones and advice', () => {
    for (const row of Object.values(ERRORS)) {
      expect([1, 2, 64, 65, 69, 70, 73, 74, 75, 77, 78]).toContain(row.exitCode);
      expect(row.advice.length).toBeGreaterThan(10);
    }
  });

  test('a broken invariant is no operational error', () => {
    expect(() => assert(false, 'x')).toThrow(AssertionError);
    expect(() => present(undefined, 'the key')).toThrow('the key is missing');
    expect(present(0, 'zero')).toBe(0);
  });
});
