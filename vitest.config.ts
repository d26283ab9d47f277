import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { defineConfig } from 'vitest/config';

/** Tests that leave nothing in their process. */
const SHARED_ROOMS = /^test\/(?:contract|unit|integration\/(?:access|doors|photos|ports|receive|risk|uplink))\//;
/** Those of these rooms that mock a module, or change the environment or the umask. */
const APART: readonly string[] = [
  'test/unit/journal-db/full-disk.test.ts',
  'test/unit/keys/software-key-store.test.ts',
  'test/integration/uplink/connection-tls.test.ts',
];

const tests = readdirSync(join(import.meta.dirname, 'test'), { recursive: true, encoding: 'utf8' })
  .map((name) => `test/${name}`)
  .filter((name) => name.endsWith('.test.ts') && !name.startsWith('test/campaign/'));

/**
 * A worker runs these one after the other and loads the product once, which takes half the processor time. Spies end with
 * their file. Whoever changes what all of a process share (a module, the environment, a global, a timer, a signal handler)
 * belongs into `APART`: `test/tidy.test.ts` looks for it, and `vitest run --project shared --sequence.shuffle.files` shows
 * that their order does not matter.
 */
export const sharedTests = tests.filter((name) => SHARED_ROOMS.test(name) && !APART.includes(name));

export default defineConfig({
  test: {
    setupFiles: ['test/support/seed.ts'],
    // Two cores: a third worker uses what the process tests leave while they wait for devices and clocks.
    maxWorkers: 3,
    // Bounds for what hangs, wide enough for a machine that does other things too.
    testTimeout: 300_000,
    hookTimeout: 300_000,
    // Databases in WebAssembly live for seconds here: what V8 compiled quickly is not compiled a second time. The collector
    // is for tests of what nobody holds any more.
    execArgv: ['--liftoff-only', '--expose-gc'],
    // They start in the order of their names: the short ones last, so that no worker ends long after the others.
    projects: [
      {
        extends: true,
        test: { name: 'alone', include: tests.filter((name) => !sharedTests.includes(name)) },
      },
      { extends: true, test: { name: 'shared', include: [...sharedTests], isolate: false } },
    ],
  },
});
