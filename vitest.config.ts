import { defineConfig } from 'vitest/config';

/**
 * Tests that leave nothing in their process: a worker runs one file after the other and loads the product once, which
 * takes half the processor time. Spies end with their file. A file that mocks a module (full-disk) or changes the
 * environment, a global, a timer or a signal handler belongs among the others. `vitest run --project shared
 * --sequence.shuffle.files` shows that their order does not matter.
 */
const SHARED = [
  'test/{contract,unit}/**/!(full-disk).test.ts',
  'test/integration/{access,doors,photos,ports,receive,risk,uplink}/**/*.test.ts',
];

export default defineConfig({
  test: {
    setupFiles: ['test/support/seed.ts'],
    // Two cores: a third worker uses what the process tests leave while they wait for devices and clocks.
    maxWorkers: 3,
    // Bounds for what hangs, wide enough for a machine that does other things too.
    testTimeout: 300_000,
    hookTimeout: 300_000,
    // They start in the order of their names: the short ones last, so that no worker ends long after the others.
    projects: [
      {
        extends: true,
        test: { name: 'alone', include: ['test/**/*.test.ts'], exclude: ['test/campaign/**', ...SHARED] },
      },
      { extends: true, test: { name: 'shared', include: SHARED, isolate: false } },
    ],
  },
});
