/** Every frame that other hands give for scanners, scales and receivers, in both directions. */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import type { FrameCutter } from '../../../src/edge/drivers/frame-cutter.ts';
import type { DescribeFrame } from '../../../src/edge/drivers/frame-description.ts';
import { describeSics } from '../../../src/edge/drivers/mt-sics/describe.ts';
import { describeNmea } from '../../../src/edge/drivers/nmea/describe.ts';
import { describeSsi } from '../../../src/edge/drivers/ssi-scanner/describe.ts';
import { formatPacket, packetCutter, parsePacket } from '../../../src/edge/drivers/ssi-scanner/packets.ts';
import { textLineCutter } from '../../../src/edge/drivers/text-lines.ts';
import { describeToledo } from '../../../src/edge/drivers/toledo-continuous/describe.ts';
import { toledoCutter } from '../../../src/edge/drivers/toledo-continuous/frames.ts';
import { bytesOf, hexOf, summary } from './support.ts';

interface InstrumentFrame {
  readonly family: string;
  readonly name: string;
  readonly hex: string;
  readonly role: 'host' | 'device';
}

const file = new URL('../../vectors/instrument-frames.json', import.meta.url);
const { frames } = JSON.parse(readFileSync(file, 'utf8')) as { readonly frames: readonly InstrumentFrame[] };

const DESCRIBERS: Readonly<Record<string, DescribeFrame>> = {
  ssi: describeSsi,
  toledo: describeToledo,
  mt_sics: describeSics,
  nmea: describeNmea,
};

const CUTTERS: Readonly<Record<string, () => FrameCutter>> = {
  ssi: packetCutter,
  toledo: () => toledoCutter(true),
  mt_sics: () => textLineCutter(80),
  nmea: () => textLineCutter(128),
};

function described(family: string, frame: Uint8Array) {
  const describer = DESCRIBERS[family];
  if (describer === undefined) throw new Error(`no describer for ${family}`);
  return describer(frame);
}

function said(family: string, name: string) {
  const frame = frames.find((one) => one.family === family && one.name === name);
  if (frame === undefined) throw new Error(`no frame ${name}`);
  const answer = described(family, bytesOf(frame.hex));
  if (!answer.ok) throw new Error(answer.detail);
  return answer.value;
}

describe('frames of instruments by other hands', () => {
  test.each(frames)('$family "$name" is sound, and goes the way that its source says', ({ family, hex, role }) => {
    const answer = described(family, bytesOf(hex));
    expect(answer).toMatchObject({ ok: true, value: { direction: role === 'host' ? 'request' : 'reply' } });
  });

  test.each(frames)('$family "$name" is cut out of any stream whole', ({ family, hex }) => {
    const cutter = CUTTERS[family]?.();
    if (cutter === undefined) throw new Error(`no cutter for ${family}`);
    const cuts = [...bytesOf(`FF FF ${hex} ${hex}`)].flatMap((byte) => cutter.push(Uint8Array.of(byte)));
    expect(summary([...cuts, ...cutter.flush()]).frames).toEqual([hex, hex]);
  });

  test.each(frames)('$family "$name" with any bit turned says something else or nothing', ({ family, hex }) => {
    const whole = bytesOf(hex);
    const before = JSON.stringify(described(family, whole));
    for (let bit = 0; bit < whole.length * 8; bit += 1) {
      const damaged = whole.slice();
      damaged[bit >> 3] = (damaged[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      const answer = described(family, damaged);
      // Toledo's sums leave out the top bit of each byte; MT-SICS has no sums; NMEA's hex digits may be small letters.
      if (family === 'ssi') expect(answer.ok).toBe(false);
      else if (family === 'toledo' && (bit & 7) !== 7) expect(answer.ok).toBe(false);
      else if (family === 'nmea' && answer.ok) expect(JSON.stringify(answer)).toBe(before);
    }
  });

  test('packets for a scanner are written as its maker prints them', () => {
    for (const { family, role, hex } of frames.filter((one) => one.family === 'ssi')) {
      const { opcode, source, status, data } = parsePacket(bytesOf(hex));
      expect(hexOf(formatPacket(opcode, source, status, [...data])), `${family} ${role}`).toBe(hex);
    }
  });

  test('a scan names its symbology, its text, and whether its check digit holds', () => {
    const { scan } = said('ssi', 'GS1-128 with AIM, SSCC with a wrong check digit');
    expect(scan).toEqual({ symbology: 'gs1_128', text: '00340123450000000014', check_digit_ok: false });
    expect(said('ssi', 'start')).toMatchObject({ command: 'start_session', effect: 'sets' });
  });

  test('weights are told in whole grams', () => {
    expect(said('toledo', '125.0 kg gross, stable')).toMatchObject({
      command: 'weight_stable',
      registers: [{ value: '125000 g' }, { value: 'gross' }, { value: 'tare 00000.0 kg' }],
    });
    expect(said('mt_sics', 'stable')).toMatchObject({ command: 'weight_stable', registers: [{ value: '100 g' }] });
    expect(said('mt_sics', 'dynamic')).toMatchObject({ command: 'weight_moving', registers: [{ value: '129 g' }] });
    expect(said('mt_sics', 'overload').command).toBe('weight_over');
    expect(said('mt_sics', 'serial number').registers).toEqual([{ value: '0123456789' }]);
  });

  test('positions are told in degrees, and a void one is none', () => {
    expect(said('nmea', 'RMC').registers).toEqual([{ value: '48.117300' }, { value: '11.516667' }]);
    expect(said('nmea', 'GGA').registers).toEqual([{ value: '48.117300' }, { value: '11.516667' }]);
    expect(said('nmea', 'void RMC').registers).toEqual([{ value: 'no fix' }]);
  });
});
