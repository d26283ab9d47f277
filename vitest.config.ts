import { defineConfig } from 'vitest/config';
import { MixedOrder } from './test/support/mixed-order.ts';
import { APART, sharedTests } from './test/support/test-files.ts';

/** By who looks whether their order matters. */
const shuffled = process.argv.some((word) => word.startsWith('--sequence.shuffle'));

export default defineConfig({
  test: {
    setupFiles: ['test/support/seed.ts'],
    // Two cores: the other two workers use what is left while some wait for devices, daemons and clocks.
    maxWorkers: 4,
    sequence: shuffled ? {} : { sequencer: MixedOrder },
    // Bounds for what hangs, wide enough for a machine that does other things too.
    testTimeout: 300_000,
    hookTimeout: 300_000,
    // Databases in WebAssembly live for seconds here: what V8 compiled quickly is not compiled a second time. The collector
    // is for tests of what nobody holds any more.
    execArgv: ['--liftoff-only', '--expose-gc'],
    projects: [
      { extends: true, test: { name: 'alone', include: [...APART] } },
      { extends: true, test: { name: 'shared', include: [...sharedTests], isolate: false } },
    ],
  },
});
