import { defineConfig } from 'vitest/config';
import { LongestFirst } from './test/support/longest-first.ts';
import { aloneTests, sharedTests } from './test/support/test-files.ts';

/** By who looks whether their order matters. */
const shuffled = process.argv.some((word) => word.startsWith('--sequence.shuffle'));
const sequencer = shuffled ? {} : { sequencer: LongestFirst };

export default defineConfig({
  test: {
    setupFiles: ['test/support/seed.ts'],
    sequence: sequencer,
    // Bounds for what hangs, wide enough for a machine that does other things too.
    testTimeout: 300_000,
    hookTimeout: 300_000,
    // Databases in WebAssembly live for seconds here: what V8 compiled quickly is not compiled a second time. The collector
    // is for tests of what nobody holds any more.
    execArgv: ['--liftoff-only', '--expose-gc'],
    // Of two cores. Those alone wait for devices, daemons and clocks most of the time, the others for disks and databases;
    // as one group nobody waits for the last of those before.
    maxWorkers: 4,
    projects: [
      { extends: true, test: { name: 'alone', include: aloneTests } },
      { extends: true, test: { name: 'shared', include: sharedTests, isolate: false } },
    ],
  },
});
