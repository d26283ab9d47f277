import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { utf8 } from '../../../src/base/bytes.ts';
import { scannerSettings } from '../../../src/edge/drivers/text-scanner/settings.ts';
import { hexOf, type TestLine, testLine } from './support.ts';

function bench(settings: Record<string, unknown>): TestLine {
  const line = testLine({ devices: [{ driver: 'text_scanner', name: 'desk', settle_ms: 0, ...settings } as never] });
  line.port.become('open');
  return line;
}

const ASKED: readonly (readonly [string, string, string, string])[] = [
  [
    'honeywell',
    '16 4D 0D 52 45 56 49 4E 46 2E',
    'Product Name: Xenon\r\nSerial: 123\r\nREVINF\x06.',
    'Product Name: Xenon Serial: 123',
  ],
  ['datalogic', '69', '\x01\x02Magellan 9800i 610016\x03\x04', 'Magellan 9800i 610016'],
  [
    'newland',
    '7E 01 30 30 30 30 23 51 52 59 53 59 53 3B 03',
    '\x02\x010000#QRYSYSNLS-EM3096 V1.2\x06;\x03',
    'NLS-EM3096 V1.2',
  ],
  ['opticon', '1B 5A 31 0D', 'NLVV1006\r', 'NLVV1006'],
];

describe('the question who a scanner is', () => {
  test.each(ASKED)('%s', (make, question, answer, identity) => {
    const line = bench({ make, identify: true });
    expect(line.port.written.map(hexOf)).toEqual([question]);
    for (const byte of utf8(answer)) line.port.hear(Uint8Array.of(byte));
    expect(line.devices()).toMatchObject([{ state: 'found', reason: 'answered', what: 'scanner', identity }]);
    expect(line.scans()).toEqual([]);
    line.port.hear(utf8('RB123456785GB\r'));
    expect(line.scans()).toHaveLength(1);
  });

  test('is asked only when the settings say so', () => {
    const line = bench({ make: 'honeywell' });
    expect(line.port.written).toEqual([]);
    expect(line.devices()).toMatchObject([{ state: 'found', reason: 'port_open' }]);
  });

  test('is refused for a make that cannot be asked, and for none', () => {
    for (const make of [{ make: 'zebra' }, {}])
      expect(scannerSettings.safeParse({ driver: 'text_scanner', name: 'd', identify: true, ...make }).success).toBe(
        false,
      );
  });

  test('is given up after three tries, and what came of it is no scan', async () => {
    const line = bench({ make: 'honeywell', identify: true });
    line.port.hear(utf8('Product Name: Xe'));
    await line.run(5_000, 10);
    expect(line.port.written).toHaveLength(3);
    expect(line.devices()).toMatchObject([{ state: 'found', reason: 'port_open' }]);
    expect(line.scans()).toEqual([]);
    line.port.hear(utf8('RB123456785GB\r'));
    expect(line.scans()).toHaveLength(1);
  });

  test.each(['datalogic', 'newland', 'opticon'])('a label held before %s instead is a scan', (make) => {
    const line = bench({ make, identify: true });
    line.port.hear(utf8('RB123456785GB\r'));
    expect(line.scans()[0]?.code.identifiers[0]?.scheme).toBe('s10');
    expect(line.devices().every(({ identity }) => identity === undefined)).toBe(true);
  });
});

describe('what a make says when nothing was read', () => {
  test.each([
    ['honeywell', 'NR'],
    ['zebra', 'NR'],
    ['newland', 'NG'],
  ])('%s says %s, and it names nothing', (make, literal) => {
    const line = bench({ make, no_read: [], length_min: 1 });
    line.port.hear(utf8(`${literal}\r`));
    expect(line.scans()).toMatchObject([{ quarantined: 'no_read', code: { identifiers: [] } }]);
  });
});

interface Samples {
  readonly source: string;
  readonly scheme: string;
  readonly valid: readonly string[];
  readonly invalid: readonly string[];
}

const file = new URL('../../vectors/carrier-numbers.json', import.meta.url);
const { samples } = JSON.parse(readFileSync(file, 'utf8')) as { readonly samples: readonly Samples[] };

/** By way of the scanner, since prefix, suffix and no-read texts are taken off there. */
function schemesOf(text: string): readonly string[] {
  const line = bench({ debounce_ms: 0 });
  line.port.hear(utf8(`${text}\r\n`));
  const [scan] = line.scans();
  if (scan === undefined || scan.quarantined !== undefined) throw new Error(`not scanned: ${text}`);
  return scan.code.identifiers.map(({ scheme, certainty }) => `${scheme} ${certainty}`);
}

describe('numbers that publishers and carriers print', () => {
  test.each(samples)('$scheme by $source', ({ scheme, valid, invalid }) => {
    const sure = `${scheme} check_digit`;
    for (const text of valid) {
      const found = schemesOf(text);
      if (scheme === 'unknown') expect(found, text).toEqual([]);
      else expect(found, text).toContain(sure);
    }
    for (const text of invalid) expect(schemesOf(text), text).not.toContain(sure);
    expect(valid.length).toBeGreaterThan(0);
  });
});
