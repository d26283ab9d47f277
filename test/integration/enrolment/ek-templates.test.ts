/**
 * Endorsement keys of the high range's templates on a real TPM process: made by their template, certified by a vendor, their
 * certificate in its TCG index, and enrolled, so that ActivateCredential ran under their policy.
 */
import { createPublicKey, type KeyObject } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openSimulatedTpm, type SimulatedTpm, type TpmSnapshot } from '../../../simulators/tpm/tpm.ts';
import { CreatePrimary } from '../../../src/edge/tpm/commands/object.ts';
import { permanent } from '../../../src/edge/tpm/entity.ts';
import { nodeTpmCrypto } from '../../../src/platform/tpm-crypto.ts';
import { TPM_ALG, TPM_RH } from '../../../src/tpm2/algorithms.ts';
import { emptyPolicy, policyOr, policySecret } from '../../../src/tpm2/policy.ts';
import type { TpmPublic } from '../../../src/tpm2/public.ts';
import {
  EK_P256_H2,
  EK_POLICY_A_SHA256,
  EK_POLICY_B_SHA256,
  EK_POLICY_C_SHA256,
  EK_RSA2048_H1,
} from '../../../src/tpm2/templates.ts';
import { boxSettings, ENROLLING_GATEWAY, enrollBox, failureOf, tpmKeys } from '../../support/enrolling-box.ts';
import { startTestService, type TestService } from '../../support/enrolment-service.ts';
import { makeTempDir, type TempDir } from '../../support/temp-dir.ts';
import { EK_EXTENSIONS, type TestAuthority, TestCa } from '../../support/test-ca.ts';
import { testClient } from '../../support/tpm-box.ts';
import { tpm2 } from '../../support/tpm-tools.ts';

let dir: TempDir;
let tpm: SimulatedTpm;
let fresh: TpmSnapshot;
let service: TestService;
let ca: TestCa;
let root: TestAuthority;
let count = 0;

beforeAll(async () => {
  dir = makeTempDir('ek-templates');
  tpm = await openSimulatedTpm({ dir: dir.file('chip') });
  // Of its own certificates none is left.
  for (const index of ['0x1c00002', '0x1c00016']) await tpm2(tpm, 'nvundefine', '-Q', '-C', 'p', index);
  fresh = tpm.snapshot();
  ca = new TestCa(dir);
  root = ca.authority('Vendor Root');
  service = await startTestService(dir.file('service'), { roots: { emulated: [root.certFile] } });
});

afterAll(async () => {
  await service.stop();
  await tpm.stop();
  dir.remove();
});

async function freshBox() {
  count += 1;
  await tpm.restore(fresh);
  // One gateway, whose AK stays the same: the TPM's seeds do.
  return { gateway: ENROLLING_GATEWAY, settings: boxSettings(dir.file(`box-${count}`), tpmKeys(tpm)) };
}

async function plant(index: string, der: Uint8Array): Promise<void> {
  writeFileSync(dir.file('ek.der'), der);
  const attributes = 'authread|ownerread|ownerwrite|no_da';
  await tpm2(tpm, 'nvdefine', '-Q', '-C', 'o', '-s', '1500', '-a', attributes, index);
  await tpm2(tpm, 'nvwrite', '-Q', '-C', 'o', '-i', dir.file('ek.der'), index);
}

async function keyOf(template: TpmPublic): Promise<KeyObject> {
  const client = testClient(tpm.address);
  const { area } = await client
    .run(async (unit) => (await CreatePrimary(unit, permanent(TPM_RH.ENDORSEMENT), template)).object)
    .finally(() => client.close());
  const text = (part: Uint8Array, size: number): string =>
    Buffer.concat([Buffer.alloc(size - part.length), part]).toString('base64url');
  if (area.type === 'rsa') {
    return createPublicKey({ key: { kty: 'RSA', n: text(area.unique, 256), e: 'AQAB' }, format: 'jwk' });
  }
  if (area.type !== 'ecc') throw new Error('no endorsement key');
  const { x, y } = area.unique;
  return createPublicKey({ key: { kty: 'EC', crv: 'P-256', x: text(x, 32), y: text(y, 32) }, format: 'jwk' });
}

test('policy B of SHA-256 is what PolicyOR makes of A, which PolicySecret makes, and C', () => {
  const alg = TPM_ALG.SHA256;
  const endorsement = Uint8Array.of(0x40, 0, 0, 0x0b);
  expect(policySecret(nodeTpmCrypto, alg, emptyPolicy(alg), endorsement)).toEqual(EK_POLICY_A_SHA256);
  expect(policyOr(nodeTpmCrypto, alg, [EK_POLICY_A_SHA256, EK_POLICY_C_SHA256])).toEqual(EK_POLICY_B_SHA256);
});

test.each([
  ['H-1, RSA-2048', EK_RSA2048_H1, '0x1c00012', 'keyUsage=critical,keyEncipherment'],
  ['H-2, P-256', EK_P256_H2, '0x1c00014', 'keyUsage=critical,keyAgreement'],
])('an EK of template %s enrols', async (_name, template, index, usage) => {
  const { gateway, settings } = await freshBox();
  const extensions = [...EK_EXTENSIONS.slice(0, 3), usage];
  await plant(index, ca.certificate({ publicKey: await keyOf(template), issuer: root, extensions }));
  const done = await enrollBox(settings, service, await service.token(gateway));
  expect(done).toMatchObject({ state: 'enrolled', isNew: true, stored: { record: { class: 'emulated' } } });
});

test('a TPM that has certificates of unknown templates alone is refused, and told which', async () => {
  const { gateway, settings } = await freshBox();
  await plant('0x1c0001c', Uint8Array.of(0x30, 0));
  const said = await failureOf(enrollBox(settings, service, await service.token(gateway)));
  expect(said).toMatch(/not known here \(RSA-3072 \(H-6\)\).*TPM_MISSING/);
});
