/** Policies that name an enrolment service: what its records say of logs, and what they cannot. */
import { createPrivateKey } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { base64url, utf8 } from '../../../src/base/bytes.ts';
import { formatVkey } from '../../../src/evidence/log/note.ts';
import { subtreesOf } from '../../../src/evidence/log/proofs.ts';
import { formatBundle } from '../../../src/evidence/verify/bundle.ts';
import { bundleLog } from '../../../src/evidence/verify/bundle-source.ts';
import { parseEnrolmentFile } from '../../../src/evidence/verify/enrolled.ts';
import { parsePolicy, type TrustPolicy } from '../../../src/evidence/verify/policy.ts';
import type { Verdict } from '../../../src/evidence/verify/verdict.ts';
import { type VerifyOptions, verifyBytes } from '../../../src/evidence/verify/verify-file.ts';
import { attestedSuccessor, successorDigest } from '../../../src/evidence/wire/attested-successor.ts';
import { type Envelope, formatEnvelope } from '../../../src/evidence/wire/envelope.ts';
import { formatEnrolment } from '../../../src/evidence/wire/messages.ts';
import { successorPayload } from '../../../src/evidence/wire/successor.ts';
import { nodeCrypto } from '../../../src/platform/node-crypto.ts';
import { formatAttest } from '../../../src/tpm2/attest.ts';
import { AnchoredLog, twice, whole } from '../../support/anchored-log.ts';
import { TestBox } from '../../support/test-box.ts';
import { spoiled, TestEnroller } from '../../support/test-enrolments.ts';
import { fill } from '../../support/test-events.ts';
import { noteText } from '../../support/test-log.ts';
import { policyOf, statement } from '../../support/test-trust.ts';
import { makeBench, makeVendors, type Vendors } from '../enrolment/bench.ts';

const log = twice();
const enroller = new TestEnroller();
const record = enroller.record(log, { tpm: log.tpm });
const summary = enroller.summary(log, { tpm: log.tpm });
const policy = policyOf([], { services: [enroller.row()] });

function verdict(bytes: Uint8Array, more: Partial<VerifyOptions> = {}): Verdict {
  return verifyBytes(bytes, { cryptos: [nodeCrypto], policy, ...more });
}

function bundle(enrolment?: Envelope, successors: readonly Envelope[] = [], of: AnchoredLog = log): Uint8Array {
  const section = bundleLog(nodeCrypto, {
    origin: of.origin,
    searched: { first: 0, end: of.size },
    checkpoints: [5, 9, of.size].map((size) => ({ size, note: noteText(of.note(size)) })),
    entries: [{ index: 2, leaf: of.leaves[2] ?? utf8('') }],
    subtree: subtreesOf(nodeCrypto, of.leafHashes),
  });
  const enrolments = enrolment === undefined ? [] : [enrolment];
  return formatBundle({ question: 'q', logs: [section], successors, enrolments, decisions: [] });
}

/** A statement about the next log of the same TPM, quoted by its AK. */
function quoted(old: AnchoredLog, next: AnchoredLog): Envelope {
  const payload = successorPayload({ gateway: 'gw-0001', old: old.origin, successor: next.vkey, cause: 'quarantine' });
  const body = {
    kind: 'quote',
    selections: [{ hash: 0x000b, bitmap: Uint8Array.of(0xff, 0, 0) }],
    pcrDigest: new Uint8Array(32),
  } as const;
  const attest = formatAttest(old.tpm.attest(successorDigest(nodeCrypto, payload), body));
  return attestedSuccessor(nodeCrypto, payload, old.tpm.ak.spki, old.tpm.sign(attest));
}

describe('a policy that names the service alone', () => {
  const hash = (of: Envelope): string => base64url(nodeCrypto.sha256(of.payload));

  test('believes a log by its record or its summary, with the level that the class in it allows, and says whose it is', () => {
    const believed = { key: 'record', tpm: 'record', record: { service: enroller.vkey.name, hash: hash(record) } };
    for (const enrolments of [[record], [summary], [summary, record]]) {
      const given = verdict(whole(log), { enrolments });
      expect(given).toMatchObject({ outcome: 'verified', logs: [{ level: 'A2', believed, anchors: { verified: 2 } }] });
    }
    expect(verdict(bundle(summary))).toMatchObject({ outcome: 'verified', logs: [{ level: 'A2', believed }] });
    expect(verdict(whole(log))).toMatchObject({ outcome: 'cannot_tell', reason: 'unknown_log' });
    expect(verdict(bundle())).toMatchObject({ outcome: 'cannot_tell', reason: 'unknown_log' });
  });

  test.each([
    ['emulated', log.tpm, /enrolment record .* of enrolment\.lockers\.example calls this TPM emulated/],
    ['software', undefined, /enrolment record .* is of software keys/],
  ] as const)('keeps a log of class %s at A0, and says why', (tpmClass, tpm, why) => {
    const of = enroller.summary(log, { class: tpmClass, ...(tpm && { tpm }) });
    const given = verdict(whole(log), { enrolments: [of] });
    expect(given).toMatchObject({ outcome: 'verified', logs: [{ level: 'A0' }] });
    expect(given.logs[0]?.whyNotHigher[0]).toMatch(why);
  });

  test('goes on with the log that the AK of the record names, from beside an export and inside a bundle', () => {
    const next = new AnchoredLog('next', log.tpm, 2).opened();
    fill(next, 5).anchor({});
    fill(next, 9).anchor({});
    fill(next, 12);
    const named = quoted(log, next);
    const believed = { key: 'successor', tpm: 'successor', record: { hash: hash(record) } };
    const found = { outcome: 'verified', logs: [{ level: 'A2', vouchedBy: log.origin, believed }] };
    expect(verdict(whole(next), { enrolments: [record, named] })).toMatchObject(found);
    expect(verdict(bundle(summary, [named], next))).toMatchObject(found);
    expect(verdict(bundle(undefined, [], next), { enrolments: [record, named] })).toMatchObject(found);
    // By the log key's word alone it is believed, and stands at A0.
    const byKey = verdict(whole(next), { enrolments: [record, statement(log, next.vkey)] });
    expect(byKey).toMatchObject({ outcome: 'verified', logs: [{ level: 'A0', believed: { key: 'successor' } }] });
    // False statements from beside a bundle do not refute it; in it they do.
    const beside = { enrolments: [record, named, spoiled(named)] };
    expect(verdict(bundle(undefined, [], next), beside)).toMatchObject(found);
    expect(verdict(bundle(summary, [named, spoiled(named)], next)).reason).toBe('bundle_statement');
  });
});

describe('the policy’s own word', () => {
  const row = (members: object): TrustPolicy =>
    policyOf([], { services: [enroller.row()], logs: [{ vkey: formatVkey(log.vkey), ...members }] });

  test('about a log’s TPM wins over the record', () => {
    const own = row({ ...log.tpm.policy, class: 'emulated' });
    const given = verdict(whole(log), { policy: own, enrolments: [record] });
    expect(given).toMatchObject({ outcome: 'verified', logs: [{ level: 'A0' }] });
    expect(given.logs[0]?.believed).toEqual({ key: 'policy', tpm: 'policy' });
    expect(given.logs[0]?.whyNotHigher[0]).toContain('the policy calls this TPM emulated');
  });

  test('about a key alone takes the rest from the record', () => {
    const given = verdict(whole(log), { policy: row({}), enrolments: [record] });
    expect(given).toMatchObject({ logs: [{ level: 'A2', believed: { key: 'policy', tpm: 'record' } }] });
  });

  test('that a key is revoked holds, whatever the record says, and for those whom it names afterwards', () => {
    const next = new AnchoredLog('after', log.tpm, 2).opened();
    fill(next, 12);
    const at = { size: 9, root: Buffer.from(log.checkpoint(9).root).toString('base64') };
    const revoked = row({ revoked: at });
    const enrolments = [record, quoted(log, next)];
    expect(verdict(whole(log), { policy: revoked, enrolments })).toMatchObject({ reason: 'revoked' });
    expect(verdict(whole(log, [5, 9]), { policy: revoked, enrolments })).toMatchObject({
      outcome: 'verified',
      logs: [{ level: 'A2', believed: { key: 'policy', tpm: 'record' } }],
    });
    expect(verdict(whole(next), { policy: revoked, enrolments }).reason).toBe('unknown_log');
  });
});

describe('a record counts for nothing', () => {
  const unknown = { outcome: 'cannot_tell', reason: 'unknown_log' };

  test('when another service signed it, or it is about another operator’s log', () => {
    const other = new TestEnroller('enrolment.other.example');
    expect(verdict(whole(log), { enrolments: [other.record(log, { tpm: log.tpm })] })).toMatchObject(unknown);
    const elsewhere = policyOf([], { services: [enroller.row('parcels.example', 'example')] });
    expect(verdict(whole(log), { policy: elsewhere, enrolments: [record] })).toMatchObject(unknown);
    expect(verdict(whole(log), { policy: policyOf([]), enrolments: [record] }).reason).toBe('unknown_log');
  });

  test('when its signature is false: beside an export that is said, in a bundle it refutes', () => {
    expect(verdict(whole(log), { enrolments: [spoiled(record)] })).toMatchObject(unknown);
    const named = policyOf([log], { services: [enroller.row()] });
    const given = verdict(whole(log), { policy: named, enrolments: [spoiled(record)] });
    expect(given).toMatchObject({ outcome: 'verified', logs: [{ level: 'A0', believed: { key: 'policy' } }] });
    expect(given.logs[0]?.missing.join()).toMatch(
      /record counts for nothing: enrolment\.lockers\.example: .*signature/,
    );
    expect(verdict(bundle(spoiled(summary)))).toMatchObject({ outcome: 'refuted', reason: 'bundle_enrolment' });
    // A bad record from beside says nothing against a bundle that has a good one.
    expect(verdict(bundle(summary), { enrolments: [spoiled(record)] }).outcome).toBe('verified');
  });

  test('of two about one log when the other is later', () => {
    const later = enroller.record(log, { tpm: log.tpm, class: 'emulated', issued: '2026-11-23T00:00:00.000Z' });
    for (const enrolments of [
      [record, later],
      [later, record],
    ]) {
      expect(verdict(whole(log), { enrolments }).logs[0]?.level).toBe('A0');
    }
  });

  test('with any bit of it changed', () => {
    const text = formatEnvelope(summary);
    let tried = 0;
    for (let at = 0; at < text.length; at += 5) {
      const changed = `${text.slice(0, at)}${String.fromCharCode(text.charCodeAt(at) ^ 1)}${text.slice(at + 1)}`;
      const parsed = parseEnrolmentFile(utf8(changed));
      if (!parsed.ok) continue;
      tried += 1;
      expect(verdict(whole(log), { enrolments: parsed.value })).toMatchObject({ reason: 'unknown_log' });
    }
    expect(tried).toBeGreaterThan(50);
  });
});

test('a file of enrolments is a retained message or envelopes line by line, and nothing else', () => {
  const next = new AnchoredLog('next', log.tpm, 2);
  const named = statement(log, next.vkey);
  const lines = [record, summary, named].map(formatEnvelope).join('\n');
  expect(parseEnrolmentFile(utf8(`${lines}\n`))).toEqual({ ok: true, value: [record, summary, named] });
  const retained = formatEnrolment({ record, successors: [named] });
  expect(parseEnrolmentFile(retained)).toEqual({ ok: true, value: [record, named] });
  const command = { ...record, payloadType: 'application/vnd.latchkey.command.v1+json' };
  for (const bad of ['', '{}', `${lines}\n{}`, formatEnvelope(command)]) {
    expect(parseEnrolmentFile(utf8(bad))).toMatchObject({ ok: false, reason: 'enrolment' });
  }
});

test('services of a policy are keys of type 01 that name no log, each once, with operator domains', () => {
  const problems = (services: unknown): readonly string[] => {
    const parsed = parsePolicy(nodeCrypto, utf8(JSON.stringify({ v: 1, logs: [], services })));
    return parsed.ok ? [] : parsed.problems.map(({ path }) => path);
  };
  const vkey = formatVkey(enroller.vkey);
  expect(problems([{ vkey, domains: ['a.example', 'b'] }])).toEqual([]);
  expect(problems([{ vkey, domains: [] }])).toEqual(['services[0].domains']);
  expect(problems([{ vkey }])).toEqual(['services[0].domains']);
  expect(problems([{ vkey, domains: ['A.example', 'a/b', '-a', 'a..b', 'x'.repeat(110), 7] }])).toHaveLength(6);
  expect(problems([enroller.row(), enroller.row()])).toEqual(['services[1].vkey']);
  expect(problems([{ vkey: formatVkey(log.vkey), domains: ['a'] }])).toEqual(['services[0].vkey']);
  expect(problems({})).toEqual(['services']);
});

describe('what the real service signs', () => {
  let vendors: Vendors;
  beforeAll(() => {
    vendors = makeVendors();
  });
  afterAll(() => vendors.dir.remove());

  test('about a chip whose vendor its settings call hardware: A2 with the class from the record', async () => {
    const { tpm } = log;
    const jwk = {
      kty: 'EC',
      crv: 'P-256',
      d: Buffer.from(tpm.secret).toString('base64url'),
      x: Buffer.from(tpm.ak.spki.slice(27, 59)).toString('base64url'),
      y: Buffer.from(tpm.ak.spki.slice(59)).toString('base64url'),
    };
    const { spki } = tpm.ak;
    const privateKey = createPrivateKey({ key: jwk, format: 'jwk' });
    const ak = { privateKey, spki, x: spki.slice(27, 59), y: spki.slice(59) };
    const box = vendors.certified(new TestBox('gw-0001', 'P-256', ak));
    box.log = { vkey: log.vkey, privateKey: log.key.privateKey };
    const bench = await makeBench(vendors);
    const outcome = await bench.enrol(box);
    if (outcome.state !== 'enrolled') throw new Error(outcome.state);
    const own = policyOf([], {
      services: [{ vkey: formatVkey(bench.key.vkey), domains: ['lockers.example'] }],
      least_level: 'A1',
    });
    for (const enrolments of [outcome.record, outcome.summary].map((each) => (each === undefined ? [] : [each]))) {
      const given = verdict(whole(log), { policy: own, enrolments });
      expect(given).toMatchObject({ outcome: 'verified', logs: [{ level: 'A2', believed: { tpm: 'record' } }] });
    }
    expect(verdict(bundle(outcome.summary), { policy: own })).toMatchObject({ logs: [{ level: 'A2' }] });
  });
});
