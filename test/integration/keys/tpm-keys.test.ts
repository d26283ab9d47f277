/** Keys in a TPM when the TPM, the machine or the folder is not as it was: on real swtpm processes. */
import { generateKeyPairSync } from 'node:crypto';
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startInterposer } from '../../../simulators/tpm/interposer.ts';
import { openSimulatedTpm, type SimulatedTpm } from '../../../simulators/tpm/tpm.ts';
import { base64, hex } from '../../../src/base/bytes.ts';
import { LatchkeyError } from '../../../src/base/errors.ts';
import {
  approve,
  formatPolicyFile,
  type PolicyAuthority,
  readPolicyFile,
} from '../../../src/edge/keys/policy-authority.ts';
import { provisionTpm } from '../../../src/edge/keys/provision-tpm.ts';
import type { TpmBox } from '../../../src/edge/keys/tpm-box.ts';
import { AK_HANDLE, COUNTER_INDEX, SRK_HANDLE } from '../../../src/edge/keys/tpm-identity.ts';
import type { TpmClient } from '../../../src/edge/tpm/client.ts';
import { Clear } from '../../../src/edge/tpm/commands/hierarchy.ts';
import { NV_DefineSpace } from '../../../src/edge/tpm/commands/nv.ts';
import { CreatePrimary, EvictControl } from '../../../src/edge/tpm/commands/object.ts';
import { PCR_Extend, PCR_Read } from '../../../src/edge/tpm/commands/pcr.ts';
import { permanent } from '../../../src/edge/tpm/entity.ts';
import { anchorExtraData, anchorLine, verifyAnchorLine } from '../../../src/evidence/anchor/anchor.ts';
import { startStatement, statementDigest, verifyStatement } from '../../../src/evidence/anchor/statement.ts';
import { nodeCrypto } from '../../../src/platform/node-crypto.ts';
import { nodeTpmCrypto } from '../../../src/platform/tpm-crypto.ts';
import { TPM_ALG, TPM_RH } from '../../../src/tpm2/algorithms.ts';
import { counterNvPublic } from '../../../src/tpm2/nv-public.ts';
import { EK_P256, SRK_P256 } from '../../../src/tpm2/templates.ts';
import { makeTempDir } from '../../support/temp-dir.ts';
import { type TestBox, testBox, testClient } from '../../support/tpm-box.ts';

const OWNER = permanent(TPM_RH.OWNER);
const PCRS = [14, 23];
const limit = (): AbortSignal => AbortSignal.timeout(60_000);

const root = makeTempDir('tpm-keys');
const ends: (() => Promise<unknown>)[] = [];
afterAll(async () => {
  for (const end of ends.reverse()) await end();
  root.remove();
});

let count = 0;

interface Machine {
  readonly tpm: SimulatedTpm;
  readonly client: TpmClient;
  readonly directory: string;
  start(authority?: PolicyAuthority): Promise<TestBox>;
}

async function machine(): Promise<Machine> {
  count += 1;
  const tpm = await openSimulatedTpm({ dir: root.file(`tpm-${count}`), vendorDir: root.file('vendor') });
  const client = testClient(tpm.address);
  ends.push(async () => {
    await client.close();
    await tpm.stop();
  });
  const directory = root.file(`keys-${count}`);
  return { tpm, client, directory, start: (authority) => testBox(client, directory, authority ? { authority } : {}) };
}

async function codeOf(work: Promise<unknown>): Promise<string> {
  try {
    await work;
    return 'resolved';
  } catch (error) {
    return error instanceof LatchkeyError ? error.code : String(error);
  }
}

describe('a key in a TPM', () => {
  let one: Machine;
  let origin: string;
  beforeAll(async () => {
    one = await machine();
    origin = (await (await one.start()).store.create('lockers.example', 'gw-0001', 1)).origin;
  });

  test('outlives power cuts of the TPM', async () => {
    await one.tpm.powerCut();
    expect(await codeOf((await one.start()).store.open(origin))).toBe('resolved');
  });

  test('is no use on another TPM, and is not taken for lost there', async () => {
    const other = await machine();
    const moved = await testBox(other.client, one.directory);
    expect(await codeOf(moved.store.open(origin))).toBe('KEY_LOCKED');
    expect(await moved.store.list()).toEqual([origin]);
  });

  test('is lost when its sealed object is damaged, and only then', async () => {
    const { store } = await one.start();
    const signer = await store.create('lockers.example', 'gw-0001', 2);
    const path = join(one.directory, `${signer.origin.slice(signer.origin.lastIndexOf('/') + 1)}.sealed`);
    const file: { private: string } = JSON.parse(readFileSync(path, 'utf8'));
    const blob = Buffer.from(file.private, 'base64');
    blob[60] = (blob[60] ?? 0) ^ 1;
    writeFileSync(path, JSON.stringify({ ...file, private: blob.toString('base64') }));
    expect(await codeOf((await one.start()).store.open(signer.origin))).toBe('KEY_LOST');
    rmSync(path);
    expect(await codeOf((await one.start()).store.open(origin))).toBe('resolved');
  });

  test('never crosses the wires in clear, neither sealed nor opened', async () => {
    const { tpm, client } = await machine();
    await client.close();
    const bus = await startInterposer({ tpm: tpm.address, socketPath: root.file('bus.sock') });
    ends.push(() => bus.close());
    const watched = testClient(bus.address);
    ends.push(() => watched.close());
    const directory = root.file('keys-watched');
    const seed = nodeTpmCrypto.randomBytes(32);
    const { store } = await testBox(watched, directory, { randomBytes: () => Uint8Array.from(seed) });
    const signer = await store.create('lockers.example', 'gw-0001', 1);
    expect(await codeOf((await testBox(watched, directory)).store.open(signer.origin))).toBe('resolved');
    // The public area is on the bus in clear: the search finds what is there.
    expect(bus.saw(store.sealed(signer.origin).publicArea)).toBe(true);
    expect(bus.saw(seed)).toBe(false);
    for (const name of readdirSync(directory)) {
      const file = readFileSync(join(directory, name));
      for (const text of [Buffer.from(seed), Buffer.from(hex(seed)), Buffer.from(base64(seed))]) {
        expect(file.includes(text)).toBe(false);
      }
    }
  });

  test('is lost with a TPM that was cleared: the pinned AK vouches for what is made anew, and the old pins are kept', async () => {
    const { client, start, directory } = await machine();
    const { store } = await start();
    const signer = await store.create('lockers.example', 'gw-0001', 1);
    await client.run((tpm) => Clear(tpm, permanent(TPM_RH.LOCKOUT)));
    const before = readFileSync(join(directory, 'tpm.json'));
    const { box, store: cleared } = await start();
    const old = box.identity;
    await expect(cleared.open(signer.origin)).rejects.toThrow(/is gone: the TPM that had sealed it was cleared/);
    expect(cleared.isCleared(signer.origin)).toBe(true);
    expect(readFileSync(join(directory, 'tpm.json.cleared-1'))).toEqual(before);
    // TPM2_Clear leaves the endorsement hierarchy; the counter goes on above all that it ever was.
    expect(box.identity.ak.name).toEqual(old.ak.name);
    expect(box.identity.srk.name).not.toEqual(old.srk.name);
    expect(box.identity.counter.first).toBeGreaterThan(old.counter.first);
    const next = await cleared.create('lockers.example', 'gw-0001', 2);
    const again = (await start()).store;
    expect(await codeOf(again.open(next.origin))).toBe('resolved');
    expect(await codeOf(again.open(signer.origin))).toBe('KEY_LOST');
    expect(again.isCleared(next.origin)).toBe(false);
  });
});

describe('the policy of an operator', () => {
  test('opens a key only in an approved state; a new approval opens what was sealed before', async () => {
    const { client, start } = await machine();
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
    const now = () => client.run((tpm) => PCR_Read(tpm, { hashAlg: TPM_ALG.SHA256, pcrs: PCRS }));
    const path = root.file('policy.json');
    const first = approve(nodeTpmCrypto, privateKey, PCRS, await now());
    writeFileSync(path, formatPolicyFile(privateKey, [first]));
    const authority = (): PolicyAuthority => readPolicyFile(path, nodeTpmCrypto);
    const signer = await (await start(authority())).store.create('lockers.example', 'gw-0001', 1);
    await client.run((tpm) => PCR_Extend(tpm, 14, [{ hashAlg: TPM_ALG.SHA256, digest: new Uint8Array(32).fill(7) }]));
    const changed = (await start(authority())).store;
    expect(await codeOf(changed.open(signer.origin))).toBe('KEY_LOCKED');
    await expect(changed.open(signer.origin)).rejects.toThrow(/other software than its operator approved/);
    writeFileSync(path, formatPolicyFile(privateKey, [first, approve(nodeTpmCrypto, privateKey, PCRS, await now())]));
    expect(await codeOf((await start(authority())).store.open(signer.origin))).toBe('resolved');
    // Somebody else's approval of the very same state opens nothing.
    const stranger = generateKeyPairSync('ec', { namedCurve: 'prime256v1' }).privateKey;
    writeFileSync(path, formatPolicyFile(privateKey, [approve(nodeTpmCrypto, stranger, PCRS, await now())]));
    expect(await codeOf((await start(authority())).store.open(signer.origin))).toBe('KEY_LOCKED');
  });

  test.each([
    ['no JSON', '{', /no JSON/],
    ['no approval', JSON.stringify({ v: 1, authority: '', approvals: [] }), /approvals/],
    [
      'an authority that is no key',
      JSON.stringify({
        v: 1,
        authority: 'x',
        approvals: [
          { pcrs: [], policy: Buffer.alloc(32).toString('base64'), signature: Buffer.alloc(64).toString('base64') },
        ],
      }),
      /no P-256 public key/,
    ],
  ])('a policy file with %s is refused by name', (_, text, message) => {
    const path = root.file('bad-policy.json');
    writeFileSync(path, text);
    expect(() => readPolicyFile(path, nodeTpmCrypto)).toThrow(message);
  });
});

describe('provisioning', () => {
  test('a second start finds everything as it was, also when the first was cut before it was written down', async () => {
    const { start, directory } = await machine();
    const first = (await start()).box.identity;
    expect((await start()).box.identity).toEqual(first);
    rmSync(join(directory, 'tpm.json'));
    const again = (await start()).box.identity;
    expect(again).toEqual(first);
  });

  test.each([
    ['SRK', SRK_HANDLE],
    ['AK', AK_HANDLE],
  ])('an object of somebody else at the place of the %s is named and left alone', async (what, handle) => {
    const { client, directory } = await machine();
    await client.run(async (tpm) => {
      // swtpm's maker may have put an SRK there.
      const { object } = await CreatePrimary(tpm, permanent(TPM_RH.ENDORSEMENT), EK_P256);
      if (what === 'AK') return EvictControl(tpm, OWNER, object, handle);
      await tpm.flush(object.handle);
      const other = await CreatePrimary(tpm, OWNER, {
        ...SRK_P256,
        unique: { x: Uint8Array.of(1), y: new Uint8Array(0) },
      });
      await EvictControl(tpm, OWNER, other.object, handle);
    });
    const path = join(directory, 'tpm.json');
    await expect(provisionTpm(client, path, limit())).rejects.toThrow(
      new RegExp(`${what} at 0x${handle.toString(16)}`),
    );
  });

  test('an NV index of somebody else at the place of the counter is named and left alone', async () => {
    const { client, start } = await machine();
    await client.run((tpm) =>
      NV_DefineSpace(tpm, OWNER, { ...counterNvPublic(COUNTER_INDEX), dataSizeBytes: 8, attributes: 0x0204_0004 }),
    );
    await expect(start()).rejects.toThrow(/the anchor counter at 0x1804c01/);
  });

  test('a broken identity file is refused, and nothing is made anew', async () => {
    const { start, directory } = await machine();
    await start();
    writeFileSync(join(directory, 'tpm.json'), '{"v":1}');
    expect(await codeOf(start())).toBe('KEY_LOCKED');
  });
});

describe('what the box has its TPM sign', () => {
  let box: TpmBox;
  beforeAll(async () => {
    box = (await (await machine()).start()).box;
  });

  test('an anchor verifies, and holds for its checkpoint alone', async () => {
    const origin = 'lockers.example/gw-0001/1-00000000';
    const text = `${origin}\n7\n${Buffer.alloc(32, 3).toString('base64')}\n`;
    const before = await box.readCounter(limit());
    const certified = await box.advanceCounter(anchorExtraData(nodeCrypto, text), limit());
    expect(certified.value).toBe(before + 1);
    // Certified again it stands where it stood.
    expect((await box.certifyCounter(anchorExtraData(nodeCrypto, text), limit())).value).toBe(before + 1);
    const line = anchorLine(nodeCrypto, origin, box.akSpki, certified);
    const trust = { ak: box.ak, counter: box.identity.counter.name };
    expect(verifyAnchorLine(nodeCrypto, text, line, trust)).toMatchObject({ ok: true, value: { counter: before + 1 } });
    expect(verifyAnchorLine(nodeCrypto, text.replace('\n7\n', '\n8\n'), line, trust)).toMatchObject({
      ok: false,
      reason: 'checkpoint',
    });
  });

  test('Quote and GetTime at a start verify as statements about that start', async () => {
    const statement = startStatement('lockers.example/gw-0001/1-00000000', 4);
    const extraData = statementDigest(nodeCrypto, 'attested', statement);
    const about = { purpose: 'attested', statement } as const;
    expect(
      verifyStatement(nodeCrypto, await box.quote(extraData, limit()), box.ak, { kind: 'quote', ...about }),
    ).toMatchObject({ ok: true });
    const time = await box.time(extraData, limit());
    expect(verifyStatement(nodeCrypto, time, box.ak, { kind: 'time', ...about })).toMatchObject({ ok: true });
    expect(time.clock.resetCount).toBeGreaterThanOrEqual(0);
  });

  test('a login is an ES256 signature by the login key', async () => {
    const bytes = Buffer.from('header.payload');
    const signature = await box.signLogin(bytes, limit());
    expect(nodeCrypto.verifyEcdsaP256(box.loginSpki, bytes, signature)).toBe(true);
    expect(nodeCrypto.verifyEcdsaP256(box.akSpki, bytes, signature)).toBe(false);
  });
});
