/** Every command on a real swtpm, in a salted session unless the test says otherwise. */
import { createPublicKey, verify } from 'node:crypto';
import { beforeAll, expect, test } from 'vitest';
import type { SimulatedTpm } from '../../../simulators/tpm/tpm.ts';
import { base64url, concatBytes, equalBytes, hex, utf8 } from '../../../src/base/bytes.ts';
import type { TpmClient } from '../../../src/edge/tpm/client.ts';
import { Certify, CertifyCreation, GetTime, NV_Certify, Quote, Sign } from '../../../src/edge/tpm/commands/attest.ts';
import {
  ClockSet,
  GetRandom,
  getHandles,
  getPcrBanks,
  getProperties,
  ReadClock,
  Shutdown,
  Startup,
  TPM_PT,
} from '../../../src/edge/tpm/commands/capability.ts';
import {
  NV_DefineSpace,
  NV_Increment,
  NV_Read,
  NV_ReadPublic,
  NV_UndefineSpace,
  nvReadAll,
  nvReadCounter,
} from '../../../src/edge/tpm/commands/nv.ts';
import { Create, CreatePrimary, EvictControl, Load, ReadPublic } from '../../../src/edge/tpm/commands/object.ts';
import { PCR_Extend, PCR_Read } from '../../../src/edge/tpm/commands/pcr.ts';
import { FlushContext, type SaltKey } from '../../../src/edge/tpm/commands/session.ts';
import { nodeTpmCrypto } from '../../../src/platform/tpm-crypto.ts';
import { TPM_ALG, TPM_HT } from '../../../src/tpm2/algorithms.ts';
import { parseCreationData } from '../../../src/tpm2/creation.ts';
import { counterNvPublic, nvName, writtenNvPublic } from '../../../src/tpm2/nv-public.ts';
import { objectName } from '../../../src/tpm2/public.ts';
import { akTemplate, EK_P256, EK_P384, signerTemplate } from '../../../src/tpm2/templates.ts';
import { TpmReader } from '../../../src/tpm2/wire.ts';
import {
  clientOn,
  ENDORSEMENT,
  expectNothingLoaded,
  fill,
  makeTpm,
  OWNER,
  protectedRun,
  provisionSrk,
  SRK_HANDLE,
} from './support/bench.ts';

const AK = akTemplate({ x: utf8('test ak'), y: new Uint8Array(0) });
const SIGNER = signerTemplate({ x: utf8('test signer'), y: new Uint8Array(0) });
const COUNTER_INDEX = 0x0180_0001;
const EK_CERT_INDEX = 0x01c0_0016;
const EK_P384_HANDLE = 0x8101_0016;

let box: SimulatedTpm;
let client: TpmClient;
let salt: SaltKey;

beforeAll(async () => {
  box = await makeTpm();
  client = clientOn(box.address);
  salt = await provisionSrk(client);
});

/** TPMT_SIGNATURE of ECDSA and SHA-256, checked by OpenSSL. */
function verified(key: { readonly x: Uint8Array; readonly y: Uint8Array }, message: Uint8Array, bytes: Uint8Array) {
  const reader = new TpmReader(bytes);
  expect([reader.u16(), reader.u16()]).toEqual([TPM_ALG.ECDSA, TPM_ALG.SHA256]);
  const pad = (part: Uint8Array): Uint8Array => concatBytes(new Uint8Array(32 - part.length), part);
  const signature = concatBytes(pad(reader.sized()), pad(reader.sized()));
  expect(reader.ended).toBe(true);
  const jwk = { kty: 'EC', crv: 'P-256', x: base64url(pad(key.x)), y: base64url(pad(key.y)) };
  const publicKey = createPublicKey({ key: jwk, format: 'jwk' });
  return verify('sha256', message, { key: publicKey, dsaEncoding: 'ieee-p1363' }, signature);
}

function eccPoint(object: { readonly area: { readonly type: string } }) {
  const { area } = object as { area: { type: string; unique: { x: Uint8Array; y: Uint8Array } } };
  expect(area.type).toBe('ecc');
  return area.unique;
}

test('a TPM that firmware started says so, and tells its properties', async () => {
  await client.run(async (tpm) => {
    expect(await Startup(tpm, 'clear')).toBe(false);
    const properties = await getProperties(tpm, 0x100);
    expect(properties.get(TPM_PT.MAX_RESPONSE_SIZE)).toBe(4096);
    expect(properties.get(TPM_PT.MANUFACTURER)).toBe(0x49424d00); // "IBM"
    expect(await getHandles(tpm, TPM_HT.PERSISTENT)).toContain(EK_P384_HANDLE);
    expect(await getPcrBanks(tpm)).toEqual([
      { hashAlg: TPM_ALG.SHA256, pcrs: Array.from({ length: 24 }, (_, i) => i) },
    ]);
  });
});

test('random bytes come in any number, each time others', async () => {
  await protectedRun(client, salt, async (tpm) => {
    const [a, b] = [await GetRandom(tpm, 100), await GetRandom(tpm, 100)];
    expect([a.length, b.length]).toEqual([100, 100]);
    expect(hex(a)).not.toBe(hex(b));
  });
});

test('primary keys are the same each time, and have the Name of their public area', async () => {
  const names = await protectedRun(client, salt, async (tpm) => {
    const found: string[] = [];
    for (const template of [AK, AK, SIGNER]) {
      const { object, creation } = await CreatePrimary(tpm, ENDORSEMENT, template, { outsideInfo: fill(7) });
      expect(hex(object.name)).toBe(hex(objectName(nodeTpmCrypto, object.area)));
      const data = parseCreationData(creation.data);
      expect(data.ok && hex(data.value.outsideInfo)).toBe(hex(fill(7)));
      found.push(hex(object.name));
      await FlushContext(tpm, object);
    }
    return found;
  });
  expect(names[0]).toBe(names[1]);
  expect(names[2]).not.toBe(names[0]);
});

test('the template of the EK gives the key that the manufacturer made persistent', async () => {
  await protectedRun(client, salt, async (tpm) => {
    const { object } = await ReadPublic(tpm, EK_P384_HANDLE);
    const made = await CreatePrimary(tpm, ENDORSEMENT, EK_P384);
    expect(hex(made.object.name)).toBe(hex(object.name));
    const other = await CreatePrimary(tpm, ENDORSEMENT, EK_P256);
    expect(other.object.area.authPolicy).toEqual(EK_P256.authPolicy);
  });
});

test('an object is kept under a persistent handle, and removed', async () => {
  await protectedRun(client, salt, async (tpm) => {
    const { object } = await CreatePrimary(tpm, ENDORSEMENT, AK);
    const handle = 0x8101_0100;
    await EvictControl(tpm, OWNER, object, handle);
    const kept = await ReadPublic(tpm, handle, object.name);
    expect(await getHandles(tpm, TPM_HT.PERSISTENT)).toContain(handle);
    await EvictControl(tpm, OWNER, kept.object, handle);
    expect(await getHandles(tpm, TPM_HT.PERSISTENT)).not.toContain(handle);
  });
});

test('signatures of every kind verify under OpenSSL', async () => {
  await protectedRun(client, salt, async (tpm) => {
    const signer = (await CreatePrimary(tpm, ENDORSEMENT, SIGNER)).object;
    const digest = nodeTpmCrypto.hash(TPM_ALG.SHA256, utf8('message'));
    expect(verified(eccPoint(signer), utf8('message'), await Sign(tpm, signer, digest))).toBe(true);
    expect(verified(eccPoint(signer), utf8('another'), await Sign(tpm, signer, digest))).toBe(false);
    const ak = (await CreatePrimary(tpm, ENDORSEMENT, AK)).object;
    const qualifying = fill(9);
    const pcrs = [{ hashAlg: TPM_ALG.SHA256, pcrs: [0, 7, 16] }];
    for (const { attest, signature } of [
      await Quote(tpm, ak, qualifying, pcrs),
      await Certify(tpm, signer, ak, qualifying),
      await GetTime(tpm, ENDORSEMENT, ak, qualifying),
    ]) {
      expect(verified(eccPoint(ak), attest, signature)).toBe(true);
      expect(Buffer.from(attest).includes(Buffer.from(qualifying))).toBe(true);
    }
  });
});

test('creation is certified with what was said outside', async () => {
  await protectedRun(client, salt, async (tpm) => {
    const parent = { handle: SRK_HANDLE, name: salt.pinnedName };
    const made = await Create(tpm, parent, SIGNER, { outsideInfo: fill(3) });
    const child = await Load(tpm, parent, made);
    const ak = (await CreatePrimary(tpm, ENDORSEMENT, AK)).object;
    const { attest, signature } = await CertifyCreation(tpm, ak, child, fill(4), made.creation);
    expect(verified(eccPoint(ak), attest, signature)).toBe(true);
    expect(Buffer.from(attest).includes(Buffer.from(made.creation.hash))).toBe(true);
  });
});

test('a counter counts, is certified, and goes on from its value after being defined anew', async () => {
  await protectedRun(client, salt, async (tpm) => {
    const area = counterNvPublic(COUNTER_INDEX);
    await NV_DefineSpace(tpm, OWNER, area);
    const fresh = await NV_ReadPublic(tpm, COUNTER_INDEX);
    expect(hex(fresh.name)).toBe(hex(nvName(nodeTpmCrypto, area)));
    await NV_Increment(tpm, fresh, fresh);
    const index = await NV_ReadPublic(tpm, COUNTER_INDEX);
    expect(hex(index.name)).toBe(hex(nvName(nodeTpmCrypto, writtenNvPublic(area))));
    const first = await nvReadCounter(tpm, index, index);
    await NV_Increment(tpm, index, index);
    expect(await nvReadCounter(tpm, index, index)).toBe(first + 1n);
    const ak = (await CreatePrimary(tpm, ENDORSEMENT, AK)).object;
    const { attest, signature } = await NV_Certify(tpm, ak, index, index, fill(5), { sizeBytes: 8 });
    expect(attest).toHaveLength(149);
    expect(verified(eccPoint(ak), attest, signature)).toBe(true);
    await NV_UndefineSpace(tpm, OWNER, index);
    await NV_DefineSpace(tpm, OWNER, area);
    await NV_Increment(tpm, fresh, fresh);
    const again = await NV_ReadPublic(tpm, COUNTER_INDEX);
    expect(await nvReadCounter(tpm, again, again)).toBe(first + 2n);
    await NV_UndefineSpace(tpm, OWNER, again);
  });
});

test('an EK certificate is read from NV piece by piece', async () => {
  await protectedRun(client, salt, async (tpm) => {
    const index = await NV_ReadPublic(tpm, EK_CERT_INDEX);
    const certificate = await nvReadAll(tpm, OWNER, index);
    expect(certificate.length).toBeGreaterThan(512);
    expect(box.ekCertificates.some((made) => equalBytes(Uint8Array.from(made.der), certificate))).toBe(true);
    expect(await NV_Read(tpm, OWNER, index, { sizeBytes: 4, offsetBytes: 1 })).toEqual(certificate.slice(1, 5));
  });
});

test('PCRs are read in one moment, more than eight too, and extended', async () => {
  await protectedRun(client, salt, async (tpm) => {
    const all = { hashAlg: TPM_ALG.SHA256, pcrs: Array.from({ length: 24 }, (_, i) => i) };
    const before = await PCR_Read(tpm, all);
    expect(before).toHaveLength(24);
    await PCR_Extend(tpm, 16, [{ hashAlg: TPM_ALG.SHA256, digest: fill(1) }]);
    const after = await PCR_Read(tpm, all);
    const extended = nodeTpmCrypto.hash(TPM_ALG.SHA256, concatBytes(before[16] ?? fill(0), fill(1)));
    expect(hex(after[16] ?? fill(0))).toBe(hex(extended));
    expect(after.filter((value, i) => hex(value) !== hex(before[i] ?? fill(0)))).toHaveLength(1);
  });
});

test('the clock runs, and is set forward only', async () => {
  await protectedRun(client, salt, async (tpm) => {
    const before = await ReadClock(tpm);
    await ClockSet(tpm, OWNER, before.clockMs + 60_000n);
    const after = await ReadClock(tpm);
    expect(after.clockMs).toBeGreaterThanOrEqual(before.clockMs + 60_000n);
    expect(after.timeMs).toBeLessThan(before.timeMs + 60_000n);
    expect(after.resetCount).toBe(before.resetCount);
  });
});

test('after a clean stop the clock is safe', async () => {
  const own = await makeTpm();
  const users = clientOn(own.address);
  await users.run((tpm) => Shutdown(tpm, 'clear'));
  await users.close();
  await own.powerCut();
  const next = clientOn(own.address);
  expect((await next.run((tpm) => ReadClock(tpm))).safe).toBe(true);
  await expectNothingLoaded(next);
});

test('nothing stays loaded after all this', () => expectNothingLoaded(client));
