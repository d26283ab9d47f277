import { describe, expect, test } from 'vitest';
import { utf8, utf8Text } from '../../../src/base/bytes.ts';
import { gramsOf } from '../../../src/edge/drivers/grams.ts';
import { bytesOf, type TestLine, testLine } from './support.ts';

function weights(line: TestLine) {
  return line.readings.filter((reading) => reading.kind === 'weight');
}

function grams(line: TestLine): readonly string[] {
  return weights(line).map(({ state, grams: value }) => `${state} ${value ?? ''}`.trim());
}

function asked(line: TestLine): readonly string[] {
  return line.port.written.map((bytes) => utf8Text(bytes)?.trim() ?? '');
}

/** A scale that answers at once, by words. */
function sics(answers: (word: string, times: number) => string | undefined, settings: Record<string, unknown> = {}) {
  const device = { driver: 'mt_sics', name: 'scale', settle_ms: 0, poll_ms: 100, ...settings };
  const line = testLine({ devices: [device as never] });
  let times = 0;
  line.port.onWrite = (bytes) => {
    times += 1;
    const answer = answers(utf8Text(bytes)?.trim() ?? '', times);
    if (answer !== undefined) line.later(5, () => line.port.hear(utf8(`${answer}\r\n`)));
  };
  line.port.become('open');
  return line;
}

describe('grams', () => {
  test.each([
    ['100.00', 'g', 100],
    ['0.4', 'g', 0],
    ['0.5', 'g', 1],
    ['-0.5', 'g', -1],
    ['-0.4', 'g', 0],
    ['1.005', 'kg', 1005],
    ['1.0005', 'kg', 1001],
    ['1', 'lb', 454],
    ['2.2046', 'lb', 1000],
    ['16', 'oz', 454],
    ['0.001', 't', 1000],
    ['499', 'mg', 0],
    ['500', 'mg', 1],
    ['9999.999', 'kg', 9_999_999],
  ])('%s %s is %i g', (value, unit, expected) => {
    expect(gramsOf(value, unit)).toEqual({ ok: true, value: expected });
  });

  test('1.001 kg is 1001 g, where floating point says less', () => {
    expect(1.001 * 1_000).toBeLessThan(1_001);
    expect(gramsOf('1.001', 'kg')).toEqual({ ok: true, value: 1_001 });
  });

  test.each([
    ['1e3', 'g', 'number'],
    ['', 'g', 'number'],
    ['NaN', 'g', 'number'],
    ['1', 'PCS', 'unit'],
    ['1', '', 'unit'],
    ['10000', 'kg', 'range'],
  ])('%j %j is no weight (%s)', (value, unit, reason) => {
    expect(gramsOf(value, unit)).toMatchObject({ ok: false, reason });
  });
});

describe('an MT-SICS scale', () => {
  test('is asked for its serial number, then for weights', async () => {
    const line = sics((word) => (word === 'I4' ? 'I4 A "B021002593"' : 'S S     100.00 g'));
    await line.run(300);
    expect(asked(line).slice(0, 3)).toEqual(['I4', 'SI', 'SI']);
    expect(line.devices()).toMatchObject([
      { state: 'found', reason: 'answered', what: 'scale', identity: 'B021002593' },
    ]);
    expect(grams(line).slice(0, 2)).toEqual(['stable 100', 'stable 100']);
    const [first] = weights(line);
    expect(first?.sinceUpMs).toBeLessThan(first?.observed.upMs ?? 0);
  });

  test('says what moves, is too heavy or too light, and what is no weight', async () => {
    const answers = ['I4 A "1"', 'S D     129.07 g', 'S I', 'S +', 'S -', 'S S         12 PCS', 'ES'];
    const line = sics((_, times) => answers[times - 1] ?? 'S S       1.00 kg');
    await line.run(900);
    expect(grams(line).slice(0, 6)).toEqual(['moving 129', 'moving', 'over', 'under', 'invalid', 'stable 1000']);
  });

  test('what nobody asked for is no weight', async () => {
    const line = sics((word) => (word === 'I4' ? 'I4 A "1"' : 'S S       7.00 g'), { poll_ms: 60_000 });
    await line.run(50);
    line.port.hear(utf8('S S     100.00 g\r\n'));
    expect(grams(line)).toEqual(['stable 7']);
    expect(line.metrics.value('scale_stale', { port: 'bank' })).toBe(1);
  });

  test('an answer that is late is never taken for the next one', async () => {
    let silent = true;
    const line = sics(
      (word) => {
        if (word === 'I4') return 'I4 A "1"';
        return silent ? undefined : 'S S     777.00 g';
      },
      { reply_timeout_ms: 500, quiet_ms: 3_000 },
    );
    await line.run(1_000, 5);
    silent = false;
    // The answer of before, two seconds too late, when the next question would be open already.
    line.port.hear(utf8('S S     100.00 g\r\n'));
    await line.run(5_000, 5);
    expect(new Set(grams(line))).toEqual(new Set(['stable 777']));
  });

  test('its own echo is counted and no weight', async () => {
    const line = sics(() => undefined);
    await line.run(1);
    line.port.hear(utf8('SI\r\n'));
    expect(weights(line)).toEqual([]);
    expect(line.metrics.value('line_echoes', { port: 'bank' })).toBe(1);
  });

  test('a line that lost its ending is no weight', async () => {
    const line = sics((word) => (word === 'I4' ? 'I4 A "1"' : 'S S     100.S S     200.00 g'));
    await line.run(300);
    expect(weights(line)).toEqual([]);
  });

  test('is lost after three questions without an answer, and found when it answers again', async () => {
    let answers = false;
    const line = sics((word) => (answers ? (word === 'I4' ? 'I4 A "1"' : 'S S       5.00 g') : undefined), {
      quiet_ms: 100,
    });
    await line.run(3_500, 5);
    expect(line.devices()).toMatchObject([{ state: 'lost', reason: 'no_reply' }]);
    answers = true;
    await line.run(2_000, 5);
    expect(line.devices().at(-1)).toMatchObject({ state: 'found' });
  });

  test('a stream is asked for once, and again when it stops', async () => {
    const line = sics((word) => (word === 'I4' ? 'I4 A "1"' : undefined), { mode: 'sir', quiet_ms: 200 });
    await line.run(200);
    for (let i = 0; i < 20; i += 1) {
      line.port.hear(utf8('S S     100.00 g\r\n'));
      await line.run(100, 5);
    }
    expect(asked(line)).toEqual(['I4', 'SIR']);
    const last = weights(line).at(-1);
    expect((last?.observed.upMs ?? 0) - (last?.sinceUpMs ?? 0)).toBe(1_000);
    await line.run(1_500, 5);
    expect(asked(line)).toEqual(['I4', 'SIR', 'SIR']);
  });

  test('a change that is said once is asked for again', async () => {
    const line = sics(
      (word) => {
        if (word === 'I4') return 'I4 A "1"';
        return 'S S     100.00 g';
      },
      { mode: 'sr' },
    );
    await line.run(1_000, 5);
    expect(asked(line)).toEqual(['I4', 'SR', 'SR']);
    expect(grams(line)).toEqual(['stable 100', 'stable 100']);
    line.port.hear(utf8('S S     350.00 g\r\n'));
    await line.run(100);
    expect(asked(line)).toHaveLength(4);
  });
});

/** Status word B by the manual: bit 5 is always set. */
const KG = 0x30;

function toledo(statusA: number, statusB: number, digits: string, statusC = 0x20): Uint8Array {
  const body = [0x02, statusA, statusB, statusC, ...utf8(digits), ...utf8('000000'), 0x0d];
  const sum = body.reduce((total, byte) => total + (byte & 0x7f), 0);
  return Uint8Array.of(...body, (128 - (sum % 128)) % 128);
}

function toledoBench(settings: Record<string, unknown> = {}): TestLine {
  const line = testLine({
    devices: [{ driver: 'toledo_continuous', name: 'scale', settle_ms: 0, ...settings } as never],
  });
  line.port.become('open');
  return line;
}

describe('a Toledo scale', () => {
  test.each([
    ['kg, one decimal', toledo(0x2b, KG, '001250'), 'stable 125000'],
    ['moving', toledo(0x2b, KG | 0x08, '001250'), 'moving 125000'],
    ['over range', toledo(0x2b, KG | 0x04, '001250'), 'over'],
    ['under range', toledo(0x2b, KG | 0x06, '001250'), 'under'],
    ['negative', toledo(0x2d, KG | 0x02, '000500'), 'stable -500'],
    ['pounds', toledo(0x2c, 0x20, '000100'), 'stable 454'],
    ['not zeroed since it was switched on', toledo(0x2b, KG | 0x40, '001250'), 'invalid'],
    ['grams by word C', toledo(0x2a, KG, '000750', 0x21), 'stable 750'],
    ['tens of kilograms, which sources write in two ways', toledo(0x29, KG, '000012'), 'invalid'],
    ['leading spaces', toledo(0x2d, KG, '  1250'), 'stable 1250'],
  ])('%s', async (_, frame, expected) => {
    const line = toledoBench();
    await line.run(1);
    line.port.hear(frame);
    expect(grams(line)).toEqual([expected]);
  });

  test('a frame with a wrong sum is no weight', async () => {
    const line = toledoBench();
    await line.run(1);
    const frame = bytesOf('02 2B 30 20 30 30 31 32 35 30 30 30 30 30 30 30 0D 2E');
    frame[6] = 0x33;
    line.port.hear(frame);
    expect(weights(line)).toEqual([]);
    expect(line.metrics.value('line_checksum_errors', { port: 'bank' })).toBe(1);
  });

  test('without a checksum the shape alone decides', async () => {
    const line = toledoBench({ checksum: false });
    await line.run(1);
    line.port.hear(toledo(0x2b, KG, '001250').slice(0, 17));
    line.port.hear(toledo(0x2b, KG, '00x250').slice(0, 17));
    expect(grams(line)).toEqual(['stable 125000']);
  });

  test('is lost when it says nothing, and never written to', async () => {
    const line = toledoBench();
    await line.run(1);
    line.port.hear(toledo(0x2b, KG, '001250'));
    await line.run(3_100, 10);
    expect(line.devices().map(({ state }) => state)).toEqual(['found', 'lost']);
    expect(line.port.written).toEqual([]);
  });
});
