/** Agreement with tpm2-tools, another implementation, on the same TPM. swtpm serves one client at a time. */
import { execFile } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { SimulatedTpm } from '../../../simulators/tpm/tpm.ts';
import { hex, utf8 } from '../../../src/base/bytes.ts';
import { type LogFields, silentLogger } from '../../../src/base/logger.ts';
import type { TpmClient } from '../../../src/edge/tpm/client.ts';
import { Quote, Sign, VerifySignature } from '../../../src/edge/tpm/commands/attest.ts';
import { NV_DefineSpace, NV_Increment, NV_ReadPublic } from '../../../src/edge/tpm/commands/nv.ts';
import {
  ActivateCredential,
  CreatePrimary,
  EvictControl,
  Load,
  ReadPublic,
  Unseal,
} from '../../../src/edge/tpm/commands/object.ts';
import { PolicyOR, PolicySecret } from '../../../src/edge/tpm/commands/policy.ts';
import { StartAuthSession } from '../../../src/edge/tpm/commands/session.ts';
import { nodeTpmCrypto } from '../../../src/platform/tpm-crypto.ts';
import { TPM_ALG } from '../../../src/tpm2/algorithms.ts';
import { makeCredential } from '../../../src/tpm2/make-credential.ts';
import { counterNvPublic, nvName, writtenNvPublic } from '../../../src/tpm2/nv-public.ts';
import { objectName } from '../../../src/tpm2/public.ts';
import { akTemplate, EK_P384, EK_POLICY_A_SHA384, EK_POLICY_C_SHA384 } from '../../../src/tpm2/templates.ts';
import { TpmReader } from '../../../src/tpm2/wire.ts';
import { makeTempDir } from '../../support/temp-dir.ts';
import {
  clientOn,
  ENDORSEMENT,
  expectNothingLoaded,
  failureOf,
  fill,
  makeTpm,
  OWNER,
  protectedRun,
  provisionSrk,
} from './support/bench.ts';

const AK_HANDLE = 0x8101_0200;
const COUNTER = 0x0180_0003;
const AK = akTemplate({ x: utf8('tools ak'), y: new Uint8Array(0) });

let box: SimulatedTpm;
const dir = makeTempDir('tpm-tools');

beforeAll(async () => {
  box = await makeTpm();
});

afterAll(() => dir.remove());

/** Our part; the client lets go of the TPM afterwards. */
async function ours<T>(work: (client: TpmClient) => Promise<T>): Promise<T> {
  const client = clientOn(box.address);
  try {
    return await work(client);
  } finally {
    await client.close();
  }
}

async function tool(name: string, ...args: readonly string[]): Promise<string> {
  const env = { ...process.env, TPM2TOOLS_TCTI: box.tcti };
  const { stdout } = await promisify(execFile)(name, [...args], { env, timeout: 60_000 });
  return stdout;
}

function printedName(text: string): string | undefined {
  return /name: *([0-9a-f]+)/i.exec(text)?.[1]?.toLowerCase();
}

test('tpm2_readpublic and tpm2_nvreadpublic give the Names that we compute', async () => {
  const { ak, index } = await ours(async (client) => {
    const salt = await provisionSrk(client);
    return protectedRun(client, salt, async (tpm) => {
      const { object } = await CreatePrimary(tpm, ENDORSEMENT, AK);
      await EvictControl(tpm, OWNER, object, AK_HANDLE);
      const area = counterNvPublic(COUNTER);
      await NV_DefineSpace(tpm, OWNER, area);
      const fresh = await NV_ReadPublic(tpm, COUNTER);
      await NV_Increment(tpm, fresh, fresh);
      return { ak: objectName(nodeTpmCrypto, object.area), index: nvName(nodeTpmCrypto, writtenNvPublic(area)) };
    });
  });
  expect(printedName(await tool('tpm2_readpublic', '-c', `0x${AK_HANDLE.toString(16)}`))).toBe(hex(ak));
  expect(printedName(await tool('tpm2_nvreadpublic', `0x${COUNTER.toString(16)}`))).toBe(hex(index));
});

test('tpm2_checkquote accepts our Quote, and refuses it for other qualifying data', async () => {
  const { attest, signature } = await ours(async (client) => {
    const salt = await provisionSrk(client);
    return protectedRun(client, salt, async (tpm) => {
      const { object } = await CreatePrimary(tpm, ENDORSEMENT, AK);
      return Quote(tpm, object, fill(0x5a), [{ hashAlg: TPM_ALG.SHA256, pcrs: [0, 1, 7] }]);
    });
  });
  writeFileSync(dir.file('quote.msg'), attest);
  writeFileSync(dir.file('quote.sig'), signature);
  await tool('tpm2_readpublic', '-c', `0x${AK_HANDLE.toString(16)}`, '-f', 'pem', '-o', dir.file('ak.pem'));
  const files = ['-u', dir.file('ak.pem'), '-m', dir.file('quote.msg'), '-s', dir.file('quote.sig'), '-g', 'sha256'];
  await tool('tpm2_checkquote', ...files, '-q', hex(fill(0x5a)));
  await expect(tool('tpm2_checkquote', ...files, '-q', hex(fill(0x5b)))).rejects.toThrow();
});

/** TPM2B_PUBLIC and TPM2B_PRIVATE as tpm2-tools write them. */
function blobs(name: string): { readonly publicArea: Uint8Array; readonly privateBlob: Uint8Array } {
  const [publicArea, privateBlob] = ['pub', 'priv'].map((kind) => {
    const reader = new TpmReader(Uint8Array.from(readFileSync(dir.file(`${name}.${kind}`))));
    const bytes = reader.sized();
    expect(reader.ended).toBe(true);
    return bytes;
  });
  return { publicArea: publicArea ?? fill(0), privateBlob: privateBlob ?? fill(0) };
}

test('objects that tpm2_create made can be loaded and used', async () => {
  await ours((client) => provisionSrk(client));
  writeFileSync(dir.file('data'), 'sealed by another');
  const out = (name: string): string[] => ['-u', dir.file(`${name}.pub`), '-r', dir.file(`${name}.priv`)];
  await tool('tpm2_create', '-C', '0x81000001', '-G', 'ecc256:ecdsa-sha256', ...out('key'));
  await tool('tpm2_create', '-C', '0x81000001', '-i', dir.file('data'), ...out('sealed'));
  await ours(async (client) => {
    const salt = await provisionSrk(client);
    const parent = { handle: salt.handle, name: salt.pinnedName };
    await protectedRun(client, salt, async (tpm) => {
      const key = await Load(tpm, parent, blobs('key'));
      await VerifySignature(tpm, key, fill(1), await Sign(tpm, key, fill(1)));
      const sealed = await Load(tpm, parent, blobs('sealed'));
      expect(new TextDecoder().decode((await Unseal(tpm, sealed)).reveal())).toBe('sealed by another');
    });
    // A changed private part is refused by its parent.
    const damaged = blobs('key');
    damaged.privateBlob[50] = (damaged.privateBlob[50] ?? 0) ^ 1;
    expect(await failureOf(protectedRun(client, salt, (tpm) => Load(tpm, parent, damaged)))).toMatchObject({
      rc: { code: 0x1df, name: 'INTEGRITY', about: { kind: 'parameter', number: 1 } },
    });
    await expectNothingLoaded(client);
  });
});

test('objects that a tool left loaded are cleared up by the next unit of work', async () => {
  // Without a resource manager, tpm2_startauthsession keeps its session in the TPM.
  await tool('tpm2_startauthsession', '-S', dir.file('session.ctx'), '--policy-session');
  const said: unknown[] = [];
  const logger = { ...silentLogger, warn: (fields: LogFields) => said.push(fields) };
  const client = clientOn(box.address, { logger });
  await expectNothingLoaded(client);
  await client.close();
  expect(said).toEqual([{ flushed: 1 }]);
});

test('what MakeCredential wrapped for the EK and the AK comes out of ActivateCredential', async () => {
  await ours(async (client) => {
    const salt = await provisionSrk(client);
    await protectedRun(client, salt, async (tpm) => {
      const ek = (await ReadPublic(tpm, 0x8101_0016)).object;
      expect(ek.area.authPolicy).toEqual(EK_P384.authPolicy);
      const ak = (await CreatePrimary(tpm, ENDORSEMENT, AK)).object;
      const secret = nodeTpmCrypto.randomBytes(32);
      const made = makeCredential(nodeTpmCrypto, ek.area, ak.name, secret);
      if (!made.ok) throw new Error(made.detail);
      const policy = await StartAuthSession(tpm, { type: 'policy', salt: 'unsalted', authHash: TPM_ALG.SHA384 });
      await PolicySecret(tpm, ENDORSEMENT, policy);
      await PolicyOR(tpm, policy, [EK_POLICY_A_SHA384, EK_POLICY_C_SHA384]);
      const found = await ActivateCredential(tpm, ak, { ...ek, policy }, made.value);
      expect(hex(found.reveal())).toBe(hex(secret));
      // Another AK's Name in the credential: this AK does not get it.
      const other = makeCredential(nodeTpmCrypto, ek.area, fill(1, 34), secret);
      if (!other.ok) throw new Error(other.detail);
      await PolicySecret(tpm, ENDORSEMENT, policy);
      await PolicyOR(tpm, policy, [EK_POLICY_A_SHA384, EK_POLICY_C_SHA384]);
      expect(await failureOf(ActivateCredential(tpm, ak, { ...ek, policy }, other.value))).toMatchObject({
        rc: { name: 'INTEGRITY' },
      });
    });
    await expectNothingLoaded(client);
  });
});
