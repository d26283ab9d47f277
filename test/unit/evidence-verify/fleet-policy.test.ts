/** A fleet's policy: thousands of logs and statements are judged with work that grows with their number, not its square. */
import { expect, test, vi } from 'vitest';
import { hex } from '../../../src/base/bytes.ts';
import { believedLogs } from '../../../src/evidence/verify/trust.ts';
import { attestedSuccessor, successorDigest } from '../../../src/evidence/wire/attested-successor.ts';
import { successorPayload } from '../../../src/evidence/wire/successor.ts';
import { nodeCrypto } from '../../../src/platform/node-crypto.ts';
import { PolicyByGateway } from '../../../src/risk/assurance/policy-by-gateway.ts';
import { formatAttest } from '../../../src/tpm2/attest.ts';
import { vkeyText } from '../../support/anchored-log.ts';
import { TestLog } from '../../support/test-log.ts';
import { TestTpm } from '../../support/test-tpm.ts';
import { envelopeJson, policyOf } from '../../support/test-trust.ts';

const BOXES = 24;

/** Each box rotated once, and its AK said so. */
const boxes = Array.from({ length: BOXES }, (_, i) => {
  const gateway = `gw-${i}`;
  const tpm = new TestTpm(gateway);
  const old = new TestLog(`old ${i}`, gateway, 1);
  const next = new TestLog(`next ${i}`, gateway, 2);
  const payload = successorPayload({ gateway, old: old.origin, successor: next.vkey, cause: 'rotation' });
  const pcrs = { selections: [{ hash: 11, bitmap: Uint8Array.of(255, 0, 0) }], pcrDigest: new Uint8Array(32) };
  const attest = tpm.attest(successorDigest(nodeCrypto, payload), { kind: 'quote', ...pcrs });
  const statement = attestedSuccessor(nodeCrypto, payload, tpm.ak.spki, tpm.sign(formatAttest(attest)));
  return { gateway, old, next, statement, row: { vkey: vkeyText(old), ...tpm.policy } };
});

const policy = policyOf([], {
  logs: boxes.map(({ row }) => row),
  successors: boxes.map(({ statement }) => envelopeJson(statement)),
});

test('each statement is put to the logs that could have an answer, and to no other box', () => {
  const asked = vi.spyOn(nodeCrypto, 'sha256');
  const { logs, badStatements } = believedLogs(nodeCrypto, policy);
  const times = asked.mock.calls.length;
  asked.mockRestore();
  expect(badStatements).toBe(0);
  for (const { next } of boxes) expect(logs.get(next.origin)).toMatchObject({ attested: true });
  expect(times).toBeGreaterThan(BOXES);
  expect(times).toBeLessThan(20 * BOXES);
});

test('a false statement is called false by the log whose key id it carries, also where it names another one', () => {
  const [one, two] = boxes;
  if (one === undefined || two === undefined) throw new Error('two boxes');
  const { payload } = two.statement;
  const signatures = [{ keyid: hex(one.old.vkey.keyId), sig: new Uint8Array(64) }];
  const { badStatements } = believedLogs(nodeCrypto, policy, {
    statements: [{ ...two.statement, payload, signatures }],
  });
  expect(badStatements).toBe(1);
});

test('the part of one gateway believes of it what the whole does', () => {
  const byGateway = new PolicyByGateway();
  const whole = believedLogs(nodeCrypto, policy).logs;
  for (const { gateway, old, next } of boxes) {
    const part = byGateway.of(policy, gateway);
    expect(part.successors).toHaveLength(1);
    const { logs } = believedLogs(nodeCrypto, { ...policy, ...part });
    expect([...logs.keys()]).toEqual([old.origin, next.origin]);
    for (const [origin, log] of logs) expect(log).toEqual(whole.get(origin));
  }
  expect(byGateway.of(policy, 'gw-none').logs.size).toBe(0);
  expect(byGateway.of({ ...policy, logs: new Map() }, 'gw-0').logs.size).toBe(0);
});
