/** The TPM's key store against the contract of every key store, on a real swtpm process. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll } from 'vitest';
import { openSimulatedTpm, type SimulatedTpm } from '../../simulators/tpm/tpm.ts';
import type { TpmClient } from '../../src/edge/tpm/client.ts';
import { makeTempDir } from '../support/temp-dir.ts';
import { testBox, testClient } from '../support/tpm-box.ts';
import { lockingSignerContract, signerContract } from './signer.contract.ts';

const root = makeTempDir('tpm-keys');
let tpm: SimulatedTpm;
let client: TpmClient;

beforeAll(async () => {
  tpm = await openSimulatedTpm({ dir: root.file('tpm') });
  client = testClient(tpm.address);
});

afterAll(async () => {
  await client.close();
  await tpm.stop();
  root.remove();
});

let count = 0;

function subject() {
  count += 1;
  const directory = root.file(`keys-${count}`);
  return {
    store: async () => (await testBox(client, directory)).store,
    lose: (origin: string) => rmSync(join(directory, `${origin.slice(origin.lastIndexOf('/') + 1)}.sealed`)),
    lockOut: () => tpm.powerOff(),
    letIn: () => tpm.start(),
  };
}

signerContract('TPM keys', subject);
lockingSignerContract('TPM keys', subject);
