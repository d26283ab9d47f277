/** What an identifier from outside may be beside a name of a thing. */
import { expect, test } from 'vitest';
import { personalTrace, traceInWords } from '../../../src/evidence/event/identifier.ts';

/** GS1 General Specifications: an SSCC of a company with a North American prefix, whose extension digit is 0. */
const SSCC = '006141411234567890';

test.each(['+4915730000017', '004915730000017', '0049-157-30000017', '+1(206)555-0100', '+123456789012345'])(
  'a telephone number is none: %s',
  (text) => {
    expect(personalTrace(text)).toBe('address');
    expect(personalTrace(text, 'parcel')).toBe('address');
    expect(traceInWords(`called from ${text}`)).toBe('address');
  },
);

test('a row of more digits than a telephone number has (ITU-T E.164) may name a parcel', () => {
  expect(personalTrace(SSCC, 'parcel')).toBeUndefined();
  expect(personalTrace('009506000044186007', 'parcel')).toBeUndefined();
  expect(traceInWords(`the label says ${SSCC}`)).toBeUndefined();
  expect(personalTrace('+1234567890123456')).toBeUndefined();
});
