import { describe, expect, test } from 'vitest';
import { utf8, utf8Text } from '../../../src/base/bytes.ts';
import { parseOrigin } from '../../../src/evidence/log/origin.ts';
import { portableCrypto } from '../../../src/evidence/portable-crypto.ts';
import {
  batchProperties,
  checkpointName,
  fleetFilter,
  gatewayRoot,
  isTopicPrefix,
  parseTopic,
  partitionOf,
  receiptName,
  type TopicName,
} from '../../../src/evidence/wire/topics.ts';
import { nodeCrypto } from '../../../src/platform/node-crypto.ts';
import { FUZZ_RUNS, FUZZ_TIMEOUT_MS, fuzz, mutate, Random } from '../../support/mutate.ts';

const crypto = nodeCrypto;
const parsedOrigin = parseOrigin('lockers.example/gw-0001/1-9f2c01aa');
if (!parsedOrigin.ok) throw new Error('an origin');
const origin = parsedOrigin.value;
const root = 'latchkey/v1/0e/gw-0001';

describe('topics', () => {
  test('a gateway has the partition that SHA-256 of its id gives', () => {
    // printf gw-0001 | sha256sum: 0e...; gw-0002: 45...
    for (const each of [nodeCrypto, portableCrypto()]) {
      expect(partitionOf(each, 'gw-0001')).toBe('0e');
      expect(partitionOf(each, 'gw-0002')).toBe('05');
    }
    expect(gatewayRoot(crypto, 'latchkey', 'gw-0001')).toBe(root);
    expect(gatewayRoot(crypto, 'acme/berlin', 'gw-0002')).toBe('acme/berlin/v1/05/gw-0002');
  });

  test('names below the root are spelled as FORMAT.md section 7 says', () => {
    expect(checkpointName(origin)).toBe('checkpoint/1-9f2c01aa');
    expect(receiptName(origin, Uint8Array.of(0xde, 0xad, 0xbe, 0xef))).toBe('receipt/1-9f2c01aa/deadbeef');
    expect(batchProperties({ origin: 'o', first: 3, count: 4 })).toEqual({ log: 'o', first: '3', count: '4' });
  });

  const topics: Readonly<Record<TopicName, readonly [string, object]>> = {
    batch: ['batch', {}],
    checkpoint: ['checkpoint/1-9f2c01aa', { tag: '1-9f2c01aa' }],
    enrolment: ['enrolment', {}],
    status: ['status', {}],
    receipt: ['receipt/12-9f2c01aa/deadbeef', { tag: '12-9f2c01aa', keyId: 'deadbeef' }],
    request: ['request', {}],
    command: ['command', {}],
    reply: ['reply', {}],
  };

  test.each(Object.entries(topics))('%s is parsed', (name, [below, more]) => {
    expect(parseTopic(crypto, 'latchkey', `${root}/${below}`)).toEqual({
      ok: true,
      value: { gateway: 'gw-0001', partition: '0e', name, ...more },
    });
  });

  test.each([
    '',
    root,
    `${root}/`,
    `${root}/batch/`,
    `${root}/Batch`,
    `${root}/batch/1-9f2c01aa`,
    `${root}/checkpoint`,
    `${root}/checkpoint/1-9f2c01aa/deadbeef`,
    `${root}/checkpoint/01-9f2c01aa`,
    `${root}/checkpoint/1-9F2C01AA`,
    `${root}/checkpoint/1234567890-9f2c01aa`,
    `${root}/receipt/1-9f2c01aa`,
    `${root}/receipt/1-9f2c01aa/deadbee`,
    `${root}/receipt/1-9f2c01aa/deadbeef/x`,
    `${root}/toString`,
    `${root}/constructor`,
    'latchkey/v1/0f/gw-0001/batch',
    'latchkey/v1/0E/gw-0001/batch',
    'latchkey/v2/0e/gw-0001/batch',
    'other/v1/0e/gw-0001/batch',
    '/latchkey/v1/0e/gw-0001/batch',
    'latchkey/v1/0e/GW-0001/batch',
    'latchkey/v1/0e//batch',
    'latchkey/v1/0e/+/batch',
  ])('refuses %j', (topic) => {
    expect(parseTopic(crypto, 'latchkey', topic)).toMatchObject({ ok: false, reason: 'topic' });
  });

  test('a fleet is subscribed by partition or as a whole', () => {
    expect(fleetFilter('latchkey', '0e', 'batch')).toBe('latchkey/v1/0e/+/batch');
    expect(fleetFilter('latchkey', '+', 'receipt')).toBe('latchkey/v1/+/+/receipt/+/+');
    expect(() => fleetFilter('latchkey', '40', 'batch')).toThrow('no partition 40');
  });

  test('a prefix holds no wildcard and no empty level', () => {
    for (const prefix of ['latchkey', 'a/b/c', 'Acme.1_x-y']) expect(isTopicPrefix(prefix)).toBe(true);
    for (const prefix of ['', '/a', 'a/', 'a//b', 'a+', '#', '$SYS', 'a b', 'a\u0000', 'x'.repeat(65)]) {
      expect(isTopicPrefix(prefix)).toBe(false);
    }
    expect(() => gatewayRoot(crypto, '+', 'gw-0001')).toThrow('no topic root');
    expect(() => gatewayRoot(crypto, 'latchkey', 'gw/1')).toThrow('no topic root');
  });

  test(
    'mutated topics are refused or read as themselves',
    () => {
      const inputs = Object.values(topics).map(([below]) => utf8(`${root}/${below}`));
      const random = new Random(31);
      const seen = { accepted: 0, refused: 0 };
      fuzz((i) => {
        const text = utf8Text(mutate(random, inputs[i % inputs.length] ?? utf8(''), inputs)) ?? '';
        const topic = parseTopic(crypto, 'latchkey', text);
        if (!topic.ok) {
          seen.refused += 1;
          return;
        }
        seen.accepted += 1;
        const { gateway, name, tag, keyId } = topic.value;
        const again = [gatewayRoot(crypto, 'latchkey', gateway), name, tag, keyId].filter((part) => part !== undefined);
        if (again.join('/') !== text) throw new Error(`two spellings of ${text}`);
      });
      expect(Math.min(seen.accepted, seen.refused)).toBeGreaterThan(FUZZ_RUNS / 100);
    },
    FUZZ_TIMEOUT_MS,
  );
});
