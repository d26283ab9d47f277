import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/campaign/**/*.test.ts'],
    setupFiles: ['test/support/seed.ts'],
    maxWorkers: 2,
    testTimeout: 3_600_000,
    hookTimeout: 60_000,
  },
});
