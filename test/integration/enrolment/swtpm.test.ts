/**
 * A whole enrolment with a TPM by another hand (swtpm) and a client by another hand (tpm2-tools): what MakeCredential
 * hides, the TPM gives out, and what the TPM attests, the service believes.
 */
import { createHmac, generateKeyPairSync, sign } from 'node:crypto';
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openSimulatedTpm, type SimulatedTpm } from '../../../simulators/tpm/tpm.ts';
import { base64, concatBytes, hex, unbase64 } from '../../../src/base/bytes.ts';
import { purposeDigest } from '../../../src/evidence/anchor/statement.ts';
import { pae } from '../../../src/evidence/batch/pae.ts';
import { formatVkey, logVkey } from '../../../src/evidence/log/note.ts';
import { originFor } from '../../../src/evidence/log/origin.ts';
import {
  ENROL_STATEMENT_TYPE,
  enrolStatementPayload,
  verifyEnrolmentRecord,
} from '../../../src/evidence/wire/enrolment.ts';
import { nodeCrypto } from '../../../src/platform/node-crypto.ts';
import { nodeTpmCrypto } from '../../../src/platform/tpm-crypto.ts';
import { loadAuthorities } from '../../../src/risk/enrolment/authorities.ts';
import { DenyList } from '../../../src/risk/enrolment/deny-list.ts';
import type { Challenge } from '../../../src/risk/enrolment/messages.ts';
import { TPM_ALG } from '../../../src/tpm2/algorithms.ts';
import { makeCredential } from '../../../src/tpm2/make-credential.ts';
import { counterNvPublic, nvName, writeNvPublic, writtenNvPublic } from '../../../src/tpm2/nv-public.ts';
import { nameOf, objectName, parsePublic, writePublic } from '../../../src/tpm2/public.ts';
import { TpmReader, TpmWriter } from '../../../src/tpm2/wire.ts';
import { makeTempDir, type TempDir } from '../../support/temp-dir.ts';
import { TestCa } from '../../support/test-ca.ts';
import { defineCounter, tpm2 } from '../../support/tpm-tools.ts';
import { type Bench, makeBench, type Vendors } from '../../unit/enrolment/bench.ts';

let dir: TempDir;
let tpm: SimulatedTpm;
let bench: Bench;

const file = (name: string): string => dir.file('box', name);
const bytes = (name: string): Uint8Array => Uint8Array.from(readFileSync(file(name)));
/** Without a resource manager each call leaves its objects behind, of which the TPM holds three. */
const run = async (tool: string, ...args: readonly string[]): Promise<string> => {
  const out = await tpm2(tpm, tool, ...args);
  if (tool !== 'flushcontext') await tpm2(tpm, 'flushcontext', '-t');
  return out;
};
/** tpm2-tools write a TPM2B with its size. */
const sized = (name: string): Uint8Array => new TpmReader(bytes(name)).sized();

const EKS = { ecc384: { handle: '0x81010016' }, rsa: { handle: '0x81010001' } } as const;

beforeAll(async () => {
  dir = makeTempDir('enrol-swtpm');
  mkdirSync(dir.file('box'));
  tpm = await openSimulatedTpm({ dir: dir.file('tpm') });
  for (const kind of ['hardware', 'emulated']) mkdirSync(dir.file('roots', kind), { recursive: true });
  for (const path of vendorCertificates()) cpSync(path, dir.file('roots', 'emulated', `${path.split('/').at(-1)}`));
  bench = await makeBench(vendorsOf());
  await run('createprimary', '-Q', '-C', 'o', '-G', 'ecc', '-c', file('srk.ctx'));
  await run('evictcontrol', '-Q', '-C', 'o', '-c', file('srk.ctx'), '0x81000001');
  await run('readpublic', '-Q', '-c', '0x81000001', '-n', file('srk.name'));
  await primary('ak', 'restricted|sign');
  await primary('login', 'sign');
  await defineCounter(tpm);
});

afterAll(async () => {
  await tpm.stop();
  dir.remove();
});

function vendorCertificates(): readonly string[] {
  return [tpm.vendor.rootPath, tpm.vendor.issuerPath];
}

function vendorsOf(): Vendors {
  const none = { name: '', keyFile: '', certFile: '', pem: '' };
  return {
    dir,
    ca: new TestCa(dir),
    root: none,
    intermediate: none,
    emulatedRoot: none,
    certified: (box) => box,
    trust: async () => ({
      authorities: await loadAuthorities(dir.file('roots')),
      denyList: new DenyList(nodeCrypto, { certificates: [], firmware: [] }),
    }),
  };
}

/** A primary key of the endorsement hierarchy, as FORMAT.md section 5 fixes it. */
async function primary(name: string, use: string): Promise<void> {
  const attributes = `fixedtpm|fixedparent|sensitivedataorigin|userwithauth|noda|${use}`;
  await run(
    'createprimary',
    '-Q',
    '-C',
    'e',
    '-G',
    'ecc256:ecdsa-sha256:null',
    '-a',
    attributes,
    '-c',
    file(`${name}.ctx`),
  );
  await run('readpublic', '-Q', '-c', file(`${name}.ctx`), '-o', file(`${name}.pub`), '-n', file(`${name}.name`));
}

/** TPM2_ActivateCredential under the policy of the EK's template. */
async function activate(ek: keyof typeof EKS, idObject: Uint8Array, secret: Uint8Array): Promise<Uint8Array> {
  const header = Uint8Array.of(0xba, 0xdc, 0xc0, 0xde, 0, 0, 0, 1);
  writeFileSync(file('credential'), concatBytes(header, new TpmWriter().sized(idObject).sized(secret).bytes()));
  const hash = ek === 'rsa' ? 'sha256' : 'sha384';
  await run('startauthsession', '-Q', '--policy-session', '-g', hash, '-S', file('session.ctx'));
  try {
    await run('policysecret', '-Q', '-S', file('session.ctx'), '-c', 'e', '-L', file('policy.a'));
    if (ek === 'ecc384') {
      const policyC =
        'd6032ce61f2fb3c240eb3cf6a33237ef2b6a16f4293c22b455e261cffd217ad5b4947c2d73e63005eed2dc2b3593d165';
      writeFileSync(file('policy.c'), Buffer.from(policyC, 'hex'));
      await run('policyor', '-Q', '-S', file('session.ctx'), `sha384:${file('policy.a')},${file('policy.c')}`);
    }
    const session = `session:${file('session.ctx')}`;
    const keys = ['-c', file('ak.ctx'), '-C', EKS[ek].handle];
    await run('activatecredential', '-Q', ...keys, '-i', file('credential'), '-o', file('secret'), '-P', session);
    return bytes('secret');
  } finally {
    await run('flushcontext', '-l');
    await run('flushcontext', '-s');
  }
}

async function ekPublic(ek: keyof typeof EKS): Promise<Uint8Array> {
  await run('readpublic', '-Q', '-c', EKS[ek].handle, '-o', file(`${ek}.pub`));
  return sized(`${ek}.pub`);
}

describe('MakeCredential in software', () => {
  test.each(['ecc384', 'rsa'] as const)('hides from everybody but the TPM (%s)', async (ek) => {
    const area = parsePublic(await ekPublic(ek));
    if (!area.ok) throw new Error(area.detail);
    const secret = nodeTpmCrypto.randomBytes(32);
    const made = makeCredential(nodeTpmCrypto, area.value, bytes('ak.name'), secret);
    if (!made.ok) throw new Error(made.detail);
    expect(hex(await activate(ek, made.value.idObject, made.value.encryptedSecret))).toBe(hex(secret));
    // For another object's Name it gives nothing out.
    const other = makeCredential(nodeTpmCrypto, area.value, bytes('login.name'), secret);
    if (!other.ok) throw new Error(other.detail);
    await expect(activate(ek, other.value.idObject, other.value.encryptedSecret)).rejects.toThrow(/0x1df|integrity/i);
  });

  test('hides from everybody but the TPM (P-256, template L-2)', async () => {
    await run('createek', '-Q', '-G', 'ecc', '-c', file('ek256.ctx'), '-u', file('ek256.pub'));
    const area = parsePublic(sized('ek256.pub'));
    if (!area.ok) throw new Error(area.detail);
    const secret = nodeTpmCrypto.randomBytes(32);
    const made = makeCredential(nodeTpmCrypto, area.value, bytes('ak.name'), secret);
    if (!made.ok) throw new Error(made.detail);
    const header = Uint8Array.of(0xba, 0xdc, 0xc0, 0xde, 0, 0, 0, 1);
    const { idObject, encryptedSecret } = made.value;
    writeFileSync(
      file('credential'),
      concatBytes(header, new TpmWriter().sized(idObject).sized(encryptedSecret).bytes()),
    );
    await run('startauthsession', '-Q', '--policy-session', '-S', file('session.ctx'));
    await run('policysecret', '-Q', '-S', file('session.ctx'), '-c', 'e');
    const keys = ['-c', file('ak.ctx'), '-C', file('ek256.ctx')];
    await run(
      'activatecredential',
      '-Q',
      ...keys,
      '-i',
      file('credential'),
      '-o',
      file('secret'),
      '-P',
      `session:${file('session.ctx')}`,
    );
    await run('flushcontext', '-l');
    await run('flushcontext', '-s');
    expect(hex(bytes('secret'))).toBe(hex(secret));
  });
});

test.each(['ecc384', 'rsa'] as const)('a gateway with swtpm is enrolled as emulated (%s)', async (ek) => {
  // One box, enrolled twice: another gateway with the same AK would wait for a person.
  const gateway = 'gw-0001';
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  const raw = Uint8Array.from(publicKey.export({ format: 'der', type: 'spki' }).subarray(-32));
  const log = logVkey(nodeCrypto, originFor(nodeCrypto, 'lockers.example', gateway, ek === 'rsa' ? 2 : 1, raw), raw);
  const seed = Uint8Array.from(privateKey.export({ format: 'der', type: 'pkcs8' }).subarray(-32));
  writeFileSync(file('seed'), seed);
  const binding = hex(purposeDigest(nodeCrypto, 'log-key', raw));
  await run('pcrread', '-Q', 'sha256:0', '-o', file('pcr'));
  await run('createpolicy', '-Q', '--policy-pcr', '-l', 'sha256:0', '-L', file('policy'));
  await run(
    ...(['create', '-Q', '-C', '0x81000001', '-i', file('seed'), '-L', file('policy')] as const),
    ...['-a', 'fixedtpm|fixedparent|adminwithpolicy|noda', '-u', file('sealed.pub'), '-r', file('sealed.priv')],
    ...['--creation-data', file('creation.data'), '-d', file('creation.hash'), '-t', file('creation.ticket')],
    ...['-q', binding],
  );
  await run(
    'load',
    '-Q',
    '-C',
    '0x81000001',
    '-u',
    file('sealed.pub'),
    '-r',
    file('sealed.priv'),
    '-c',
    file('sealed.ctx'),
  );
  await run(
    ...(['certifycreation', '-Q', '-C', file('ak.ctx'), '-c', file('sealed.ctx'), '-q', binding] as const),
    ...['-d', file('creation.hash'), '-t', file('creation.ticket'), '-o', file('creation.sig'), '-g', 'sha256'],
    ...['--attestation', file('creation.attest')],
  );
  const cert = tpm.ekCertificates.find(({ kind }) => (kind === 'rsa2048') === (ek === 'rsa'));
  const firmware = await firmwareOf();
  const counterPublic = writtenNvPublic(counterNvPublic(0x0180_0001));
  const tpmPart = {
    ek_cert: base64(cert?.der ?? new Uint8Array(0)),
    ek_public: base64(await ekPublic(ek)),
    ak_public: base64(sized('ak.pub')),
    login_public: base64(sized('login.pub')),
    srk_name: hex(bytes('srk.name')),
    counter_public: base64(writeNvPublic(counterPublic)),
    sealed_public: base64(sized('sealed.pub')),
    creation_data: base64(sized('creation.data')),
    creation_attest: base64(bytes('creation.attest')),
    creation_signature: base64(bytes('creation.sig')),
    properties: { manufacturer: '49424d00', firmware, vendor: 'SW   TPM' },
  };
  const request = { v: 1, gateway, log: formatVkey(log), keys: 'tpm', tpm: tpmPart };
  const begun = await bench.begin(await bench.token(gateway), request);
  if (!begun.ok) throw new Error(begun.reason);
  const answer = await answerOf(begun.value, ek, counterPublic);
  const outcome = await bench.service.answer(
    gateway,
    begun.value.id,
    Uint8Array.from(Buffer.from(JSON.stringify(answer))),
  );
  if (!outcome.ok) throw new Error(outcome.reason);
  const record = outcome.value.record && verifyEnrolmentRecord(nodeCrypto, outcome.value.record, bench.key.vkey);
  expect(record).toMatchObject({
    ok: true,
    value: {
      class: 'emulated',
      tpm: { counter: hex(nvName(nodeTpmCrypto, counterPublic)), manufacturer: '00001014', model: 'swtpm', firmware },
    },
  });

  async function answerOf(challenge: Challenge, kind: keyof typeof EKS, counter: typeof counterPublic) {
    const { id_object = '', encrypted_secret = '' } = challenge.credential ?? {};
    const none = new Uint8Array(0);
    const secret = await activate(kind, unbase64(id_object) ?? none, unbase64(encrypted_secret) ?? none);
    const names = {
      ak: hex(bytes('ak.name')),
      counter: hex(nvName(nodeTpmCrypto, counter)),
      login: hex(bytes('login.name')),
      sealed: hex(nameOf(nodeTpmCrypto, TPM_ALG.SHA256, sized('sealed.pub'))),
      srk: hex(bytes('srk.name')),
    };
    const statement = enrolStatementPayload({ gateway, log, nonce: challenge.nonce, tpm: names });
    const extra = hex(purposeDigest(nodeCrypto, 'enrol', statement));
    await run(
      'quote',
      '-Q',
      '-c',
      file('ak.ctx'),
      '-l',
      'sha256:0,1,2,3,4,5,6,7',
      '-q',
      extra,
      '-m',
      file('q'),
      '-s',
      file('qs'),
      '-g',
      'sha256',
    );
    await run(
      ...([
        'nvcertify',
        '-Q',
        '-C',
        file('ak.ctx'),
        '-c',
        '0x1800001',
        '-g',
        'sha256',
        '-q',
        extra,
        '-o',
        file('ns'),
      ] as const),
      ...['--attestation', file('n'), '--size', '8', '--offset', '0', '0x1800001'],
    );
    return {
      v: 1,
      possession: base64(Uint8Array.from(sign(null, pae(ENROL_STATEMENT_TYPE, statement), privateKey))),
      tpm: {
        proof: base64(Uint8Array.from(createHmac('sha256', secret).update(statement).digest())),
        quote: { attest: base64(bytes('q')), signature: base64(bytes('qs')) },
        counter: { attest: base64(bytes('n')), signature: base64(bytes('ns')) },
      },
    };
  }
});

async function firmwareOf(): Promise<string> {
  const text = await run('getcap', 'properties-fixed');
  const word = (name: string) => new RegExp(`${name}:\\s+raw: 0x([0-9A-Fa-f]+)`).exec(text)?.[1] ?? '';
  const padded = (name: string) => word(name).padStart(8, '0').toLowerCase();
  return padded('TPM2_PT_FIRMWARE_VERSION_1') + padded('TPM2_PT_FIRMWARE_VERSION_2');
}

test('the Name that the service computes is the one that the TPM gives', () => {
  for (const name of ['ak', 'login']) {
    const area = parsePublic(sized(`${name}.pub`));
    if (!area.ok) throw new Error(area.detail);
    expect(hex(objectName(nodeTpmCrypto, area.value))).toBe(hex(bytes(`${name}.name`)));
    expect(hex(writePublic(area.value))).toBe(hex(sized(`${name}.pub`)));
  }
});
