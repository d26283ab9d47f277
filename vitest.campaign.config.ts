import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { defineConfig } from 'vitest/config';

/** Tests that `npm test` breaks at some steps, here at each. */
const crashes = ['intake-crash', 'casework-crash', 'decision-groups'].map(
  (name) => `test/integration/risk/${name}.test.ts`,
);

/** Tests that `npm test` runs with few mutations, here with a million each. */
const unit = join(import.meta.dirname, 'test/unit');
const fuzzed = readdirSync(unit, { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.test.ts') && readFileSync(join(unit, name), 'utf8').includes('FUZZ_RUNS'))
  .map((name) => `test/unit/${name}`);

export default defineConfig({
  test: {
    include: ['test/campaign/**/*.test.ts', 'test/integration/tpm/meddling.test.ts', ...crashes, ...fuzzed],
    env: { LATCHKEY_FUZZ_RUNS: '1000000', LATCHKEY_TPM_MUTATIONS: '100000', CRASH_STRIDE: '1' },
    setupFiles: ['test/support/seed.ts'],
    maxWorkers: 2,
    testTimeout: 3_600_000,
    hookTimeout: 60_000,
  },
});
