/** A box's TPM and key store over a simulated TPM. swtpm serves one connection at a time, so several boxes share a client. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { silentLogger } from '../../src/base/logger.ts';
import { systemScheduler } from '../../src/base/system-scheduler.ts';
import { openTpmBox } from '../../src/edge/keys/open-box.ts';
import { localAuthority, type PolicyAuthority } from '../../src/edge/keys/policy-authority.ts';
import type { TpmBox } from '../../src/edge/keys/tpm-box.ts';
import { TpmKeyStore } from '../../src/edge/keys/tpm-key-store.ts';
import { TpmClient } from '../../src/edge/tpm/client.ts';
import { openTransport, type TpmAddress } from '../../src/edge/tpm/open-transport.ts';
import type { TpmTransport } from '../../src/edge/tpm/transport.ts';
import { nodeCrypto } from '../../src/platform/node-crypto.ts';
import { nodeTpmCrypto } from '../../src/platform/tpm-crypto.ts';

export interface TestBox {
  readonly box: TpmBox;
  readonly store: TpmKeyStore;
}

export interface TestBoxOptions {
  readonly authority?: PolicyAuthority;
  readonly randomBytes?: (sizeBytes: number) => Uint8Array;
}

export interface TestClientOptions {
  /** In place of the one to the address. */
  readonly transport?: TpmTransport;
  readonly ordinaryMs?: number;
}

export function testClient(address: TpmAddress, options: TestClientOptions = {}): TpmClient {
  const scheduler = systemScheduler();
  const transport = options.transport ?? openTransport(address, scheduler);
  const times = options.ordinaryMs === undefined ? {} : { times: { ordinaryMs: options.ordinaryMs } };
  return new TpmClient({ transport, crypto: nodeTpmCrypto, scheduler, ...times });
}

/** What a start of the box makes of the folder and the TPM behind the client. */
export async function testBox(client: TpmClient, directory: string, options: TestBoxOptions = {}): Promise<TestBox> {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  let store: TpmKeyStore | undefined;
  const box = openTpmBox({
    client,
    path: join(directory, 'tpm.json'),
    crypto: nodeCrypto,
    tpmCrypto: nodeTpmCrypto,
    logger: silentLogger,
    renewed: () => store?.forgetAll(),
  });
  await box.ready(AbortSignal.timeout(60_000));
  const authority = options.authority ?? (await localAuthority(directory, nodeTpmCrypto));
  const random = options.randomBytes === undefined ? {} : { randomBytes: options.randomBytes };
  store = await TpmKeyStore.open({ directory, box, authority, crypto: nodeCrypto, ...random });
  return { box, store };
}
