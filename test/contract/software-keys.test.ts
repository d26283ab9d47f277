import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { SoftwareKeyStore } from '../../src/edge/keys/software-key-store.ts';
import { nodeCrypto } from '../../src/platform/node-crypto.ts';
import { signerContract } from './signer.contract.ts';

const root = mkdtempSync(join(tmpdir(), 'latchkey-keys-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
let count = 0;

signerContract('software keys', () => {
  count += 1;
  const directory = join(root, String(count));
  return {
    store: () => SoftwareKeyStore.open(directory, nodeCrypto),
    lose: (origin) => rmSync(join(directory, `${origin.slice(origin.lastIndexOf('/') + 1)}.key`)),
  };
});
