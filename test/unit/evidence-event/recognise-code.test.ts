import fc from 'fast-check';
import { expect, test } from 'vitest';
import { utf8 } from '../../../src/base/bytes.ts';
import { recogniseCode } from '../../../src/evidence/event/recognise-code.ts';

/** Source of each: GS1 General Specifications (SSCC, GTIN), UPU S10-12, jkeen/tracking_number_data (MIT) ups.json, usps.json, s10.json. */
const VALID = [
  ['340123450000000017', 'sscc', '340123450000000017'],
  ['(00)340123450000000017', 'sscc', '340123450000000017'],
  ['00340123450000000017', 'sscc', '340123450000000017'],
  ['https://id.gs1.org/00/340123450000000017', 'sscc', '340123450000000017'],
  ['09506000134352', 'gtin', '09506000134352'],
  ['9506000134352', 'gtin', '09506000134352'],
  ['https://example.com/some/path/01/09506000134352/21/77?x=1', 'gtin', '09506000134352'],
  ['RB123456785GB', 's10', 'RB123456785GB'],
  [' R B 1 2 3 4 5 6 7 8 5 C F ', 's10', 'RB123456785CF'],
  ['1Z5R89390357567127', 'ups', '1Z5R89390357567127'],
  ['1Z879E930346834440', 'ups', '1Z879E930346834440'],
  ['1Z410E7W0392751591', 'ups', '1Z410E7W0392751591'],
  ['1Z8V92A70367203024', 'ups', '1Z8V92A70367203024'],
  ['1ZXX3150YW44070023', 'ups', '1ZXX3150YW44070023'],
  ['9400111206206406260787', 'impb', '9400111206206406260787'],
  ['9505 5110 6960 5048 6006 24', 'impb', '9505511069605048600624'],
  ['420 22153 9101026837331000039521', 'impb', '9101026837331000039521'],
  ['4201002334249200190132607600833457', 'impb', '9200190132607600833457'],
  ['92748931507708513018050063', 'impb', '92748931507708513018050063'],
  ['9361 2898 7870 0317 6337 95', 'impb', '9361289878700317633795'],
] as const;

test.each(VALID)('%s is recognised as %s', (text, scheme, value) => {
  expect(recogniseCode(utf8(text)).identifiers[0]).toEqual({ scheme, value, certainty: 'check_digit' });
});

test.each([
  '340123450000000014',
  'RB123456786US',
  '1Z1111111111111111',
  '2Z5R89390357567127',
  '61299998820821171811',
  '9200000000000000000000',
  'JDVA11408814483',
  '',
  'NR',
])('%s is recognised as nothing', (text) => {
  expect(recogniseCode(utf8(text))).toEqual({ raw: utf8(text), text, identifiers: [] });
});

test('an element string is read only under a GS1 carrier', () => {
  const text = '00340123450000000017400ORDER77\x1d42053100';
  const elements = [
    { ai: '00', value: '340123450000000017' },
    { ai: '400', value: 'ORDER77' },
    { ai: '420', value: '53100' },
  ];
  const identifiers = [{ scheme: 'sscc', value: '340123450000000017', certainty: 'check_digit' }];
  for (const aim of [']C1', ']d2', ']Q3', ']J1', ']e0']) {
    expect(recogniseCode(utf8(text), aim)).toMatchObject({ aim, elements, identifiers });
  }
  expect(recogniseCode(utf8(text), ']C0').elements).toBeUndefined();
  expect(recogniseCode(utf8(text)).identifiers).toEqual([]);
});

test('a wrong check digit inside an element string is only a pattern', () => {
  expect(recogniseCode(utf8('00340123450000000014'), ']C1').identifiers).toEqual([
    { scheme: 'sscc', value: '340123450000000014', certainty: 'pattern' },
  ]);
});

test('what has arithmetic certainty comes before what has not', () => {
  const { identifiers } = recogniseCode(utf8('80044012345LCK01\x1d0109506000134352'), ']d2');
  expect(identifiers.map((each) => [each.scheme, each.certainty])).toEqual([
    ['gtin', 'check_digit'],
    ['giai', 'pattern'],
  ]);
});

test('a USPS label is an element string whose AI belongs to the number', () => {
  const { identifiers } = recogniseCode(utf8('42012345\x1d9205590164917312751089'), ']C1');
  expect(identifiers).toEqual([{ scheme: 'impb', value: '9205590164917312751089', certainty: 'check_digit' }]);
});

test('a lost separator is not guessed around', () => {
  expect(recogniseCode(utf8('400ORDER77420531000000000000000000000000'), ']C1').elements).toBeUndefined();
  expect(recogniseCode(utf8('0034012345'), ']C1').elements).toBeUndefined();
  expect(recogniseCode(utf8('99'), ']C1').elements).toBeUndefined();
  expect(recogniseCode(utf8('050123'), ']C1').elements).toBeUndefined();
});

test('bytes that are not UTF-8 give neither text nor identifiers', () => {
  const raw = new Uint8Array([0x31, 0x80]);
  expect(recogniseCode(raw, ']C0')).toEqual({ raw, aim: ']C0', identifiers: [] });
});

test('no bytes make the recogniser throw or change what it was given', () => {
  const piece = fc.constantFrom(
    '00',
    '01',
    '310',
    '8004',
    '\x1d',
    '340123450000000017',
    '42012345',
    'RB123456785GB',
    '1Z',
    'https://a/01/',
    '9',
    ' ',
  );
  const raw = fc.oneof(
    fc.uint8Array({ maxLength: 60 }),
    fc.array(piece, { maxLength: 6 }).map((all) => utf8(all.join(''))),
  );
  let recognised = 0;
  fc.assert(
    fc.property(raw, fc.constantFrom(undefined, ']C1', ']d2', ']C0'), (bytes, aim) => {
      const before = bytes.slice();
      const code = recogniseCode(bytes, aim);
      recognised += code.identifiers.length;
      expect(code.raw).toEqual(before);
    }),
    { numRuns: 10_000 },
  );
  expect(recognised).toBeGreaterThan(100);
});
