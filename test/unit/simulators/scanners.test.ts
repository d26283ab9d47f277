import { describe, expect, test } from 'vitest';
import {
  code128,
  GS,
  gs1CheckDigit,
  gs1128,
  s10,
  s10CheckDigit,
  sscc,
  ssccLabel,
  upsCheckDigit,
} from '../../../simulators/scanners/codes.ts';
import { noReadEmission, type ScannerSettings, scanEmission } from '../../../simulators/scanners/text-scanner.ts';
import { utf8Text } from '../../../src/base/bytes.ts';

const scanner: ScannerSettings = { name: 'desk', prefix: '', suffix: '\r\n', aim: true };
const sent = (settings: ScannerSettings, label: Parameters<typeof scanEmission>[1]): string =>
  utf8Text(scanEmission(settings, label).bytes) ?? '';

describe('labels', () => {
  test('GS1 check digits are those of the published examples (SSCC, GTIN, GLN)', () => {
    for (const whole of ['340123450000000017', '09506000134352', '4012345000009']) {
      expect(gs1CheckDigit(whole.slice(0, -1))).toBe(whole.slice(-1));
    }
    expect(sscc(1)).toHaveLength(18);
    expect(sscc(1)).not.toBe(sscc(2));
  });

  test('S10 check digits are those of the published examples', () => {
    expect(s10CheckDigit('47312482')).toBe('9');
    expect(s10(12_345_678)).toBe('RB123456785GB');
  });

  test('UPS check digits are those of the published samples', () => {
    for (const whole of ['1Z5R89390357567127', '1Z879E930346834440', '1Z410E7W0392751591', '1ZXX3150YW44070023']) {
      expect(upsCheckDigit(whole.slice(2, -1))).toBe(whole.slice(-1));
    }
    expect(upsCheckDigit('111111111111111')).not.toBe('1');
  });
});

describe('a text scanner', () => {
  test('sends a shipping label as the syntax engine prints it', () => {
    expect(sent(scanner, ssccLabel('340123450000000017'))).toBe(']C100340123450000000017\r\n');
  });

  test('separates what has no fixed length, but not at the end', () => {
    const label = gs1128(
      { ai: '00', value: '340123450000000017' },
      { ai: '400', value: 'ORDER77', variable: true },
      { ai: '420', value: '53100', variable: true },
    );
    expect(sent(scanner, label)).toBe(`]C100340123450000000017400ORDER77${GS}42053100\r\n`);
  });

  test('speaks by its settings', () => {
    const plain = { ...scanner, prefix: '\u0002', suffix: '\u0003', aim: false };
    expect(sent(plain, code128('ABC123'))).toBe('\u0002ABC123\u0003');
    expect(scanEmission(plain, code128('ABC123')).suffixBytes).toBe(1);
    expect(noReadEmission(scanner)).toBeUndefined();
    expect(utf8Text(noReadEmission({ ...scanner, noRead: 'NR' })?.bytes ?? Uint8Array.of())).toBe('NR\r\n');
  });
});
