import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { nodeCrypto } from '../../src/platform/node-crypto.ts';
import { FileStore } from '../../src/risk/intake/file-store/file-store.ts';
import { intakeStoreContract } from './intake-store.contract.ts';
import { MemoryDisk, MemoryStore } from './memory-intake-store.ts';

const root = mkdtempSync(join(tmpdir(), 'latchkey-store-'));
const opened = new Set<FileStore>();
afterAll(async () => {
  for (const store of opened) await store.close();
  rmSync(root, { recursive: true, force: true });
});
let count = 0;

intakeStoreContract('memory', () => {
  const disk = new MemoryDisk();
  return { open: async () => new MemoryStore(disk) };
});

for (const [name, segmentBytes] of [
  ['files', 67_108_864],
  ['files of one commit each', 1],
] as const) {
  intakeStoreContract(name, () => {
    count += 1;
    const directory = join(root, String(count));
    let last: FileStore | undefined;
    return {
      open: async () => {
        await last?.close();
        if (last !== undefined) opened.delete(last);
        last = await FileStore.open({ crypto: nodeCrypto, directory, segmentBytes });
        opened.add(last);
        return last;
      },
    };
  });
}
