/** The files of tests that `npm test` runs: which share a process, which mostly wait, which are long. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';

/** Those that mock a module, or change the environment or the umask, or hold a program that does. */
export const APART: readonly string[] = [
  'test/unit/journal-db/full-disk.test.ts',
  'test/unit/keys/software-key-store.test.ts',
  'test/integration/simulators/demo-firmware.test.ts',
  'test/integration/simulators/program.test.ts',
  'test/integration/support/processes.test.ts',
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
export const sharedTests = tests.filter((name) => !APART.includes(name));

/** Of these rooms most of the time is somebody else's: of a daemon, a TPM, a broker, a browser. */
export const WAITING =
  /^test\/(?:browser|process|integration\/(?:attacks|cli|console|enrolment|firmware-protocol|keys|simulators|support|tpm))\//;

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
