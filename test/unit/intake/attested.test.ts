/** The consumer follows what the AK of its policy quoted, also where no log key speaks, and nobody else's TPM. */
import { expect, test } from 'vitest';
import { attestedSuccessor, successorDigest } from '../../../src/evidence/wire/attested-successor.ts';
import type { Envelope } from '../../../src/evidence/wire/envelope.ts';
import { nodeCrypto } from '../../../src/platform/node-crypto.ts';
import type { IntakePolicy } from '../../../src/risk/intake/trust.ts';
import { formatAttest } from '../../../src/tpm2/attest.ts';
import type { TestLog } from '../../support/test-log.ts';
import { TestTpm } from '../../support/test-tpm.ts';
import { grow, newLog } from './events.ts';
import { Harness, policyFor, statement } from './harness.ts';

const tpm = new TestTpm('enrolled');
const [a, b, c] = [
  grow(newLog('a', 'gw-0001', 1), 3),
  grow(newLog('b', 'gw-0001', 2), 3),
  grow(newLog('c', 'gw-0001', 3), 3),
];

function quoted(old: TestLog, next: TestLog, by = tpm): Envelope {
  const { payload } = statement(old, next, 3);
  const body = { kind: 'quote', selections: [], pcrDigest: new Uint8Array(32) } as const;
  const attest = formatAttest(by.attest(successorDigest(nodeCrypto, payload), body));
  return attestedSuccessor(nodeCrypto, payload, by.ak.spki, by.sign(attest));
}

function withAk(log: TestLog): IntakePolicy {
  return { logs: new Map([[log.origin, { vkey: log.vkey, ak: tpm.ak.spki }]]), successors: [] };
}

test('a chain that the AK alone quoted is followed, and its logs are receipted', async () => {
  const h = await new Harness().open(withAk(a));
  await h.enrolment('gw-0001', quoted(a, b), quoted(b, c));
  await h.batch(c, c.batch(0));
  expect(await h.used(c)).toHaveLength(3);
  expect(h.alarm('successor_refused')).toBe(0);
});

test('both words about one pair of logs are one successor', async () => {
  const h = await new Harness().open(withAk(a));
  await h.enrolment('gw-0001', statement(a, b, 3), quoted(a, b));
  await h.batch(b, b.batch(0));
  expect(await h.used(b)).toHaveLength(3);
  expect(h.alarm('second_successor')).toBe(0);
});

test('the AK and the log key name two: both are frozen', async () => {
  const h = await new Harness().open(withAk(a));
  await h.enrolment('gw-0001', statement(a, b, 3), quoted(a, c));
  await h.batch(b, b.batch(0));
  expect(await h.used(b)).toEqual([]);
  // Said of the old log and of each branch.
  expect(h.alarm('second_successor')).toBe(3);
});

test('a consumer that knows no AK leaves its word aside; that of another TPM is refused aloud', async () => {
  const blind = await new Harness().open(policyFor(a));
  await blind.enrolment('gw-0001', quoted(a, b));
  await blind.batch(b, b.batch(0));
  expect(await blind.used(b)).toEqual([]);
  expect(blind.alarm('successor_refused')).toBe(0);
  const h = await new Harness().open(withAk(a));
  await h.enrolment('gw-0001', quoted(a, b, new TestTpm('another')));
  await h.batch(b, b.batch(0));
  expect(await h.used(b)).toEqual([]);
  expect(h.alarm('successor_refused')).toBe(1);
});
