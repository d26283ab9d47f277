/** The files of tests that `npm test` runs: which share a process, which are long. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';

/**
 * Tests that leave nothing in their process. Those of the other rooms start daemons and browsers and hold TPMs and serial
 * lines: what one of them leaves open after a failure would be in the way of whatever comes next.
 */
const SHARED_ROOMS = /^test\/(?:contract|unit|integration\/(?:access|doors|photos|ports|receive|risk|uplink))\//;
/** Those of these rooms that mock a module, or change the environment or the umask. */
const APART: readonly string[] = [
  'test/unit/journal-db/full-disk.test.ts',
  'test/unit/keys/software-key-store.test.ts',
  'test/integration/uplink/connection-tls.test.ts',
];

const tests = readdirSync(join(import.meta.dirname, '..'), { recursive: true, encoding: 'utf8' })
  .map((name) => `test/${name}`)
  .filter((name) => name.endsWith('.test.ts') && !name.startsWith('test/campaign/'));

/**
 * A worker runs these one after the other and loads the product once, which takes half the processor time. Spies end with
 * their file. Whoever changes what all of a process share (a module, the environment, a global, a timer, a signal handler)
 * belongs into `APART`: `test/tidy.test.ts` looks for it, and `vitest run --project shared --sequence.shuffle.files` shows
 * that their order does not matter.
 */
export const sharedTests = tests.filter((name) => SHARED_ROOMS.test(name) && !APART.includes(name));
export const aloneTests = tests.filter((name) => !sharedTests.includes(name));

/** Known to be long before any run has told so, the longest first. */
export const LONGEST: readonly string[] = [
  'test/integration/simulators/demo.test.ts',
  'test/process/anchors.test.ts',
  'test/integration/cli/cli.test.ts',
  'test/process/power-cut.test.ts',
  'test/browser/site-page.test.ts',
  'test/process/outage.test.ts',
  'test/process/enrolment.test.ts',
  'test/process/kill-gateway.test.ts',
  'test/browser/console-daemon.test.ts',
  'test/process/damage.test.ts',
  'test/process/cables.test.ts',
  'test/integration/firmware-protocol/daemon.test.ts',
  'test/integration/tpm/meddling.test.ts',
  'test/integration/risk/sql-store.test.ts',
  'test/integration/risk/patterns.test.ts',
  'test/integration/risk/planted.test.ts',
  'test/integration/risk/retention.test.ts',
  'test/integration/risk/casework-crash.test.ts',
];
