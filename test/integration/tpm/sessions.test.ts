/** Sessions: salt, encryption on the wire, policies, dictionary attack, authorisations, leaks. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Interposer, startInterposer } from '../../../simulators/tpm/interposer.ts';
import type { SimulatedTpm } from '../../../simulators/tpm/tpm.ts';
import { hex, utf8 } from '../../../src/base/bytes.ts';
import type { TpmClient } from '../../../src/edge/tpm/client.ts';
import { Sign, VerifySignature } from '../../../src/edge/tpm/commands/attest.ts';
import { GetRandom, ReadClock } from '../../../src/edge/tpm/commands/capability.ts';
import { Clear, DictionaryAttackLockReset, HierarchyChangeAuth } from '../../../src/edge/tpm/commands/hierarchy.ts';
import {
  Create,
  type CreatedObject,
  CreatePrimary,
  Load,
  LoadExternal,
  ReadPublic,
  Unseal,
} from '../../../src/edge/tpm/commands/object.ts';
import { PCR_Extend, PCR_Read } from '../../../src/edge/tpm/commands/pcr.ts';
import {
  PolicyAuthorize,
  PolicyAuthValue,
  PolicyCommandCode,
  PolicyGetDigest,
  PolicyOR,
  PolicyPCR,
  PolicySecret,
} from '../../../src/edge/tpm/commands/policy.ts';
import { FlushContext, protect, type SaltKey, StartAuthSession } from '../../../src/edge/tpm/commands/session.ts';
import { permanent } from '../../../src/edge/tpm/entity.ts';
import { Secret } from '../../../src/edge/tpm/secret.ts';
import type { Tpm } from '../../../src/edge/tpm/unit.ts';
import { nodeTpmCrypto } from '../../../src/platform/tpm-crypto.ts';
import { TPM_ALG, TPM_CC, TPM_RH, TPMA_OBJECT } from '../../../src/tpm2/algorithms.ts';
import {
  authorizedDigest,
  emptyPolicy,
  pcrDigest,
  policyAuthorize,
  policyAuthValue,
  policyCommandCode,
  policyOr,
  policyPcr,
  policySecret,
} from '../../../src/tpm2/policy.ts';
import { handleName } from '../../../src/tpm2/public.ts';
import {
  EK_POLICY_A_SHA256,
  EK_POLICY_A_SHA384,
  EK_POLICY_B_SHA384,
  EK_POLICY_C_SHA384,
  sealedTemplate,
  signerTemplate,
} from '../../../src/tpm2/templates.ts';
import { makeTempDir } from '../../support/temp-dir.ts';
import {
  clientOn,
  ENDORSEMENT,
  expectNothingLoaded,
  failureOf,
  fill,
  LOCKOUT,
  makeTpm,
  OWNER,
  protectedRun,
  provisionSrk,
} from './support/bench.ts';

const SHA256 = TPM_ALG.SHA256;
const PCRS = [{ hashAlg: SHA256, pcrs: [14] }];
const NO_POINT = { x: new Uint8Array(0), y: new Uint8Array(0) };

const dir = makeTempDir('tpm-bus');
let box: SimulatedTpm;
let bus: Interposer;
let client: TpmClient;
let salt: SaltKey;
let parent: { readonly handle: number; readonly name: Uint8Array };

beforeAll(async () => {
  box = await makeTpm();
  bus = await startInterposer({ tpm: box.address, socketPath: dir.file('bus.sock') });
  client = clientOn(bus.address);
  salt = await provisionSrk(client);
  parent = { handle: salt.handle, name: salt.pinnedName };
});

afterAll(async () => {
  await bus.close();
  dir.remove();
});

async function policyNow(tpm: Tpm): Promise<Uint8Array> {
  const digest = pcrDigest(nodeTpmCrypto, SHA256, await PCR_Read(tpm, { hashAlg: SHA256, pcrs: [14] }));
  return policyPcr(nodeTpmCrypto, SHA256, emptyPolicy(SHA256), PCRS, digest);
}

/** Unseals by the PCRs as they are. */
async function unsealByPcrs(tpm: Tpm, sealed: CreatedObject, policySalt: SaltKey | 'unsalted'): Promise<Secret> {
  const object = await Load(tpm, parent, sealed);
  const policy = await StartAuthSession(tpm, { type: 'policy', salt: policySalt });
  await PolicyPCR(tpm, policy, PCRS);
  return Unseal(tpm, { ...object, policy });
}

test('a sealed seed never goes over the wire in clear, in either direction', async () => {
  const seed = nodeTpmCrypto.randomBytes(32);
  const planted = nodeTpmCrypto.randomBytes(32);
  const sealed = await protectedRun(client, salt, async (tpm) => {
    const options = { data: new Secret(seed), outsideInfo: planted };
    return Create(tpm, parent, sealedTemplate(await policyNow(tpm)), options);
  });
  // In the unit's session; and in a policy session of its own salt.
  const first = await protectedRun(client, salt, (tpm) => unsealByPcrs(tpm, sealed, 'unsalted'));
  const second = await client.run((tpm) => unsealByPcrs(tpm, sealed, salt));
  expect([hex(first.reveal()), hex(second.reveal())]).toEqual([hex(seed), hex(seed)]);
  expect(bus.saw(planted)).toBe(true);
  expect(bus.saw(seed)).toBe(false);
  // That the search would find it: without any salt the TPM answers in clear.
  const bare = await client.run((tpm) => unsealByPcrs(tpm, sealed, 'unsalted'));
  expect(hex(bare.reveal())).toBe(hex(seed));
  expect(bus.saw(seed)).toBe(true);
});

test('another state of the PCRs opens nothing, nor does an empty password', async () => {
  const sealed = await protectedRun(client, salt, async (tpm) =>
    Create(tpm, parent, sealedTemplate(await policyNow(tpm)), { data: new Secret(fill(1)) }),
  );
  await protectedRun(client, salt, async (tpm) => {
    await PCR_Extend(tpm, 14, [{ hashAlg: SHA256, digest: fill(2) }]);
    expect(await failureOf(unsealByPcrs(tpm, sealed, 'unsalted'))).toMatchObject({
      code: 'TPM_REFUSED',
      rc: { code: 0x99d, name: 'POLICY_FAIL', about: { kind: 'session', number: 1 } },
    });
  });
  await protectedRun(client, salt, async (tpm) => {
    const object = await Load(tpm, parent, sealed);
    expect(await failureOf(Unseal(tpm, object))).toMatchObject({ rc: { code: 0x12f, name: 'AUTH_UNAVAILABLE' } });
  });
});

test('the digests that a TPM computes are those of the software, and of the EK profile', async () => {
  await protectedRun(client, salt, async (tpm) => {
    const session = await StartAuthSession(tpm, { type: 'trial', salt: 'unsalted' });
    let digest = await policyNow(tpm);
    await PolicyPCR(tpm, session, PCRS);
    expect(hex(await PolicyGetDigest(tpm, session))).toBe(hex(digest));
    await PolicySecret(tpm, ENDORSEMENT, session, utf8('ref'));
    digest = policySecret(nodeTpmCrypto, SHA256, digest, handleName(TPM_RH.ENDORSEMENT), utf8('ref'));
    expect(hex(await PolicyGetDigest(tpm, session))).toBe(hex(digest));
    await PolicyCommandCode(tpm, session, 'Unseal');
    digest = policyCommandCode(nodeTpmCrypto, SHA256, digest, TPM_CC.Unseal);
    expect(hex(await PolicyGetDigest(tpm, session))).toBe(hex(digest));
    await PolicyAuthValue(tpm, session);
    digest = policyAuthValue(nodeTpmCrypto, SHA256, digest);
    expect(hex(await PolicyGetDigest(tpm, session))).toBe(hex(digest));
    await PolicyOR(tpm, session, [fill(1), digest, fill(3)]);
    expect(hex(await PolicyGetDigest(tpm, session))).toBe(
      hex(policyOr(nodeTpmCrypto, SHA256, [fill(1), digest, fill(3)])),
    );
  });
  const endorsement = handleName(TPM_RH.ENDORSEMENT);
  expect(hex(policySecret(nodeTpmCrypto, SHA256, emptyPolicy(SHA256), endorsement))).toBe(hex(EK_POLICY_A_SHA256));
  const a384 = policySecret(nodeTpmCrypto, TPM_ALG.SHA384, emptyPolicy(TPM_ALG.SHA384), endorsement);
  expect(hex(a384)).toBe(hex(EK_POLICY_A_SHA384));
  expect(hex(policyOr(nodeTpmCrypto, TPM_ALG.SHA384, [a384, EK_POLICY_C_SHA384]))).toBe(hex(EK_POLICY_B_SHA384));
});

test('a policy that an authority signed later opens what was sealed before', async () => {
  await protectedRun(client, salt, async (tpm) => {
    const authority = (await CreatePrimary(tpm, OWNER, signerTemplate({ x: utf8('authority'), y: fill(0, 0) }))).object;
    const policy = policyAuthorize(nodeTpmCrypto, SHA256, authority.name, utf8('boot'));
    const sealed = await Create(tpm, parent, sealedTemplate(policy), { data: new Secret(fill(8)) });
    await PCR_Extend(tpm, 14, [{ hashAlg: SHA256, digest: fill(3) }]);
    const approved = await policyNow(tpm);
    const digest = authorizedDigest(nodeTpmCrypto, SHA256, approved, utf8('boot'));
    const signature = await Sign(tpm, authority, digest);
    await FlushContext(tpm, authority);

    const external = await LoadExternal(tpm, authority.area, TPM_RH.OWNER);
    expect(hex(external.name)).toBe(hex(authority.name));
    const ticket = await VerifySignature(tpm, external, digest, signature);
    expect(await failureOf(VerifySignature(tpm, external, fill(1), signature))).toMatchObject({
      rc: { name: 'SIGNATURE', about: { kind: 'parameter', number: 2 } },
    });
    await FlushContext(tpm, external);
    const object = await Load(tpm, parent, sealed);
    const session = await StartAuthSession(tpm, { type: 'policy', salt: 'unsalted' });
    await PolicyPCR(tpm, session, PCRS);
    await PolicyAuthorize(tpm, session, { policy: approved, policyRef: utf8('boot'), keyName: authority.name, ticket });
    expect(hex((await Unseal(tpm, { ...object, policy: session })).reveal())).toBe(hex(fill(8)));
  });
});

test('a key that is not the pinned one gets no salt', async () => {
  const others = { ...salt, pinnedName: salt.pinnedName.map((byte, i) => (i === 5 ? byte ^ 1 : byte)) };
  expect(await failureOf(protectedRun(client, others, (tpm) => GetRandom(tpm, 8)))).toMatchObject({
    code: 'TPM_TAMPERED',
    reason: 'pinned_name',
  });
  // The right public area, but another key behind the handle: the TPM and we derive different session keys.
  const shadowed = { ...salt, handle: 0x8101_0016 };
  expect(await failureOf(protectedRun(client, shadowed, (tpm) => GetRandom(tpm, 8)))).toMatchObject({
    code: 'TPM_REFUSED',
  });
});

test('sessions with AES-256 and SHA-384 work as well', async () => {
  await client.run(async (tpm) => {
    await protect(tpm, salt, { authHash: TPM_ALG.SHA384, encryptionBits: 256 });
    expect(await GetRandom(tpm, 32)).toHaveLength(32);
    await ReadClock(tpm);
    const found = await ReadPublic(tpm, salt.handle);
    expect(hex(found.object.name)).toBe(hex(salt.pinnedName));
  });
});

test('an authorisation value is proved, never sent; a wrong one fails without counting where noDA is set', async () => {
  const auth = new Secret(utf8('object password'));
  await protectedRun(client, salt, async (tpm) => {
    const made = await Create(tpm, parent, signerTemplate(NO_POINT), { auth });
    const key = await Load(tpm, parent, made);
    await Sign(tpm, { ...key, auth }, fill(1));
    expect(await failureOf(Sign(tpm, { ...key, auth: new Secret(utf8('wrong')) }, fill(1)))).toMatchObject({
      code: 'TPM_REFUSED',
      rc: { code: 0x9a2, name: 'BAD_AUTH', about: { kind: 'session', number: 1 } },
    });
    // The session goes on after a refusal: its nonces did not roll.
    await Sign(tpm, { ...key, auth }, fill(2));
  });
  expect(bus.saw(auth.reveal())).toBe(false);
  expect(() => JSON.stringify({ auth })).not.toThrow();
  expect(`${JSON.stringify({ auth })} ${auth}`).toBe('{"auth":"[secret]"} [secret]');
});

test('too many wrong authorisations of an object without noDA lock it out until the lockout is reset', async () => {
  const auth = new Secret(utf8('right'));
  await protectedRun(client, salt, async (tpm) => {
    const template = signerTemplate(NO_POINT);
    const guarded = { ...template, attributes: template.attributes & ~TPMA_OBJECT.noDA };
    const key = await Load(tpm, parent, await Create(tpm, parent, guarded, { auth }));
    const wrong = { ...key, auth: new Secret(utf8('wrong')) };
    const codes: number[] = [];
    for (let i = 0; i < 4; i += 1) {
      const failure = await failureOf(Sign(tpm, wrong, fill(1)));
      codes.push((failure as { rc: { code: number } }).rc.code);
    }
    expect(codes).toEqual([0x98e, 0x98e, 0x98e, 0x921]);
    expect(await failureOf(Sign(tpm, { ...key, auth }, fill(1)))).toMatchObject({ code: 'TPM_LOCKOUT' });
    await DictionaryAttackLockReset(tpm, LOCKOUT);
    await Sign(tpm, { ...key, auth }, fill(1));
  });
  // The first such authorisation of a boot was answered with RETRY: the client sent the very same bytes again.
  const at = bus.records.findIndex((record) => record.direction === 'response' && hex(record.bytes).endsWith('0922'));
  expect(at).toBeGreaterThan(0);
  expect(hex(bus.records[at + 1]?.bytes ?? fill(0))).toBe(hex(bus.records[at - 1]?.bytes ?? fill(1)));
});

test('hierarchies get authorisations that are never seen, and Clear takes them away', async () => {
  const own = await makeTpm();
  const bus2 = await startInterposer({ tpm: own.address, socketPath: dir.file('bus2.sock') });
  const users = clientOn(bus2.address);
  const srk = await provisionSrk(users);
  const ownerAuth = new Secret(nodeTpmCrypto.randomBytes(32));
  const lockoutAuth = new Secret(nodeTpmCrypto.randomBytes(32));
  await protectedRun(users, srk, async (tpm) => {
    await HierarchyChangeAuth(tpm, OWNER, ownerAuth);
    await HierarchyChangeAuth(tpm, LOCKOUT, lockoutAuth);
    expect(await failureOf(CreatePrimary(tpm, OWNER, signerTemplate(NO_POINT)))).toMatchObject({
      rc: { name: 'BAD_AUTH' },
    });
    await CreatePrimary(tpm, permanent(TPM_RH.OWNER, ownerAuth), signerTemplate(NO_POINT));
  });
  const lockout = permanent(TPM_RH.LOCKOUT, lockoutAuth);
  await protectedRun(users, srk, async (tpm) => {
    await DictionaryAttackLockReset(tpm, lockout);
    await Clear(tpm, lockout);
    // Every authorisation is empty again.
    await CreatePrimary(tpm, OWNER, signerTemplate(NO_POINT));
  });
  expect(await failureOf(users.run((tpm) => ReadPublic(tpm, srk.handle)))).toMatchObject({
    code: 'TPM_MISSING',
    rc: { code: 0x18b, name: 'HANDLE', about: { kind: 'handle', number: 1 } },
  });
  const anew = await provisionSrk(users);
  expect(hex(anew.pinnedName)).not.toBe(hex(srk.pinnedName));
  await protectedRun(users, anew, async (tpm) => {
    await HierarchyChangeAuth(tpm, LOCKOUT, lockoutAuth);
    expect(await failureOf(Clear(tpm, LOCKOUT))).toMatchObject({ rc: { name: 'AUTH_FAIL' } });
  });
  expect(bus2.saw(ownerAuth.reveal())).toBe(false);
  expect(bus2.saw(lockoutAuth.reveal())).toBe(false);
  await users.close();
  await bus2.close();
});

test('a secret is never sent where nothing encrypts', async () => {
  const asserted = { name: 'AssertionError' };
  const secret = new Secret(fill(1));
  await client.run(async (tpm) => {
    expect(await failureOf(HierarchyChangeAuth(tpm, OWNER, secret))).toMatchObject(asserted);
    expect(await failureOf(Create(tpm, parent, sealedTemplate(fill(0)), { data: secret }))).toMatchObject(asserted);
    expect(await failureOf(Sign(tpm, { ...parent, auth: secret }, fill(0)))).toMatchObject(asserted);
  });
});

test('a fourth session is a defect, not a request to the TPM', async () => {
  await client.run(async (tpm) => {
    for (let i = 0; i < 3; i += 1) await StartAuthSession(tpm, { type: 'policy', salt: 'unsalted' });
    expect(tpm.loaded).toEqual({ objects: 0, sessions: 3 });
    expect(await failureOf(StartAuthSession(tpm, { salt: 'unsalted' }))).toMatchObject({ name: 'AssertionError' });
  });
  await expectNothingLoaded(client);
});

test('two commands at once in one unit are a defect: nonces roll with each', async () => {
  await protectedRun(client, salt, async (tpm) => {
    const both = await Promise.allSettled([GetRandom(tpm, 8), GetRandom(tpm, 8)]);
    expect(both.map((result) => result.status)).toEqual(['fulfilled', 'rejected']);
    await GetRandom(tpm, 8);
  });
});

test('a unit of work that fails leaves nothing loaded', async () => {
  const failure = new Error('in the middle');
  const work = protectedRun(client, salt, async (tpm) => {
    await CreatePrimary(tpm, OWNER, signerTemplate(NO_POINT));
    throw failure;
  });
  expect(await failureOf(work)).toBe(failure);
  await expectNothingLoaded(client);
});

test('a thousand operations leave nothing loaded', async () => {
  const direct = clientOn(bus.address);
  await client.close();
  for (let unit = 0; unit < 100; unit += 1) {
    await protectedRun(direct, salt, async (tpm) => {
      const { object } = await CreatePrimary(tpm, ENDORSEMENT, signerTemplate(NO_POINT));
      for (let i = 0; i < 8; i += 1) await Sign(tpm, object, fill(i));
    }).then(() => undefined);
    if (unit % 10 === 0) await expectNothingLoaded(direct);
  }
  await expectNothingLoaded(direct);
});
