import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { utf8 } from '../../../src/base/bytes.ts';
import type { PositionReading } from '../../../src/edge/contracts/reading.ts';
import { parseSentence, positionIn, sentenceChecksum } from '../../../src/edge/drivers/nmea/sentence.ts';
import { type TestLine, testLine } from './support.ts';

interface Log {
  readonly source: string;
  readonly fixes: number;
  readonly sentences: readonly string[];
}

const file = new URL('../../vectors/nmea-logs.json', import.meta.url);
const { logs } = JSON.parse(readFileSync(file, 'utf8')) as { readonly logs: readonly Log[] };

function bench(): TestLine {
  const line = testLine({ devices: [{ driver: 'nmea', name: 'gps', settle_ms: 0 } as never] });
  line.port.become('open');
  return line;
}

function positions(line: TestLine): readonly PositionReading[] {
  return line.readings.filter((reading) => reading.kind === 'position');
}

function sentence(text: string): string {
  return `$${text}*${sentenceChecksum(text).toString(16).padStart(2, '0').toUpperCase()}\r\n`;
}

/** Degrees by another way: floating point, as the standard's prose says it. */
function degrees(text: string, digits: number, side: string): number {
  const value = Number(text.slice(0, digits)) + Number(text.slice(digits)) / 60;
  return side === 'S' || side === 'W' ? -value : value;
}

describe('logs of real receivers', () => {
  test.each(logs)('$source: every sentence is sound', ({ sentences }) => {
    for (const text of sentences) expect(parseSentence(text)).toMatchObject({ ok: true });
  });

  test.each(logs)('$source: as many fixes as moments with one, each where the receiver says', async (log) => {
    const line = bench();
    await line.run(1);
    for (const text of log.sentences) line.port.hear(utf8(`${text}\r\n`));
    await line.run(500);
    const fixes = positions(line).flatMap(({ fix }) => (fix === undefined ? [] : [fix]));
    expect(fixes).toHaveLength(log.fixes);
    const spoken = log.sentences.filter((text) => text.slice(3, 6) === 'GGA' && !text.includes(',,,,,0,'));
    for (const [i, fix] of fixes.entries()) {
      const [, , lat = '', ns = '', lon = '', ew = ''] = spoken[i]?.split(',') ?? [];
      expect(fix.latitude / 1e6).toBeCloseTo(degrees(lat, 2, ns), 6);
      expect(fix.longitude / 1e6).toBeCloseTo(degrees(lon, 3, ew), 6);
    }
  });

  test('dates and times of a log are those that it prints', () => {
    const said = logs[0]?.sentences
      .map((text) => parseSentence(text))
      .find((one) => one.ok && one.value.type === 'RMC');
    if (said?.ok !== true) throw new Error('no RMC');
    expect(positionIn(said.value)?.wallMs).toBe(Date.UTC(2020, 0, 14, 19, 59, 59));
  });
});

describe('a position receiver', () => {
  const RMC = 'GPRMC,123519,A,4807.038,N,01131.000,E,022.4,084.4,230394,003.1,W';
  const GGA = 'GPGGA,123519,4807.038,N,01131.000,E,1,08,0.9,545.4,M,46.9,M,,';

  test('RMC and GGA of one moment are one position, with time and accuracy', async () => {
    const line = bench();
    await line.run(1);
    line.port.hear(utf8(sentence(RMC) + sentence(GGA)));
    await line.run(500);
    expect(positions(line)).toMatchObject([
      {
        fix: { latitude: 48_117_300, longitude: 11_516_667, accuracyM: 5, wallMs: Date.UTC(1994, 2, 23, 12, 35, 19) },
      },
    ]);
    expect(line.devices()).toMatchObject([{ state: 'found', reason: 'heard', what: 'sensor' }]);
  });

  test('a day that no calendar has is no time, and not one of the next month', () => {
    const timeOf = (date: string): number | undefined => {
      const said = parseSentence(sentence(RMC.replace('230394', date)).trim());
      return said.ok ? positionIn(said.value)?.wallMs : Number.NaN;
    };
    expect(timeOf('030326')).toBe(Date.UTC(2026, 2, 3, 12, 35, 19));
    expect(timeOf('310226')).toBeUndefined();
    expect(timeOf('290224')).toBe(Date.UTC(2024, 1, 29, 12, 35, 19));
  });

  test.each([
    ['south and west', 'GNRMC,000001,A,3351.400,S,07040.250,W,0,0,010125,,,A', -33_856_667, -70_670_833],
    ['on the equator', 'GLRMC,000002,A,0000.000,S,00000.000,W,0,0,010125,,,A', 0, 0],
    ['eight decimals', 'GARMC,000003,A,1541.31258893,N,05130.51204125,W,0,0,010125,,,D', 15_688_543, -51_508_534],
  ])('%s, of any talker', async (_, text, latitude, longitude) => {
    const line = bench();
    await line.run(1);
    line.port.hear(utf8(sentence(text)));
    await line.run(500);
    expect(positions(line)[0]?.fix).toMatchObject({ latitude, longitude });
  });

  test.each([
    ['a void one', 'GPRMC,123519,V,4807.038,N,01131.000,E,,,230394,,'],
    ['an estimated one', 'GPRMC,123519,A,4807.038,N,01131.000,E,0,0,230394,,,E'],
    ['a simulated one', 'GPGGA,123519,4807.038,N,01131.000,E,8,08,0.9,545.4,M,46.9,M,,'],
    ['one that lost its fix', 'GPGGA,123519,,,,,0,00,99.99,,,,,,'],
  ])('%s is no fix', async (_, text) => {
    const line = bench();
    await line.run(1);
    line.port.hear(utf8(sentence(text)));
    await line.run(500);
    expect(positions(line)).toHaveLength(1);
    expect(positions(line)[0]?.fix).toBeUndefined();
  });

  test.each([
    ['no checksum', `$${RMC}\r\n`],
    ['a wrong checksum', `$${RMC}*00\r\n`],
    ['91 degrees', sentence(RMC.replace('4807.038', '9107.038'))],
    ['60 minutes', sentence(RMC.replace('4807.038', '4860.000'))],
    ['a third side', sentence(RMC.replace(',N,', ',X,'))],
    ['a time that is none', sentence(RMC.replace('123519', '996199'))],
    ['empty coordinates under a valid status', sentence('GPRMC,123519,A,,,,,022.4,084.4,230394,,')],
  ])('%s is no position at all', async (_, text) => {
    const line = bench();
    await line.run(1);
    line.port.hear(utf8(text));
    await line.run(500);
    expect(positions(line)).toEqual([]);
  });

  test('two sentences that put it in two places are no fix', async () => {
    const line = bench();
    await line.run(1);
    line.port.hear(utf8(sentence(RMC) + sentence(GGA.replace('4807.038', '4808.038'))));
    await line.run(500);
    expect(positions(line)[0]?.fix).toBeUndefined();
  });

  test('a moment that comes again and again is told once', async () => {
    const line = bench();
    await line.run(1);
    for (let i = 0; i < 10; i += 1) {
      line.port.hear(utf8(sentence(RMC) + sentence(GGA)));
      await line.run(1_000, 10);
    }
    expect(positions(line)).toHaveLength(1);
  });

  test('a sentence with bytes of another in it is none, and the next one is read', async () => {
    const line = bench();
    await line.run(1);
    line.port.hear(utf8(`$GPRMC,1235${sentence(RMC)}${sentence(GGA)}`));
    await line.run(500);
    expect(positions(line)).toHaveLength(1);
    expect(positions(line)[0]?.fix?.accuracyM).toBe(5);
  });

  test('silence is a loss', async () => {
    const line = bench();
    await line.run(1);
    line.port.hear(utf8(sentence(RMC)));
    await line.run(11_000, 50);
    expect(line.devices().map(({ state }) => state)).toEqual(['found', 'lost']);
  });
});
