/** The client on a real /dev/tpmrm0: Linux and its resource manager in a virtual machine, swtpm behind a TIS interface. */
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { makeTempDir } from '../support/temp-dir.ts';
import { runGuest } from './support/machine.ts';
import { recordResult } from './support/results.ts';

const BUILT = process.env['LATCHKEY_TEST_BUILT'] ?? join(import.meta.dirname, '../../dist');
const dir = makeTempDir('kernel');
afterAll(() => dir.remove());

test("keys, counter, sessions and large answers through the kernel's resource manager, and nothing stays loaded", async () => {
  const startedMs = Date.now();
  const found = await runGuest(dir.path, BUILT);
  expect(found).toMatchObject({
    ok: true,
    random: 100,
    counted: [1, 2, 3, 4, 5],
    isSameKey: true,
    // More objects at once than the TPM has places: the kernel swaps them.
    held: 6,
    // Descriptors that were closed with a key loaded left none.
    left: 0,
  });
  expect(found['quote']).toBeGreaterThan(100);
  expect(found['ekCertificate']).toBeGreaterThan(500);
  const counts = `5 anchors' commands, 12 keys held by 6 descriptors, 12 descriptors broken off`;
  await recordResult({ scenario: "the kernel's resource-managed TPM device", counts, startedMs });
});
