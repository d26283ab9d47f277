import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { concatBytes, equalBytes, utf8 } from '../../../src/base/bytes.ts';
import { readText } from '../../../src/edge/drivers/text-scanner/read-text.ts';
import { scannerSettings, type TextFraming, textFraming } from '../../../src/edge/drivers/text-scanner/settings.ts';
import { type TextCut, TextCutter } from '../../../src/edge/drivers/text-scanner/text-cutter.ts';
import { mutate, Random } from '../../support/mutate.ts';
import { type TestLine, testLine } from './support.ts';

const SSCC = ']C100340123450000000017';
const S10 = 'RB123456785GB';
const SCANNER = { driver: 'text_scanner', name: 'scanner-1', settle_ms: 0 } as const;

function bench(settings: Record<string, unknown> = {}): TestLine {
  const line = testLine({ devices: [{ ...SCANNER, ...settings } as never] });
  line.port.become('open');
  return line;
}

function texts(line: TestLine): readonly string[] {
  return line
    .scans()
    .map((scan) => `${scan.quarantined === undefined ? '' : `${scan.quarantined}: `}${scan.code.text}`);
}

function count(line: TestLine, what: string): number {
  return line.metrics.value(what, { port: 'bank' });
}

describe('a text scanner', () => {
  test('reports a scan with its AIM identifier and what it may be', () => {
    const line = bench({ aim: true });
    line.port.hear(utf8(`${SSCC}\r`));
    expect(line.scans()).toHaveLength(1);
    const [scan] = line.scans();
    expect(scan).toMatchObject({
      device: 'scanner-1',
      suppressed: 0,
      code: { aim: ']C1', text: '00340123450000000017' },
    });
    expect(scan?.code.identifiers).toEqual([{ scheme: 'sscc', value: '340123450000000017', certainty: 'check_digit' }]);
    expect(scan?.quarantined).toBeUndefined();
  });

  test('FNC1 separators inside a code are kept', () => {
    const line = bench({ aim: true });
    line.port.hear(utf8(`]C100340123450000000017400ORDER77\x1d42053100\r`));
    expect(line.scans()[0]?.code.elements).toEqual([
      { ai: '00', value: '340123450000000017' },
      { ai: '400', value: 'ORDER77' },
      { ai: '420', value: '53100' },
    ]);
  });

  test.each([
    ['cr', '\r'],
    ['cr', '\r\n'],
    ['lf', '\n'],
    ['lf', '\r\n'],
    ['crlf', '\r\n'],
    ['tab', '\t'],
    ['etx', '\x03'],
  ])('suffix %s ends a scan at %j', (suffix, ending) => {
    const line = bench({ suffix });
    line.port.hear(utf8(`${S10}${ending}123456789${ending}`));
    expect(texts(line)).toEqual([S10, '123456789']);
    expect(count(line, 'line_noise_bytes')).toBe(0);
  });

  test('without a suffix silence ends a scan, and the scan is whole', async () => {
    const line = bench({ suffix: 'none', idle_gap_ms: 50 });
    line.port.hear(utf8('RB1234'));
    await line.run(40);
    line.port.hear(utf8('56785GB'));
    await line.run(49);
    expect(line.scans()).toEqual([]);
    await line.run(2);
    expect(texts(line)).toEqual([S10]);
    // Observed when its last byte came, not when silence proved it.
    expect(line.scans()[0]?.observed.upMs).toBe(40);
  });

  test('a scan whose suffix was lost is incomplete and names nothing', async () => {
    const line = bench();
    line.port.hear(utf8(S10));
    await line.run(400);
    line.port.hear(utf8('RB123456785GB\r'));
    expect(texts(line)).toEqual([`incomplete: ${S10}`, S10]);
    expect(line.scans()[0]?.code.identifiers).toEqual([]);
    expect(line.scans()[1]?.code.identifiers).not.toEqual([]);
  });

  test('two scans glued by a lost suffix are quarantined whole, known by the second AIM identifier or prefix', () => {
    const aim = bench({ aim: true });
    aim.port.hear(utf8(`${SSCC}]C100340123450000000024\r`));
    expect(texts(aim)).toEqual(['glued: 00340123450000000017]C100340123450000000024']);
    expect(aim.scans()[0]?.code.identifiers).toEqual([]);
    expect(aim.scans()[0]?.code.elements).toBeUndefined();
    const prefixed = bench({ prefix: '\x02', suffix: 'etx' });
    prefixed.port.hear(utf8(`\x02${S10}\x02RR473124829CN\x03`));
    expect(texts(prefixed)).toEqual([`glued: ${S10}\x02RR473124829CN`.replace('\x02', '\x02')]);
  });

  test('a scan that lost its beginning is incomplete', () => {
    const aim = bench({ aim: true });
    aim.port.hear(utf8('0340123450000000017\r'));
    expect(texts(aim)).toEqual(['incomplete: 0340123450000000017']);
    const prefixed = bench({ prefix: '%%' });
    prefixed.port.hear(utf8(`%${S10}\r`));
    expect(texts(prefixed)).toEqual([`incomplete: %${S10}`]);
  });

  test('what stands before the prefix is noise', () => {
    const line = bench({ prefix: '%%' });
    line.port.hear(utf8(`45GB%%${S10}\r`));
    expect(texts(line)).toEqual([S10]);
    expect(count(line, 'line_noise_bytes')).toBe(4);
  });

  test('no-read texts never become a code; heartbeats become nothing', () => {
    const line = bench({ no_read: ['NR', '?'], heartbeats: ['ALIVE'] });
    line.port.hear(utf8('NR\rALIVE\r?\rNRX1\r'));
    expect(texts(line)).toEqual(['no_read: NR', 'no_read: ?', 'NRX1']);
    expect(line.scans()[0]?.code.identifiers).toEqual([]);
    const aim = bench({ aim: true });
    aim.port.hear(utf8(']X0NOREAD\r'));
    expect(texts(aim)).toEqual(['no_read: NOREAD']);
  });

  test('equal scans within the window are counted, not reported; others in between are not equal', async () => {
    const line = bench({ debounce_ms: 5_000 });
    for (let times = 0; times < 4; times += 1) {
      line.port.hear(utf8(`${S10}\r`));
      await line.run(1_000);
    }
    line.port.hear(utf8('RR473124829CN\r'));
    line.port.hear(utf8(`${S10}\r`));
    expect(line.scans().map((scan) => [scan.code.text, scan.suppressed])).toEqual([
      [S10, 0],
      ['RR473124829CN', 3],
      [S10, 0],
    ]);
    await line.run(5_001);
    line.port.hear(utf8(`${S10}\r`));
    expect(line.scans()).toHaveLength(4);
    expect(count(line, 'scans_suppressed')).toBe(3);
  });

  test('a text longer than allowed is handed on cut, once, and the rest is skipped to the suffix', () => {
    const line = bench({ length_max: 16 });
    line.port.hear(utf8(`${'A'.repeat(500)}\r${S10}\r`));
    expect(line.scans()[0]?.quarantined).toBe('too_long');
    expect(line.scans()[0]?.code.raw.length).toBeLessThanOrEqual(19);
    expect(texts(line).at(-1)).toBe(S10);
    expect(line.scans()).toHaveLength(2);
  });

  test('bytes that are not UTF-8 are kept raw', () => {
    const line = bench();
    line.port.hear(Uint8Array.of(0x41, 0x42, 0xc3, 0x28, 0xff, 0x43, 0x0d));
    const [scan] = line.scans();
    expect(scan?.code.text).toBeUndefined();
    expect(equalBytes(scan?.code.raw ?? new Uint8Array(), Uint8Array.of(0x41, 0x42, 0xc3, 0x28, 0xff, 0x43))).toBe(
      true,
    );
  });

  test('a text with control bytes is noise, unless codes may be binary', () => {
    const plain = bench();
    plain.port.hear(Uint8Array.of(0x41, 0x01, 0x42, 0x43, 0x44, 0x0d));
    expect(plain.scans()).toEqual([]);
    expect(count(plain, 'line_noise_bytes')).toBe(5);
    const binary = bench({ binary: true });
    binary.port.hear(Uint8Array.of(0x41, 0x01, 0x42, 0x43, 0x44, 0x0d));
    expect(binary.scans()).toHaveLength(1);
  });

  test('an open port finds the scanner after the settling time, in which waiting bytes are discarded', async () => {
    const line = testLine({ devices: [{ ...SCANNER, settle_ms: 50 }] });
    line.port.become('open');
    line.port.hear(utf8('old scan\r'));
    expect(line.devices()).toEqual([]);
    await line.run(60);
    line.port.hear(utf8(`${S10}\r`));
    line.port.become('lost');
    line.port.become('open');
    await line.run(60);
    expect(line.devices().map((reading) => `${reading.state} ${reading.reason}`)).toEqual([
      'found port_open',
      'lost port_lost',
      'found port_open',
    ]);
    expect(texts(line)).toEqual([S10]);
    expect(count(line, 'line_noise_bytes')).toBe(9);
  });

  test('half a scan before an unplug is not joined with what comes after it', async () => {
    const line = bench();
    line.port.hear(utf8('RB1234'));
    line.port.become('lost');
    line.port.become('open');
    line.port.hear(utf8('56785GB\r'));
    await line.run(1_000);
    expect(texts(line)).toEqual(['56785GB']);
  });

  test('a scanner that sends heartbeats has its port reopened when they cease', async () => {
    const line = bench({ heartbeats: ['ALIVE'], reopen_after_s: 10 });
    for (let time = 0; time < 30; time += 5) {
      await line.run(5_000, 100);
      line.port.hear(utf8('ALIVE\r'));
    }
    expect(line.port.reopened).toEqual([]);
    await line.run(10_500, 100);
    expect(line.port.reopened).toHaveLength(1);
  });

  test('an hour of noise is bounded in memory and in readings, and counted', async () => {
    const random = new Random(3_600);
    const line = bench();
    let bytes = 0;
    for (let second = 0; second < 3_600; second += 1) {
      const chunk = random.bytes(960).filter((byte) => byte !== 0x0d);
      bytes += chunk.length;
      line.port.hear(chunk);
      await line.run(1_000, 1_000);
    }
    // Silence between the bursts ends texts; nearly all hold control bytes and are noise.
    expect(line.scans().length).toBeLessThan(3_600 / 5 + 1);
    expect(count(line, 'line_bytes')).toBe(bytes);
    expect(count(line, 'line_noise_bytes')).toBeGreaterThan(bytes * 0.7);
    expect(line.lines().length).toBeGreaterThan(55);
    expect(line.lines().length).toBeLessThanOrEqual(60);
  });

  test('noise with terminators floods nothing either', async () => {
    const random = new Random(960);
    const line = bench();
    for (let second = 0; second < 600; second += 1) {
      line.port.hear(random.bytes(960));
      await line.run(1_000, 1_000);
    }
    expect(line.scans().length).toBeLessThan(600);
    expect(line.scans().every((scan) => scan.code.identifiers.every((each) => each.certainty === 'pattern'))).toBe(
      true,
    );
  });
});

describe('text framing', () => {
  const framings: readonly TextFraming[] = [
    {},
    { aim: true },
    { suffix: 'crlf', aim: true, prefix: '%%' },
    { suffix: 'lf', length_max: 24 },
    { suffix: 'etx', prefix: '\x02', binary: true },
    { suffix: 'none', length_max: 24 },
  ].map((settings) => textFraming(scannerSettings.parse({ driver: 'text_scanner', name: 's', ...settings })));

  function cut(framing: TextFraming, chunks: readonly Uint8Array[]): { texts: string[]; skipped: number } {
    const cutter = new TextCutter(framing);
    const cuts = [...chunks.flatMap((chunk) => cutter.push(chunk)), ...cutter.silence()];
    const found: string[] = [];
    let skipped = 0;
    for (const each of cuts) {
      if (each.kind === 'skipped') skipped += each.sizeBytes;
      else found.push(`${each.kind} ${each.kind === 'text' ? each.ended : ''} ${[...each.bytes].join(',')}`);
    }
    return { texts: found, skipped };
  }

  test('how the line cuts the bytes changes nothing', () => {
    const byte = fc.oneof(fc.constantFrom(0x0d, 0x0a, 0x02, 0x03, 0x09, 0x25, 0x5d, 0x43, 0x31), fc.nat(255));
    let found = 0;
    fc.assert(
      fc.property(
        fc.constantFrom(...framings),
        fc.array(byte, { maxLength: 120 }),
        fc.array(fc.nat(12), { maxLength: 30 }),
        (framing, content, sizes) => {
          const wire = Uint8Array.from(content);
          const whole = cut(framing, [wire]);
          found += whole.texts.length;
          const chunks: Uint8Array[] = [];
          let at = 0;
          for (const size of sizes) {
            chunks.push(wire.subarray(at, at + size));
            at += size;
          }
          expect(cut(framing, [...chunks, wire.subarray(at)])).toEqual(whole);
        },
      ),
      { numRuns: 1_000 },
    );
    expect(found).toBeGreaterThan(500);
  });

  test('100000 mutated inputs: no throw, nothing grows, every way to end is reached', () => {
    const random = new Random(35);
    const valid = [
      SSCC,
      `%%${SSCC}`,
      S10,
      `\x02${S10}\x03`,
      'NR',
      'NOREAD',
      `${SSCC}\r${SSCC}`,
      'ÄÖ-12345',
      'x'.repeat(40),
    ];
    const wires = valid.flatMap((text) => [utf8(`${text}\r`), utf8(`${text}\r\n`), utf8(text)]);
    const cutters = framings.map((framing) => ({ framing, cutter: new TextCutter(framing) }));
    const reached = new Set<string>();
    for (let round = 0; round < 100_000; round += 1) {
      const { framing, cutter } = cutters[round % cutters.length] ?? { framing: framings[0], cutter: undefined };
      if (cutter === undefined || framing === undefined) throw new Error('no cutter');
      const input = mutate(random, wires[random.below(wires.length)] ?? new Uint8Array(), wires);
      const cuts: TextCut[] = [...cutter.push(input)];
      if (random.below(3) === 0) cuts.push(...cutter.silence());
      if (cutter.heldBytes > framing.lengthMax + 16) expect.fail(`${cutter.heldBytes} bytes held`);
      for (const each of cuts) {
        if (each.kind === 'skipped') reached.add('skipped');
        else {
          const read = readText(each, framing);
          reached.add(read.kind === 'scan' ? `scan ${read.quarantined ?? 'sound'}` : read.kind);
          if (read.kind === 'scan' && read.raw.length > framing.lengthMax + 16) expect.fail('a scan beyond its limit');
        }
      }
    }
    expect([...reached].sort()).toEqual([
      'noise',
      'scan glued',
      'scan incomplete',
      'scan no_read',
      'scan sound',
      'scan too_long',
      'skipped',
    ]);
  });

  test('what is pushed comes out: texts, suffixes and skipped bytes make up the input', () => {
    const framing = framings[3];
    if (framing === undefined) throw new Error('no framing');
    const wire = concatBytes(utf8('abc\n'), utf8('y'.repeat(100)), utf8('\n'), utf8('tail'));
    const { texts: found, skipped } = cut(framing, [wire]);
    const bytes = found.reduce((total, text) => total + (text.split(' ')[2] ?? '').split(',').length, 0);
    expect(bytes + skipped + 1).toBe(wire.length);
  });
});
