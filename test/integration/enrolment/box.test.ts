/** A box with a real TPM process before the enrolment service, as `latchkey enroll` brings it there. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startInterposer } from '../../../simulators/tpm/interposer.ts';
import { openSimulatedTpm, type SimulatedTpm, type TpmSnapshot } from '../../../simulators/tpm/tpm.ts';
import { systemScheduler } from '../../../src/base/system-scheduler.ts';
import type { GatewaySettings } from '../../../src/edge/gateway/settings.ts';
import { showTpm } from '../../../src/edge/gateway/tpm-acts.ts';
import { TpmBox } from '../../../src/edge/keys/tpm-box.ts';
import { readIdentity } from '../../../src/edge/keys/tpm-identity.ts';
import { Clear, DictionaryAttackLockReset, HierarchyChangeAuth } from '../../../src/edge/tpm/commands/hierarchy.ts';
import { permanent } from '../../../src/edge/tpm/entity.ts';
import { Secret } from '../../../src/edge/tpm/secret.ts';
import { nodeCrypto } from '../../../src/platform/node-crypto.ts';
import { nodeTpmCrypto } from '../../../src/platform/tpm-crypto.ts';
import { approve } from '../../../src/risk/enrolment/decisions.ts';
import { FileEnrolmentStore } from '../../../src/risk/enrolment/file-store.ts';
import { openServiceKey } from '../../../src/risk/enrolment/service-key.ts';
import { TPM_RH } from '../../../src/tpm2/algorithms.ts';
import {
  boxSettings,
  ENROLLING_GATEWAY,
  enrollBox,
  eventsOf,
  startMeddler,
  tpmKeys,
} from '../../support/enrolling-box.ts';
import { startTestService, type TestService, type TestServiceOptions } from '../../support/enrolment-service.ts';
import { makeTempDir, type TempDir } from '../../support/temp-dir.ts';
import { testClient } from '../../support/tpm-box.ts';

const GATEWAY = ENROLLING_GATEWAY;
const never = new AbortController().signal;
const NOT_SET = { ownerAuthSet: false, lockoutAuthSet: false, disableClear: false };
const SET = { ownerAuthSet: true, lockoutAuthSet: true, disableClear: true };

let dir: TempDir;
let tpm: SimulatedTpm;
let fresh: TpmSnapshot;
let count = 0;
const running: TestService[] = [];

beforeAll(async () => {
  dir = makeTempDir('enrol-box');
  tpm = await openSimulatedTpm({ dir: dir.file('chip') });
  fresh = tpm.snapshot();
});

afterAll(async () => {
  for (const service of running) await service.stop();
  await tpm.stop();
  dir.remove();
});

/** A service that never saw this TPM, before a TPM that never saw a service. */
async function begin(options: Partial<TestServiceOptions> = {}) {
  count += 1;
  await tpm.restore(fresh);
  const roots = { emulated: [tpm.vendor.rootPath, tpm.vendor.issuerPath] };
  const folder = dir.file(`service-${count}`);
  const service = await startTestService(folder, { roots, ...options });
  running.push(service);
  return { service, folder, settings: boxSettings(dir.file(`box-${count}`), tpmKeys(tpm)) };
}

function boxOf(settings: GatewaySettings): TpmBox {
  const identity = readIdentity(join(settings.gateway.data_dir, 'keys', 'tpm.json'), nodeTpmCrypto);
  if (identity === undefined) throw new Error('the box was not provisioned');
  return new TpmBox(testClient(tpm.address), identity, nodeCrypto);
}

const keysIn = (settings: GatewaySettings): readonly string[] => readdirSync(join(settings.gateway.data_dir, 'keys'));

interface Escrow {
  readonly owner?: string;
  readonly lockout?: string;
  readonly kept: readonly string[];
}

async function escrowOf(service: TestService): Promise<Escrow> {
  return JSON.parse((await service.escrow(GATEWAY)) ?? '{}') as Escrow;
}

/** The TPM has the authorisations that the service holds, and a cleared TPM is out of reach of both. */
async function expectEscrowFits(settings: GatewaySettings, escrow: Escrow): Promise<void> {
  const auth = (text = ''): Secret => new Secret(Buffer.from(text, 'base64url'));
  const lockout = permanent(TPM_RH.LOCKOUT, auth(escrow.lockout));
  const box = boxOf(settings);
  await expect(box.run((unit) => Clear(unit, lockout))).rejects.toMatchObject({ rc: { name: 'DISABLED' } });
  await box.run((unit) => DictionaryAttackLockReset(unit, lockout));
  const owner = permanent(TPM_RH.OWNER, auth(escrow.owner));
  await box.run((unit) => HierarchyChangeAuth(unit, owner, auth(escrow.owner)));
  await box.close();
}

test('a box with software keys proves possession of its log key, once', async () => {
  const { service } = await begin();
  const settings = boxSettings(dir.file('soft'), 'software', 'gw-soft');
  const done = await enrollBox(settings, service, await service.token('gw-soft'));
  expect(done).toMatchObject({ state: 'enrolled', isNew: true, stored: { record: { class: 'software' } } });
  expect(await enrollBox(settings, service, undefined)).toMatchObject({ state: 'enrolled', isNew: false });
  const told = eventsOf(settings).filter(({ type }) => type === 'key.enrolled');
  expect(told).toMatchObject([{ data: { kind: 'software' } }]);
});

test('a box is enrolled as what its vendor makes it, hands its authorisations over, and keeps none', async () => {
  const { service, settings } = await begin();
  const done = await enrollBox(settings, service, await service.token(GATEWAY));
  if (done.state !== 'enrolled') throw new Error(done.state);
  const { record, hash } = done.stored;
  expect(record).toMatchObject({ class: 'emulated', gateway: GATEWAY, tpm: { model: 'swtpm' } });
  const shown = await showTpm(settings, never);
  expect(shown).toMatchObject({
    permanent: { ...SET, endorsementAuthSet: false },
    pinned: { agrees: true, counter: record.tpm?.counter_value },
    lockout: { failures: 0 },
    enrolment: { class: 'emulated', record: hash },
  });
  const told = eventsOf(settings).filter(({ type }) => type === 'key.enrolled');
  expect(told).toMatchObject([{ data: { kind: 'tpm', record: hash } }]);
  expect(keysIn(settings)).not.toContain('enrolling.json');
  await expectEscrowFits(settings, await escrowOf(service));
});

test('without an escrow key the service gets no authorisations, and the TPM keeps its own', async () => {
  const { service, settings } = await begin({ escrow: false });
  await enrollBox(settings, service, await service.token(GATEWAY));
  expect((await showTpm(settings, never)).permanent).toMatchObject(NOT_SET);
});

test('a record that waits for a person comes without another token', async () => {
  const { service, folder, settings } = await begin({ approve: 'all' });
  const waits = await enrollBox(settings, service, await service.token(GATEWAY));
  if (waits.state !== 'pending') throw new Error(waits.state);
  // The service holds the authorisations already, so they count from here on.
  expect((await showTpm(settings, never)).permanent).toMatchObject(SET);
  expect(await enrollBox(settings, service, undefined)).toEqual(waits);
  const { key } = await openServiceKey(nodeCrypto, `${folder}/data/keys/enrolment.key`, 'enrolment.lockers.example');
  const store = await FileEnrolmentStore.open(`${folder}/data`);
  await approve({ store, clock: systemScheduler(), by: 'A. Person', why: 'seen' }, key, GATEWAY, waits.id);
  expect(await enrollBox(settings, service, undefined)).toMatchObject({ state: 'enrolled', isNew: true });
  await expectEscrowFits(settings, await escrowOf(service));
});

describe('cut off, an enrolment goes on with the token that it had', () => {
  test('when the answer to the answer is lost', async () => {
    const { service, settings } = await begin();
    let cuts = 0;
    const line = await startMeddler(service, ({ path }) => {
      if (!path.startsWith(`/v1/enrolments/${GATEWAY}/`) || cuts > 0) return undefined;
      cuts += 1;
      return 'cut';
    });
    const through = { url: line.url, key: service.key };
    await expect(enrollBox(settings, through, await service.token(GATEWAY))).rejects.toMatchObject({
      code: 'SERVICE_UNREACHABLE',
    });
    // Whatever was made for the TPM is in the file only as the TPM sealed it.
    expect(keysIn(settings)).toContain('enrolling.json');
    expect((await showTpm(settings, never)).permanent).toMatchObject(NOT_SET);
    expect(await enrollBox(settings, through, undefined)).toMatchObject({ state: 'enrolled', isNew: true });
    expect(keysIn(settings)).not.toContain('enrolling.json');
    await expectEscrowFits(settings, await escrowOf(service));
    await line.close();
  });

  const [CLEAR_CONTROL, CHANGE_AUTH] = [0x127, 0x129];
  test.each([
    ['before Clear is forbidden', CLEAR_CONTROL, 1, 'command'],
    ['after Clear was forbidden', CLEAR_CONTROL, 1, 'response'],
    ['before lockout is set', CHANGE_AUTH, 1, 'command'],
    ['after lockout was set', CHANGE_AUTH, 1, 'response'],
    ['before the owner is set', CHANGE_AUTH, 2, 'command'],
    ['after the owner was set', CHANGE_AUTH, 2, 'response'],
  ] as const)('%s', async (_when, code, nth, where) => {
    const { service, settings } = await begin();
    const bus = await startInterposer({ tpm: tpm.address, socketPath: dir.file(`bus-${count}.sock`) });
    let seen = 0;
    const isIt = (command: Uint8Array): boolean => {
      if (new DataView(command.buffer, command.byteOffset).getUint32(6) !== code) return false;
      seen += 1;
      return seen === nth;
    };
    const cut = (command: Uint8Array) => ({ kind: isIt(command) ? ('cut' as const) : ('pass' as const) });
    bus.meddle(where === 'command' ? { command: cut } : { response: (_answer, command) => cut(command) });
    const onBus = boxSettings(settings.gateway.data_dir, tpmKeys(bus));
    await expect(enrollBox(onBus, service, await service.token(GATEWAY))).rejects.toMatchObject({
      code: 'TPM_UNAVAILABLE',
    });
    expect(seen).toBe(nth);
    await bus.close();
    expect(await enrollBox(settings, service, undefined)).toMatchObject({ state: 'enrolled', isNew: true });
    expect(await showTpm(settings, never)).toMatchObject({ permanent: SET, lockout: { failures: 0 } });
    expect((await service.state(GATEWAY)).records).toHaveLength(1);
    await expectEscrowFits(settings, await escrowOf(service));
  });
});
