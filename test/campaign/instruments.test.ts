/** A million mutated inputs for every decoder of scanners, scales, receivers and photos. */
import { expect, test } from 'vitest';
import { fuzzInstrument, INSTRUMENT_DECODERS } from '../support/instrument-fuzz.ts';
import { campaignSeed, recordResult } from './support/results.ts';

const INPUTS = 1_000_000;
const MiB = 1_048_576;
const GROWTH_MAX_MIB = 256;

test.each(Object.keys(INSTRUMENT_DECODERS))(
  'a million mutated inputs of %s: no throw, no hang, no growth',
  async (name) => {
    const startedMs = Date.now();
    const seed = campaignSeed();
    const beforeBytes = process.memoryUsage.rss();
    const { inputs, read } = fuzzInstrument(name, INPUTS, seed);
    const grownMib = Math.round((process.memoryUsage.rss() - beforeBytes) / MiB);
    expect(inputs).toBe(INPUTS);
    expect(read).toBeGreaterThan(1_000);
    expect(grownMib).toBeLessThan(GROWTH_MAX_MIB);
    const counts = `${inputs} mutated inputs, ${read} read as something; resident grew by ${Math.max(0, grownMib)} MiB`;
    await recordResult({ scenario: `mutated inputs of instruments: ${name}`, counts, seed, startedMs });
  },
);
