import { generateKeyPairSync, sign } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { base64, utf8, utf8Text } from '../../../src/base/bytes.ts';
import { pae } from '../../../src/evidence/batch/pae.ts';
import type { JsonObject } from '../../../src/evidence/event/event.ts';
import { canonicalJson } from '../../../src/evidence/event/json.ts';
import { logVkey } from '../../../src/evidence/log/note.ts';
import { portableCrypto } from '../../../src/evidence/portable-crypto.ts';
import {
  ENROLMENT_RECORD_TYPE,
  type EnrolmentRecord,
  enrolmentEnvelope,
  enrolStatementPayload,
  recordPayload,
  summaryOf,
  summaryPayload,
  verifyEnrolmentRecord,
} from '../../../src/evidence/wire/enrolment.ts';
import { nodeCrypto } from '../../../src/platform/node-crypto.ts';
import { testLogKey } from '../../support/test-box.ts';

const { publicKey, privateKey } = generateKeyPairSync('ed25519');
const raw = Uint8Array.from(publicKey.export({ format: 'der', type: 'spki' }).subarray(-32));
const service = logVkey(nodeCrypto, 'enrolment.lockers.example', raw);
const log = testLogKey('gw-0001').vkey;
const record: EnrolmentRecord = {
  gateway: 'gw-0001',
  log,
  class: 'emulated',
  issued: '2026-11-22T09:00:00.123Z',
  challenge: 'AAAAAAAAAAAAAAAAAAAAAA',
  tpm: {
    ak: base64(new Uint8Array(91)),
    ak_name: `000b${'11'.repeat(32)}`,
    counter: `000b${'22'.repeat(32)}`,
    counter_value: 41,
    ek_cert: base64(new Uint8Array(700)),
    firmware: '0007005500000000',
    login: base64(new Uint8Array(91)),
    manufacturer: '00001014',
    model: 'swtpm',
    version: 'id:20191023',
    pcr_digest: '33'.repeat(32),
    pcr_select: 'ff0000',
    reset_count: 4,
    restart_count: 0,
    sealed: `000b${'44'.repeat(32)}`,
    srk: `000b${'55'.repeat(32)}`,
  },
};

function signed(payload: Uint8Array, type: string = ENROLMENT_RECORD_TYPE) {
  return enrolmentEnvelope(type, payload, service, Uint8Array.from(sign(null, pae(type, payload), privateKey)));
}

function changed(change: (object: Record<string, unknown>) => void): Uint8Array {
  const object = JSON.parse(utf8Text(recordPayload(record)) ?? '') as Record<string, unknown>;
  change(object);
  return utf8(canonicalJson(object as JsonObject));
}

const reasonOf = (payload: Uint8Array): string => {
  const read = verifyEnrolmentRecord(nodeCrypto, signed(payload), service);
  return read.ok ? 'accepted' : read.reason;
};

test('a record reads back as it was written, in both editions of the primitives', () => {
  for (const crypto of [nodeCrypto, portableCrypto()]) {
    expect(verifyEnrolmentRecord(crypto, signed(recordPayload(record)), service)).toEqual({ ok: true, value: record });
  }
});

describe('under a valid signature', () => {
  test('what a later version may say is kept apart from what is wrong', () => {
    expect(reasonOf(changed(() => undefined))).toBe('accepted');
    expect(reasonOf(changed((object) => Object.assign(object, { v: 2 })))).toBe('unknown_version');
    expect(reasonOf(changed((object) => Object.assign(object, { colour: 'red' })))).toBe('unknown_version');
    expect(reasonOf(changed((object) => Object.assign(object, { class: 'gold' })))).toBe('record');
    expect(reasonOf(changed((object) => Object.assign(object, { class: 'software' })))).toBe('record');
    expect(reasonOf(changed((object) => delete object['tpm']))).toBe('record');
    expect(reasonOf(changed((object) => delete object['issued']))).toBe('record');
    expect(reasonOf(utf8(`${utf8Text(recordPayload(record))} `))).toBe('record');
    const oddBase64 = (object: Record<string, unknown>) =>
      Object.assign(object['tpm'] as object, { ak: `${'A'.repeat(121)}B==` });
    expect(reasonOf(changed(oddBase64))).toBe('record');
  });

  test('a log of another gateway is refused', () => {
    expect(reasonOf(changed((object) => Object.assign(object, { gateway: 'gw-0002' })))).toBe('gateway');
  });
});

test('a summary is not taken for a record, nor under its type', () => {
  const summary = summaryPayload(summaryOf(nodeCrypto, record));
  expect(reasonOf(summary)).toBe('record');
  const statement = enrolStatementPayload({ gateway: 'gw-0001', log, nonce: 'A'.repeat(43) });
  expect(reasonOf(statement)).toBe('record');
  expect(utf8Text(summary)).not.toContain('ek_cert');
});
