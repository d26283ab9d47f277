/** A simulated TPM with a client on it, both gone after the test file. */
import { afterAll, expect } from 'vitest';
import { openSimulatedTpm, type SimulatedTpm } from '../../../../simulators/tpm/tpm.ts';
import { systemScheduler } from '../../../../src/base/system-scheduler.ts';
import { TpmClient, type TpmClientSettings } from '../../../../src/edge/tpm/client.ts';
import { getHandles } from '../../../../src/edge/tpm/commands/capability.ts';
import { CreatePrimary, EvictControl, ReadPublic } from '../../../../src/edge/tpm/commands/object.ts';
import { protect, type SaltKey } from '../../../../src/edge/tpm/commands/session.ts';
import { permanent } from '../../../../src/edge/tpm/entity.ts';
import { openTransport, type TpmAddress } from '../../../../src/edge/tpm/open-transport.ts';
import type { Tpm } from '../../../../src/edge/tpm/unit.ts';
import { nodeTpmCrypto } from '../../../../src/platform/tpm-crypto.ts';
import { TPM_HT, TPM_RH } from '../../../../src/tpm2/algorithms.ts';
import { SRK_P256 } from '../../../../src/tpm2/templates.ts';
import { makeTempDir, type TempDir } from '../../../support/temp-dir.ts';

export const OWNER = permanent(TPM_RH.OWNER);
export const ENDORSEMENT = permanent(TPM_RH.ENDORSEMENT);
export const LOCKOUT = permanent(TPM_RH.LOCKOUT);
export const SRK_HANDLE = 0x8100_0001;

const clients: TpmClient[] = [];
const boxes: { readonly tpm: SimulatedTpm; readonly dir: TempDir }[] = [];

// Once per test file, at its import: a hook that a test registers while it runs is never called.
afterAll(async () => {
  for (const client of clients) await client.close();
  for (const { tpm, dir } of boxes) {
    await tpm.stop();
    dir.remove();
  }
});

export async function makeTpm(listen?: { readonly kind: 'tcp' }): Promise<SimulatedTpm> {
  const dir = makeTempDir('tpm');
  const tpm = await openSimulatedTpm({ dir: dir.path, ...(listen === undefined ? {} : { listen }) });
  boxes.push({ tpm, dir });
  return tpm;
}

export function clientOn(address: TpmAddress, settings: Partial<TpmClientSettings> = {}): TpmClient {
  const scheduler = systemScheduler();
  const transport = settings.transport ?? openTransport(address, scheduler);
  const client = new TpmClient({ crypto: nodeTpmCrypto, scheduler, ...settings, transport });
  clients.push(client);
  return client;
}

/** Makes the SRK persistent, and gives what an enrolment would pin. */
export async function provisionSrk(client: TpmClient): Promise<SaltKey> {
  return client.run(async (tpm) => {
    const handles = await getHandles(tpm, TPM_HT.PERSISTENT);
    if (!handles.includes(SRK_HANDLE)) {
      const { object } = await CreatePrimary(tpm, OWNER, SRK_P256);
      await EvictControl(tpm, OWNER, object, SRK_HANDLE);
    }
    const { object } = await ReadPublic(tpm, SRK_HANDLE);
    if (object.area.type !== 'ecc') throw new Error('the SRK is no ECC key');
    return { handle: SRK_HANDLE, area: object.area, pinnedName: object.name };
  });
}

/** A unit of work in a salted session. */
export function protectedRun<T>(client: TpmClient, salt: SaltKey, work: (tpm: Tpm) => Promise<T>): Promise<T> {
  return client.run(async (tpm) => {
    await protect(tpm, salt);
    return work(tpm);
  });
}

/** Loaded objects and sessions, as the TPM itself lists them: none after a unit of work. */
export async function expectNothingLoaded(client: TpmClient): Promise<void> {
  const loaded = await client.run(async (tpm) => [
    ...(await getHandles(tpm, TPM_HT.TRANSIENT)),
    ...(await getHandles(tpm, TPM_HT.HMAC_SESSION)),
    ...(await getHandles(tpm, TPM_HT.POLICY_SESSION)),
  ]);
  expect(loaded).toEqual([]);
}

export const fill = (value: number, size = 32): Uint8Array => new Uint8Array(size).fill(value);

/** The error of a promise that must reject. */
export async function failureOf(work: Promise<unknown>): Promise<unknown> {
  return work.then(
    () => {
      throw new Error('expected a failure, and it succeeded');
    },
    (error: unknown) => error,
  );
}
