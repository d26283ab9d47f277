import { expect, test } from 'vitest';
import { holdsCardNumber, isCardNumber } from '../../../src/evidence/event/cards.ts';

/** Test numbers that the schemes and payment providers publish (PayPal, Stripe, Adyen and Worldpay test card lists). */
const PUBLISHED_TEST_CARDS = [
  '4111111111111111',
  '4242424242424242',
  '4222222222222', // Visa, 13 digits
  '5555555555554444',
  '2223003122003222',
  '378282246310005',
  '6011111111111117',
  '30569309025904', // Diners Club, 14 digits
  '3566002020360505',
  '6200000000000005', // UnionPay
  '6759649826438453', // Maestro
  '6304000000000000', // Laser
  '2200770212727079', // Mir
] as const;

test.each(PUBLISHED_TEST_CARDS)('the published test card %s is found', (card) => {
  expect(isCardNumber(card)).toBe(true);
  const spaced = card.replace(/(.{4})(?=.)/g, '$1 ');
  const mixed = card.replace(/(.{4})(?=.)/g, '$1-').replace('-', ' ');
  for (const text of [card, `no ${card}.`, spaced, mixed, `12 ${spaced}`, `x${card}y`, `%B${card}^DOE/J^2512`]) {
    expect(holdsCardNumber(text), text).toBe(true);
  }
});

test.each([
  ['a wrong Luhn sum', '4111111111111112'],
  ['a prefix of no card', '9911111111111111'],
  ['a length that the prefix does not allow', '41111111111111113'],
  ['twelve digits', '676770000000'],
  ['two blanks between groups', '4111  1111 1111 1111'],
  ['a letter between groups', '4111 1111x1111 1111'],
  ['only part of a group', '94111111111111111'],
])('%s is no card number', (_what, text) => {
  expect(holdsCardNumber(text)).toBe(false);
});

test('in a group of more than 19 digits its beginning is looked at', () => {
  expect(holdsCardNumber('41111111111111110000')).toBe(true);
  expect(holdsCardNumber('42222222222227777777')).toBe(true);
  expect(holdsCardNumber('00004111111111111111')).toBe(false);
});

test('long text of many groups is decided in linear time', () => {
  const started = performance.now();
  expect(holdsCardNumber('12 '.repeat(100_000))).toBe(false);
  expect(holdsCardNumber('1'.repeat(1_000_000))).toBe(false);
  expect(performance.now() - started).toBeLessThan(5_000);
});
