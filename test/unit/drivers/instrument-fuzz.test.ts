import { expect, test } from 'vitest';
import { fuzzInstrument, INSTRUMENT_DECODERS } from '../../support/instrument-fuzz.ts';
import { FUZZ_TIMEOUT_MS } from '../../support/mutate.ts';

test.each(Object.keys(INSTRUMENT_DECODERS))(
  '10000 mutated inputs of %s: no throw, nothing grows, and some are read',
  (name) => {
    const { inputs, read } = fuzzInstrument(name, 10_000, 11);
    expect(inputs).toBe(10_000);
    expect(read).toBeGreaterThan(200);
    expect(read).toBeLessThan(inputs * 6);
  },
  FUZZ_TIMEOUT_MS,
);
