/** The journal of a box that was enrolled: its record outside, and what its AK says of the logs that follow. */
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { LatchkeyError } from '../../../src/base/errors.ts';
import { pae } from '../../../src/evidence/batch/pae.ts';
import { logVkey, type Vkey } from '../../../src/evidence/log/note.ts';
import { type BelievedLog, believedLogs } from '../../../src/evidence/verify/trust.ts';
import {
  attestedSuccessor,
  isAttestedStatement,
  successorDigest,
  verifyAttestedSuccessor,
} from '../../../src/evidence/wire/attested-successor.ts';
import { ENROLMENT_RECORD_TYPE, enrolmentEnvelope, recordPayload } from '../../../src/evidence/wire/enrolment.ts';
import { type Envelope, formatEnvelope } from '../../../src/evidence/wire/envelope.ts';
import { formatEnrolment, parseEnrolment } from '../../../src/evidence/wire/messages.ts';
import { nodeCrypto } from '../../../src/platform/node-crypto.ts';
import { formatAttest } from '../../../src/tpm2/attest.ts';
import { seedOf, TestKey } from '../../support/test-log.ts';
import { TestTpm } from '../../support/test-tpm.ts';
import { until } from '../../support/until.ts';
import { Box, GATEWAY } from './box.ts';

const tpm = new TestTpm('enrolled');
const service = new TestKey(seedOf('service'));
const serviceVkey = logVkey(nodeCrypto, 'enrolment.lockers.example', service.publicKey);
let isAway = false;
let box: Box;

beforeEach(async () => {
  isAway = false;
  box = new Box();
  await box.start();
  await box.record(2);
  const { vkey } = box.journal.log();
  await box.stop();
  box.enrolment = {
    record: recordOf(vkey, '2026-01-01T00:00:00.000Z'),
    service: serviceVkey,
    issued: '2026-01-01T00:00:00.000Z',
    attesting: { ak: tpm.ak.spki, attest: quoted },
  };
  await box.start();
});
afterEach(() => box.end());

function recordOf(log: Vkey, issued: string, key = service): Envelope {
  const record = { gateway: GATEWAY, log, class: 'software', issued, challenge: 'A'.repeat(22) } as const;
  const payload = recordPayload(record);
  return enrolmentEnvelope(ENROLMENT_RECORD_TYPE, payload, serviceVkey, key.sign(pae(ENROLMENT_RECORD_TYPE, payload)));
}

async function quoted(payload: Uint8Array, by = tpm): Promise<Envelope> {
  if (isAway) throw new LatchkeyError('TPM_UNAVAILABLE', 'the TPM is away');
  const pcrs = { kind: 'quote', selections: [], pcrDigest: new Uint8Array(32) } as const;
  const attest = formatAttest(by.attest(successorDigest(nodeCrypto, payload), pcrs));
  return attestedSuccessor(nodeCrypto, payload, by.ak.spki, by.sign(attest));
}

async function said() {
  const payload = await box.journal.outbox.enrolment();
  const parsed = payload && parseEnrolment(payload);
  if (!parsed?.ok) throw new Error('no enrolment is said');
  return parsed.value;
}

/** What a verifier believes whose policy names the enrolled log alone. */
async function believed(origin: string): Promise<ReadonlyMap<string, BelievedLog>> {
  const { vkey } = box.journal.log(origin);
  const { spki: ak } = tpm.ak;
  const row = { vkey, ak, counter: 'c', tpmClass: 'hardware', enrolment: new Uint8Array(32) } as const;
  const policy = { logs: new Map([[origin, row]]), witnesses: [], successors: [], leastLevel: 'A0' } as const;
  return believedLogs(nodeCrypto, policy, { statements: (await said()).successors }).logs;
}

test('the record goes out by itself, and each statement has the word of the log key and of the AK', async () => {
  const first = box.journal.origin();
  await box.compare();
  expect(await said()).toEqual({ record: box.enrolment?.record, successors: [] });
  await box.journal.rotate();
  await box.journal.rotate();
  const { successors } = await said();
  expect(successors.map(isAttestedStatement)).toEqual([false, true, false, true]);
  const logs = await believed(first);
  const last = logs.get(box.journal.origin());
  expect(last).toMatchObject({ attested: true, tpmClass: 'hardware', counter: 'c' });
  expect(last?.disputed).toBeUndefined();
  // A restart knows them from its disk and makes none anew.
  await box.restart();
  await box.compare();
  expect((await said()).successors).toHaveLength(4);
});

test('while the TPM is away the log key speaks alone, and the AK adds its word when it is back', async () => {
  await box.compare();
  isAway = true;
  const first = box.journal.origin();
  await box.journal.rotate();
  await box.record(1);
  await box.send();
  expect(box.consumer.used.size).toBeGreaterThan(0);
  expect((await said()).successors.map(isAttestedStatement)).toEqual([false]);
  expect((await believed(first)).get(box.journal.origin())?.attested).toBeUndefined();
  isAway = false;
  await until('the word of the AK', () => {
    box.scheduler.advance(50);
    return box.journal.statements().some(isAttestedStatement);
  });
  expect((await believed(first)).get(box.journal.origin())).toMatchObject({ attested: true });
  const { pending } = box.scheduler;
  await said();
  expect(box.scheduler.pending).toBe(pending);
});

test('a log whose predecessor lost its key has the word of the AK alone, and is believed', async () => {
  const first = box.journal.origin();
  await box.compare();
  await box.stop();
  for (const file of readdirSync(join(box.dir, 'keys'))) rmSync(join(box.dir, 'keys', file));
  await box.start();
  await box.compare();
  const { successors } = await said();
  expect(successors.map(isAttestedStatement)).toEqual([true]);
  expect((await believed(first)).get(box.journal.origin())).toMatchObject({ vouchedBy: first, attested: true });
});

test('a newer record outside stands; an older one, or one that our service did not sign, does not', async () => {
  const { vkey } = box.journal.log();
  const own = box.enrolment?.record;
  const newer = recordOf(vkey, '2026-02-01T00:00:00.000Z');
  const older = recordOf(vkey, '2025-12-01T00:00:00.000Z');
  const forged = recordOf(vkey, '2027-01-01T00:00:00.000Z', new TestKey(seedOf('forger')));
  for (const [outside, expected] of [
    [older, own],
    [forged, own],
    [newer, newer],
  ] as const) {
    box.broker.set('enrolment', formatEnrolment({ record: outside, successors: [] }));
    await box.restart();
    await box.compare();
    const { record } = await said();
    expect(record && formatEnvelope(record)).toBe(expected && formatEnvelope(expected));
  }
});

test('no bit of a quoted statement can change, and another AK, purpose or log says nothing', async () => {
  await box.compare();
  const first = box.journal.origin();
  await box.journal.rotate();
  const attested = (await said()).successors.find(isAttestedStatement);
  if (attested === undefined) throw new Error('the AK said nothing');
  expect(verifyAttestedSuccessor(nodeCrypto, attested, tpm.ak.spki).ok).toBe(true);
  const other = new TestTpm('another');
  expect(verifyAttestedSuccessor(nodeCrypto, attested, other.ak.spki)).toMatchObject({ ok: false, reason: 'key' });
  const [{ keyid, sig } = { keyid: '', sig: new Uint8Array(0) }] = attested.signatures;
  let tried = 0;
  for (let at = 0; at < sig.length; at += 1) {
    const changed = Uint8Array.from(sig);
    changed[at] = (changed[at] ?? 0) ^ (1 << (at % 8));
    const envelope = { ...attested, signatures: [{ keyid, sig: changed }] };
    expect(verifyAttestedSuccessor(nodeCrypto, envelope, tpm.ak.spki).ok).toBe(false);
    tried += 1;
  }
  expect(tried).toBeGreaterThan(150);
  const payload = Uint8Array.from(attested.payload);
  payload[payload.length - 3] = (payload[payload.length - 3] ?? 0) ^ 1;
  expect(verifyAttestedSuccessor(nodeCrypto, { ...attested, payload }, tpm.ak.spki).ok).toBe(false);
  // Somebody else's TPM under our AK's name: the statement is false, and nobody follows it.
  const foreign = await quoted(attested.payload, other);
  const posing = { ...foreign, signatures: [{ keyid, sig: foreign.signatures[0]?.sig ?? sig }] };
  expect(verifyAttestedSuccessor(nodeCrypto, posing, tpm.ak.spki)).toMatchObject({ ok: false, reason: 'signature' });
  const { vkey } = box.journal.log(first);
  const row = { vkey, ak: tpm.ak.spki, counter: 'c', tpmClass: 'hardware', enrolment: new Uint8Array(32) } as const;
  const policy = { logs: new Map([[first, row]]), witnesses: [], successors: [], leastLevel: 'A0' } as const;
  expect(believedLogs(nodeCrypto, policy, { statements: [posing] })).toMatchObject({ badStatements: 1 });
  expect(believedLogs(nodeCrypto, policy, { statements: [posing] }).logs.size).toBe(1);
});
