import { afterAll, beforeAll, expect, test } from 'vitest';
import { base64, hex, unbase64 } from '../../../src/base/bytes.ts';
import { portableCrypto } from '../../../src/evidence/portable-crypto.ts';
import { parsePolicy } from '../../../src/evidence/verify/policy.ts';
import { recordHash, verifyEnrolmentRecord, verifyEnrolmentSummary } from '../../../src/evidence/wire/enrolment.ts';
import type { Envelope } from '../../../src/evidence/wire/envelope.ts';
import { formatEnrolment, parseEnrolment } from '../../../src/evidence/wire/messages.ts';
import { nodeCrypto } from '../../../src/platform/node-crypto.ts';
import { nodeTpmCrypto } from '../../../src/platform/tpm-crypto.ts';
import { readGateway } from '../../../src/risk/enrolment/gateway-book.ts';
import { policyText } from '../../../src/risk/enrolment/policy.ts';
import { nvName } from '../../../src/tpm2/nv-public.ts';
import { TestBox } from '../../support/test-box.ts';
import { makeBench, makeVendors, type Vendors } from './bench.ts';

let vendors: Vendors;

beforeAll(() => {
  vendors = makeVendors();
});

afterAll(() => vendors.dir.remove());

function present<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('nothing');
  return value;
}

test.each(['P-256', 'P-384'] as const)('a sound box with an EK of %s is enrolled as hardware', async (curve) => {
  const bench = await makeBench(vendors);
  const box = vendors.certified(new TestBox('gw-0001', curve));
  const outcome = await bench.enrol(box);
  expect(outcome.state).toBe('enrolled');
  for (const crypto of [nodeCrypto, portableCrypto()]) {
    const record = verifyEnrolmentRecord(crypto, present(outcome.record), bench.key.vkey);
    if (!record.ok) throw new Error(record.detail);
    expect(record.value).toMatchObject({ gateway: 'gw-0001', class: 'hardware', log: box.log.vkey });
    expect(record.value.tpm).toMatchObject({
      ak: base64(box.ak.spki),
      counter: hex(nvName(nodeTpmCrypto, box.counterPublic)),
      counter_value: 5,
      ek_cert: base64(box.ekCert),
      firmware: '0007005500000000',
      login: base64(box.login.spki),
      manufacturer: '49465800',
      model: 'SLB9672',
      pcr_select: 'ff0000',
      reset_count: 4,
      srk: hex(box.srkName),
    });
  }
});

test('the summary names the record and holds nothing that follows the chip elsewhere', async () => {
  const bench = await makeBench(vendors);
  const box = vendors.certified(new TestBox('gw-0001'));
  const { record, summary } = await bench.enrol(box);
  const read = verifyEnrolmentSummary(nodeCrypto, present(summary), bench.key.vkey);
  if (!read.ok) throw new Error(read.detail);
  expect(read.value.record).toBe(recordHash(nodeCrypto, present(record).payload));
  expect(Object.keys(read.value.tpm ?? {}).sort()).toEqual([
    'ak',
    'counter',
    'counter_value',
    'firmware',
    'manufacturer',
    'reset_count',
    'restart_count',
  ]);
  const text = Buffer.from(present(summary).payload).toString();
  for (const hidden of [base64(box.ekCert), base64(box.login.spki), hex(box.srkName)])
    expect(text).not.toContain(hidden);
  expect(text).toContain(base64(box.ak.spki));
});

test('the record fits into the retained message', async () => {
  const bench = await makeBench(vendors);
  const { record } = await bench.enrol(vendors.certified(new TestBox('gw-0001')));
  const bytes = formatEnrolment({ record: present(record), successors: [] });
  expect(parseEnrolment(bytes)).toMatchObject({
    ok: true,
    value: { record: { payloadType: present(record).payloadType } },
  });
});

test('a box of an emulated TPM is enrolled as such, and unknown makers are never hardware', async () => {
  const bench = await makeBench(vendors);
  const cloud = vendors.certified(new TestBox('gw-0002'), vendors.emulatedRoot);
  const read = verifyEnrolmentRecord(nodeCrypto, present((await bench.enrol(cloud)).record), bench.key.vkey);
  expect(read).toMatchObject({ ok: true, value: { class: 'emulated' } });
  const nobody = new TestBox('gw-0003');
  nobody.ekCert = vendors.ca.certificate({
    publicKey: nobody.ekKey,
    issuer: vendors.root,
    extensions: [
      'extendedKeyUsage=2.23.133.8.1',
      'subjectAltName=critical,dirName:n',
      'keyUsage=critical,keyAgreement',
    ],
    sections: '[n]\n0.2.23.133.2.1=id:5A5A5A5A\n0.2.23.133.2.2=m\n0.2.23.133.2.3=id:1\n',
  });
  const other = verifyEnrolmentRecord(nodeCrypto, present((await bench.enrol(nobody)).record), bench.key.vkey);
  expect(other).toMatchObject({ ok: true, value: { class: 'emulated' } });
});

test('a box with software keys is enrolled at A0, where that is allowed', async () => {
  const bench = await makeBench(vendors);
  const box = new TestBox('gw-0001');
  const challenge = await bench.begin(await bench.token('gw-0001'), box.softwareRequest());
  if (!challenge.ok) throw new Error(challenge.reason);
  expect(challenge.value.credential).toBeUndefined();
  const outcome = await bench.answer(box, challenge.value);
  if (!outcome.ok) throw new Error(outcome.reason);
  const read = verifyEnrolmentRecord(nodeCrypto, present(outcome.value.record), bench.key.vkey);
  expect(read).toMatchObject({ ok: true, value: { class: 'software' } });
  expect(read.ok && 'tpm' in read.value).toBe(false);
});

test('the policy names AK, counter and class of each TPM', async () => {
  const bench = await makeBench(vendors);
  const hardware = vendors.certified(new TestBox('gw-0001'));
  const emulated = vendors.certified(new TestBox('gw-0002'), vendors.emulatedRoot);
  const { record } = await bench.enrol(hardware);
  await bench.enrol(emulated);
  const states = await Promise.all(['gw-0001', 'gw-0002'].map((gateway) => readGateway(bench.store, gateway)));
  const text = policyText(nodeCrypto, states, { witnesses: [], least_level: 'A2' });
  const policy = parsePolicy(nodeCrypto, Buffer.from(text));
  if (!policy.ok) throw new Error(JSON.stringify(policy.problems));
  expect(policy.value.leastLevel).toBe('A2');
  const log = policy.value.logs.get(hardware.log.vkey.name);
  expect(log?.ak).toEqual(hardware.ak.spki);
  expect(log?.tpmClass).toBe('hardware');
  expect(hex(log?.enrolment ?? new Uint8Array(0))).toBe(hex(nodeCrypto.sha256(present(record).payload)));
  expect(policy.value.logs.get(emulated.log.vkey.name)?.tpmClass).toBe('emulated');
  expect(
    parsePolicy(nodeCrypto, Buffer.from(policyText(nodeCrypto, [], { witnesses: [], least_level: 'A0' }))).ok,
  ).toBe(true);
});

test('no byte of a record or of its signature can change', async () => {
  const bench = await makeBench(vendors);
  const { record } = await bench.enrol(vendors.certified(new TestBox('gw-0001')));
  const whole = present(record);
  const [signature] = whole.signatures;
  expect(verifyEnrolmentRecord(nodeCrypto, whole, bench.key.vkey).ok).toBe(true);
  const flipped = (bytes: Uint8Array, at: number) => Uint8Array.from(bytes, (byte, i) => (i === at ? byte ^ 1 : byte));
  for (let at = 0; at < whole.payload.length; at += 7) {
    const changed: Envelope = { ...whole, payload: flipped(whole.payload, at) };
    expect(verifyEnrolmentRecord(nodeCrypto, changed, bench.key.vkey)).toMatchObject({
      ok: false,
      reason: 'signature',
    });
  }
  for (let at = 0; at < 64; at += 1) {
    const sig = flipped(signature?.sig ?? new Uint8Array(0), at);
    const changed = { ...whole, signatures: [{ keyid: signature?.keyid ?? '', sig }] };
    expect(verifyEnrolmentRecord(nodeCrypto, changed, bench.key.vkey).ok).toBe(false);
  }
  const { key } = await import('../../../src/risk/enrolment/service-key.ts').then(({ openServiceKey }) =>
    openServiceKey(nodeCrypto, vendors.dir.file('other.key'), 'enrolment.lockers.example'),
  );
  expect(verifyEnrolmentRecord(nodeCrypto, whole, key.vkey)).toMatchObject({ ok: false, reason: 'key' });
  expect(verifyEnrolmentSummary(nodeCrypto, whole, bench.key.vkey)).toMatchObject({ ok: false, reason: 'record' });
});

test('escrowed authorisations are kept with the record, and asked for only when there is a key for them', async () => {
  const bench = await makeBench(vendors, { rules: { escrowKey: 'MCowBQYDK2VuAyEA' } });
  const box = vendors.certified(new TestBox('gw-0001'));
  const sealed = nodeTpmCrypto.randomBytes(80);
  const challenge = await bench.challenge(box);
  expect(challenge.escrow_key).toBe('MCowBQYDK2VuAyEA');
  const outcome = await bench.answer(box, challenge, box.answer(challenge, {}, { escrow: base64(sealed) }));
  expect(outcome.ok).toBe(true);
  const { escrows } = await readGateway(bench.store, 'gw-0001');
  expect(unbase64(present(escrows[0]).escrow)).toEqual(sealed);
});
