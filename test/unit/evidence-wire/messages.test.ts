import { describe, expect, test } from 'vitest';
import { base64, equalBytes, utf8, utf8Text } from '../../../src/base/bytes.ts';
import type { Result } from '../../../src/base/result.ts';
import { pae } from '../../../src/evidence/batch/pae.ts';
import { formatVkey } from '../../../src/evidence/log/note.ts';
import { type Envelope, envelopeBytes, formatEnvelope, parseEnvelope } from '../../../src/evidence/wire/envelope.ts';
import {
  formatEnrolment,
  formatRequest,
  formatStatus,
  parseEnrolment,
  parseRequest,
  parseStatus,
} from '../../../src/evidence/wire/messages.ts';
import {
  parseSuccessor,
  SUCCESSOR_TYPE,
  successorEnvelope,
  successorPayload,
  verifySuccessor,
} from '../../../src/evidence/wire/successor.ts';
import { nodeCrypto } from '../../../src/platform/node-crypto.ts';
import { FUZZ_RUNS, FUZZ_TIMEOUT_MS, fuzz, mutate, Random } from '../../support/mutate.ts';
import { TestLog } from '../../support/test-log.ts';

const crypto = nodeCrypto;
const old = new TestLog('old').append(utf8('a'), utf8('b'));
const next = new TestLog('next', 'gw-0001', 2);
const { size, root } = old.checkpoint();
const payload = successorPayload({
  gateway: 'gw-0001',
  old: old.origin,
  last: { size, root },
  successor: next.vkey,
  cause: 'rotation',
});
const envelope = successorEnvelope(payload, old.vkey.keyId, old.key.sign(pae(SUCCESSOR_TYPE, payload)));

/** Signs any payload as the old log's statement. */
function signed(text: string): Envelope {
  return successorEnvelope(utf8(text), old.vkey.keyId, old.key.sign(pae(SUCCESSOR_TYPE, utf8(text))));
}

describe('status and request', () => {
  test('have the one spelling of FORMAT.md section 7', () => {
    expect(utf8Text(formatStatus({ boot: 3, state: 'online' }))).toBe('{"boot":3,"state":"online","v":1}');
    expect(utf8Text(formatRequest({ origin: old.origin, first: 7 }))).toBe(`{"first":7,"log":"${old.origin}","v":1}`);
    for (const state of ['online', 'offline', 'stopping'] as const) {
      expect(parseStatus(formatStatus({ boot: 0, state }))).toEqual({ ok: true, value: { boot: 0, state } });
    }
    const request = { origin: old.origin, first: 0 };
    expect(parseRequest(formatRequest(request))).toEqual({ ok: true, value: request });
  });

  test.each([
    ['', 'message'],
    ['{}', 'message'],
    ['[]', 'message'],
    ['{"boot":3,"state":"online","v":2}', 'unknown_version'],
    ['{"boot":3,"state":"online"}', 'message'],
    ['{"boot":3,"state":"online","v":"1"}', 'message'],
    ['{"boot":3,"state":"away","v":1}', 'message'],
    ['{"boot":-1,"state":"online","v":1}', 'message'],
    ['{"boot":3,"state":"online","v":1,"x":1}', 'message'],
    ['{"boot":3,"state":"online","v":1}\n', 'message'],
    ['{"state":"online","boot":3,"v":1}', 'message'],
    [`{"a":"${'x'.repeat(600)}"}`, 'too_long'],
  ])('the status %j is refused', (text, reason) => {
    expect(parseStatus(utf8(text))).toMatchObject({ ok: false, reason });
  });

  test.each([
    ['{"first":-1,"log":"lockers.example/gw-0001/1-9f2c01aa","v":1}', 'message'],
    ['{"first":1.5,"log":"lockers.example/gw-0001/1-9f2c01aa","v":1}', 'message'],
    ['{"first":1,"log":"somewhere","v":1}', 'message'],
    ['{"first":1,"v":1}', 'message'],
    ['{"first":1,"log":"lockers.example/gw-0001/1-9f2c01aa","v":0}', 'unknown_version'],
    ['{"first":1,"log":"lockers.example/gw-0001/1-9f2c01aa","to":2,"v":1}', 'message'],
  ])('the request %j is refused', (text, reason) => {
    expect(parseRequest(utf8(text))).toMatchObject({ ok: false, reason });
  });

  test('a request that names no log is never written', () => {
    expect(() => formatRequest({ origin: 'x', first: 0 })).toThrow('names a log');
  });
});

describe('envelopes', () => {
  test('are DSSE envelopes in canonical JSON', () => {
    const text = formatEnvelope(envelope);
    expect(JSON.parse(text)).toEqual({
      payload: base64(payload),
      payloadType: SUCCESSOR_TYPE,
      signatures: [
        { keyid: Buffer.from(old.vkey.keyId).toString('hex'), sig: base64(envelope.signatures[0]?.sig ?? payload) },
      ],
    });
    expect(parseEnvelope(utf8(text))).toEqual({ ok: true, value: envelope });
  });

  const text = formatEnvelope(envelope);
  test.each([
    ['nothing', ''],
    ['null', 'null'],
    ['a list', '[]'],
    ['a blank', text.replace('{', '{ ')],
    ['another order', text.replace(/^\{("payload":"[^"]*"),("payloadType":"[^"]*")/, '{$2,$1')],
    ['another member', text.replace('{', '{"a":1,')],
    ['another member in a signature', text.replace('"keyid"', '"a":1,"keyid"')],
    ['no signature', text.replace(/"signatures":\[.*\]/, '"signatures":[]')],
    ['five signatures', text.replace(/"signatures":\[(.*)\]/, '"signatures":[$1,$1,$1,$1,$1]')],
    ['base64url', text.replace(/"sig":"./, '"sig":"_')],
    ['an escape', text.replace('successor', '\\u0073uccessor')],
    ['a foreign type', text.replace('vnd.latchkey', 'vnd.other')],
    ['an upper-case key id', text.replace(/"keyid":"[0-9a-f]{8}"/, '"keyid":"ABCDEF01"')],
    ['no payload', text.replace(/"payload":"[^"]*",/, '')],
    ['a line', `${text}\n`],
  ])('with %s are refused', (_what, changed) => {
    expect(changed).not.toBe(text);
    expect(parseEnvelope(utf8(changed))).toMatchObject({ ok: false, reason: 'envelope' });
  });

  test('of more than 64 KiB or not in UTF-8 are refused', () => {
    expect(parseEnvelope(new Uint8Array(65_537))).toMatchObject({ ok: false, reason: 'envelope' });
    expect(parseEnvelope(Uint8Array.of(0xff))).toMatchObject({ ok: false, reason: 'envelope' });
  });
});

describe('the successor statement', () => {
  test('verifies under the old log key and names the new one', () => {
    const verified = verifySuccessor(crypto, envelope, old.vkey);
    expect(verified).toEqual({
      ok: true,
      value: { gateway: 'gw-0001', old: old.origin, last: { size, root }, successor: next.vkey, cause: 'rotation' },
    });
    expect(parseSuccessor(envelope)).toEqual(verified);
    expect(utf8Text(payload)).toBe(
      `{"cause":"rotation","gateway":"gw-0001","new":"${formatVkey(next.vkey)}","old":"${old.origin}","root":"${base64(root)}","size":2,"v":1}`,
    );
  });

  test('may leave size and root out, together', () => {
    const short = successorPayload({ gateway: 'gw-0001', old: old.origin, successor: next.vkey, cause: 'key_lost' });
    expect(utf8Text(short)).not.toContain('root');
    const parsed = parseSuccessor(signed(utf8Text(short) ?? ''));
    expect(parsed.ok && parsed.value.last).toBe(undefined);
  });

  test('is refused for each reason', () => {
    const text = utf8Text(payload) ?? '';
    const reason = (changed: Envelope, vkey = old.vkey): string => {
      const verified = verifySuccessor(crypto, changed, vkey);
      return verified.ok ? 'accepted' : verified.reason;
    };
    expect(reason(envelope)).toBe('accepted');
    expect(reason({ ...envelope, payloadType: 'application/vnd.latchkey.command.v1+json' })).toBe('statement');
    expect(reason({ ...envelope, signatures: [...envelope.signatures, ...envelope.signatures] })).toBe('statement');
    expect(reason(envelope, next.vkey)).toBe('key');
    expect(reason({ ...envelope, payload: utf8(text.replace('rotation', 'rotatiom')) })).toBe('signature');
    expect(reason(signed(text.replace('"v":1', '"v":2')))).toBe('unknown_version');
    expect(reason(signed(text.replace('{', '{"a":1,')))).toBe('unknown_version');
    expect(reason(signed(text.replaceAll('gw-0001', 'gw-0002')))).toBe('key');
    expect(reason(signed(text.replace('"gateway":"gw-0001"', '"gateway":"gw-0002"')))).toBe('gateway');
    expect(reason(signed(text.replace(formatVkey(next.vkey), formatVkey(old.vkey))))).toBe('gateway');
    const elsewhere = new TestLog('elsewhere', 'gw-0009');
    expect(reason(signed(text.replace(formatVkey(next.vkey), formatVkey(elsewhere.vkey))))).toBe('gateway');
    const wrongId = { ...next.vkey, keyId: old.vkey.keyId };
    expect(reason(signed(text.replace(formatVkey(next.vkey), formatVkey(wrongId))))).toBe('statement');
    for (const changed of [
      text.replace('"size":2,', ''),
      text.replace(/"root":"[^"]*",/, ''),
      text.replace('"size":2', '"size":-2'),
      text.replace('"cause":"rotation"', '"cause":"Rotation"'),
      text.replace('"cause":"rotation",', ''),
      text.replace('{', '{ '),
      text.replace(/"new":"[^"]*"/, '"new":"x"'),
      text.replace(/"old":"[^"]*"/, '"old":"x"'),
      text.replace(/"gateway":"[^"]*",/, ''),
      'x',
    ]) {
      expect(reason(signed(changed)), changed).toBe('statement');
    }
  });

  test('that would be refused is never written', () => {
    const statement = { gateway: 'gw-0009', old: old.origin, successor: next.vkey, cause: 'rotation' };
    expect(() => successorPayload(statement)).toThrow('no successor statement');
  });
});

describe('enrolment', () => {
  const text = utf8Text(formatEnrolment({ successors: [envelope] })) ?? '';

  test('has no record for software keys, and keeps the order of its statements', () => {
    expect(text).toBe(`{"successors":[${formatEnvelope(envelope)}],"v":1}`);
    expect(utf8Text(formatEnrolment({ successors: [] }))).toBe('{"successors":[],"v":1}');
    const record = { ...envelope, payloadType: 'application/vnd.latchkey.enrolment.v1+json' };
    for (const enrolment of [{ successors: [] }, { record, successors: [envelope, record] }]) {
      expect(parseEnrolment(formatEnrolment(enrolment))).toEqual({ ok: true, value: enrolment });
    }
  });

  test.each([
    ['', 'message'],
    ['null', 'message'],
    ['[]', 'message'],
    ['{"successors":[],"v":2}', 'unknown_version'],
    ['{"successors":[]}', 'message'],
    ['{"successors":{},"v":1}', 'message'],
    ['{"v":1,"successors":[]}', 'message'],
    ['{"record":1,"successors":[],"v":1}', 'message'],
    ['{"successors":[1],"v":1}', 'message'],
    ['{"successors":[],"v":1,"x":1}', 'message'],
    [text.replace('":"', '": "'), 'message'],
    [`${text} `, 'message'],
    [`{"successors":[${'{},'.repeat(65)}{}],"v":1}`, 'message'],
    ['x'.repeat(65_537), 'too_long'],
  ])('refuses %#', (changed, reason) => {
    expect(parseEnrolment(utf8(changed))).toMatchObject({ ok: false, reason });
  });

  test('of more than 64 KiB is never written', () => {
    const large = { ...envelope, payload: new Uint8Array(40_000) };
    expect(() => formatEnrolment({ successors: [large, large] })).toThrow('an enrolment that fits');
  });
});

/** The decoder of each kind, and its encoder: what is accepted must be spelled as it was. Undefined: refused. */
const KINDS: Readonly<Record<string, readonly [Uint8Array, (bytes: Uint8Array) => Uint8Array | undefined]>> = {
  status: [formatStatus({ boot: 3, state: 'online' }), (bytes) => again(parseStatus(bytes), formatStatus)],
  request: [formatRequest({ origin: old.origin, first: 7 }), (bytes) => again(parseRequest(bytes), formatRequest)],
  envelope: [envelopeBytes(envelope), (bytes) => again(parseEnvelope(bytes), envelopeBytes)],
  enrolment: [formatEnrolment({ successors: [envelope] }), (bytes) => again(parseEnrolment(bytes), formatEnrolment)],
  statement: [
    payload,
    (bytes) => again(parseSuccessor(successorEnvelope(bytes, old.vkey.keyId, bytes)), successorPayload),
  ],
};

function again<T>(parsed: Result<T>, format: (value: T) => Uint8Array): Uint8Array | undefined {
  return parsed.ok ? format(parsed.value) : undefined;
}

test.each(Object.entries(KINDS))(
  'mutations of a %s are refused or read as themselves',
  (_kind, [valid, read]) => {
    const others = Object.values(KINDS).map(([bytes]) => bytes);
    const random = new Random(32);
    const seen = { accepted: 0, refused: 0 };
    fuzz(() => {
      const bytes = mutate(random, valid, others);
      const spelled = read(bytes);
      seen[spelled === undefined ? 'refused' : 'accepted'] += 1;
      if (spelled !== undefined && !equalBytes(spelled, bytes)) throw new Error(`two spellings: ${utf8Text(bytes)}`);
    });
    expect(seen.accepted).toBeGreaterThan(10);
    expect(seen.refused).toBeGreaterThan(FUZZ_RUNS / 2);
  },
  FUZZ_TIMEOUT_MS,
);
