import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    exclude: ['test/campaign/**'],
    setupFiles: ['test/support/seed.ts'],
    // Two cores: more workers only make the process tests wait for each other.
    maxWorkers: 2,
    // Bounds for what hangs, wide enough for a machine that does other things too.
    testTimeout: 300_000,
    hookTimeout: 300_000,
  },
});
