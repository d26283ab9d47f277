import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    exclude: ['test/campaign/**'],
    setupFiles: ['test/support/seed.ts'],
    // Two cores: a third worker uses what the process tests leave while they wait for devices and clocks.
    maxWorkers: 3,
    // Bounds for what hangs, wide enough for a machine that does other things too.
    testTimeout: 300_000,
    hookTimeout: 300_000,
  },
});
