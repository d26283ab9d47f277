import { Ajv2020 } from 'ajv/dist/2020.js';
import { describe, expect, test } from 'vitest';
import { base64, equalBytes, utf8, utf8Text } from '../../../src/base/bytes.ts';
import { formatVkey, witnessVkey } from '../../../src/evidence/log/note.ts';
import { POLICY_SCHEMA, parsePolicy, policyOfVkey } from '../../../src/evidence/verify/policy.ts';
import { believedLogs } from '../../../src/evidence/verify/trust.ts';
import { verifyBytes } from '../../../src/evidence/verify/verify-file.ts';
import { nodeCrypto } from '../../../src/platform/node-crypto.ts';
import { FUZZ_RUNS, FUZZ_TIMEOUT_MS, fuzz, mutate, Random } from '../../support/mutate.ts';
import { TestEnroller } from '../../support/test-enrolments.ts';
import { TestLog, TestWitness } from '../../support/test-log.ts';
import { TestTpm } from '../../support/test-tpm.ts';
import { envelopeJson, policyOf, policyText, statement, witnessMember } from '../../support/test-trust.ts';

const crypto = nodeCrypto;
const log = new TestLog('policy').append(utf8('a'));
const next = new TestLog('next', 'gw-0001', 2);
const witness = new TestWitness('store.example/w1');
const root = base64(new Uint8Array(32).fill(9));
const schema = new Ajv2020({ strict: true }).compile(POLICY_SCHEMA);

const full = {
  v: 1,
  logs: [
    {
      vkey: formatVkey(log.vkey),
      revoked: { size: 5, root },
      ...new TestTpm().policy,
    },
    { vkey: formatVkey(next.vkey) },
  ],
  services: [new TestEnroller().row('lockers.example', 'parcels.example')],
  witnesses: [witnessMember(witness, 'store', 'independent')],
  successors: [envelopeJson(statement(log, next.vkey))],
  least_level: 'A2',
};

function problems(value: unknown): string[] {
  const policy = parsePolicy(crypto, utf8(typeof value === 'string' ? value : JSON.stringify(value)));
  return policy.ok ? [] : policy.problems.map((problem) => `${problem.path}: ${problem.expected}`);
}

describe('the policy file', () => {
  test('says everything that it may say, and the smallest one names a log', () => {
    const policy = parsePolicy(crypto, utf8(JSON.stringify(full)));
    if (!policy.ok) throw new Error(JSON.stringify(policy.problems));
    expect([...policy.value.logs.keys()]).toEqual([log.origin, next.origin]);
    expect(policy.value.logs.get(log.origin)?.revokedAt).toEqual({ size: 5, root: new Uint8Array(32).fill(9) });
    expect(policy.value.witnesses).toEqual([{ vkey: witness.vkey, roles: ['store', 'independent'] }]);
    expect(policy.value.services?.map(({ domains }) => domains)).toEqual([['lockers.example', 'parcels.example']]);
    expect(policy.value.successors).toHaveLength(1);
    expect(policy.value.leastLevel).toBe('A2');
    const { ak, counter, tpmClass } = policy.value.logs.get(log.origin) ?? {};
    expect([ak, counter, tpmClass]).toEqual([new TestTpm().ak.spki, new TestTpm().policy.counter, 'hardware']);
    const other = { ...full, logs: [{ ...full.logs[0], ak: base64(new Uint8Array(91)) }] };
    expect(problems(other)).toEqual(['logs[0].ak: the SubjectPublicKeyInfo of an uncompressed P-256 point']);
    expect(policyOf([log])).toEqual({
      logs: new Map([[log.origin, { vkey: log.vkey }]]),
      witnesses: [],
      successors: [],
      leastLevel: 'A0',
    });
    expect(schema(full)).toBe(true);
    expect(schema(JSON.parse(policyText([log])))).toBe(true);
  });

  test('has all its problems said at once, each with path, found and expected', () => {
    const policy = parsePolicy(
      crypto,
      utf8(
        JSON.stringify({
          v: 2,
          log: [],
          logs: [
            { vkey: 'x', extra: 1 },
            {
              vkey: formatVkey(log.vkey),
              revoked: { size: -1, root: 'AA', at: 1 },
              class: 'virtual',
              ak: 'AA',
              counter: 'xyz',
              enrolment: 5,
            },
            { vkey: formatVkey(log.vkey) },
            { vkey: formatVkey(witnessVkey(crypto, log.origin, log.vkey.publicKey)) },
            { vkey: formatVkey({ ...log.vkey, keyId: next.vkey.keyId }) },
            { vkey: formatVkey({ ...next.vkey, name: 'example.com/other' }) },
            7,
          ],
          witnesses: [
            { vkey: formatVkey(log.vkey), roles: ['store'] },
            { vkey: formatVkey(witness.vkey), roles: ['boss'] },
            witnessMember(witness, 'store'),
            { vkey: formatVkey(new TestWitness('w2').vkey), roles: [], name: 'x' },
            null,
          ],
          successors: [{}, 'x'],
          least_level: 'A9',
        }),
      ),
    );
    if (policy.ok) throw new Error('accepted');
    const said = policy.problems.map((problem) => problem.path);
    expect(said).toEqual([
      'log',
      'v',
      'logs[0].extra',
      'logs[0].vkey',
      'logs[1].revoked.at',
      'logs[1].revoked.root',
      'logs[1].revoked.size',
      'logs[1].enrolment',
      'logs[1].ak',
      'logs[1].counter',
      'logs[1].class',
      'logs[2].vkey',
      'logs[3].vkey',
      'logs[4].vkey',
      'logs[5].vkey',
      'logs[6]',
      'witnesses[0].vkey',
      'witnesses[1].roles[0]',
      'witnesses[2].vkey',
      'witnesses[3].name',
      'witnesses[3].roles',
      'witnesses[4]',
      'successors[0]',
      'successors[1]',
      'least_level',
    ]);
    expect(policy.problems[1]).toEqual({ path: 'v', found: '2', expected: 'the version 1' });
    for (const problem of policy.problems)
      expect(Math.min(problem.found.length, problem.expected.length)).toBeGreaterThan(0);
  });

  test.each([
    ['', 'the file'],
    ['[]', 'the file'],
    ['null', 'the file'],
    ['{"v":1}', 'logs'],
    ['{"v":1,"logs":{}}', 'logs'],
    ['{"logs":[]}', 'v'],
  ])('%j is refused', (text, path) => {
    expect(problems(text).join('\n')).toContain(`${path}: `);
  });

  test('a member that stands twice is refused at every depth, however its name is spelled', () => {
    const vkey = JSON.stringify(formatVkey(log.vkey));
    const twice = `{"v":2,"logs":[{"vkey":${vkey}},{"vkey":"x", "\\u0076key" : ${vkey}}],
      "successors":[{"payload":"","signatures":[{"sig":1,"sig":1}],"payloadType":""}],"v":1}`;
    const policy = parsePolicy(crypto, utf8(twice));
    if (policy.ok) throw new Error('accepted');
    expect(policy.problems.slice(0, 3)).toEqual(
      ['logs[1].vkey', 'successors[0].signatures[0].sig', 'v'].map((path) => ({
        path,
        found: 'more than one member of that name',
        expected: 'each member once',
      })),
    );
    // The same name in two objects, and in a string, is not twice.
    expect(problems({ ...full, least_level: 'A1' })).toEqual([]);
    expect(problems('{"v":1,"logs":["{\\"v\\":1,\\"v\\":1}"]}')).toEqual(['logs[0]: an object']);
    expect(problems(`{"v":1,"logs":[],"x":${'['.repeat(100_000)}${']'.repeat(100_000)}}`)).toEqual([
      'x: no such member (is it misspelt?)',
    ]);
  });

  test('a policy may believe nobody: whoever trusts on first use needs no more', () => {
    expect(policyOf([]).logs.size).toBe(0);
    expect(schema({ v: 1, logs: [] })).toBe(true);
    const verdict = verifyBytes(log.batch(0), { cryptos: [crypto], policy: policyOf([]) });
    expect([verdict.outcome, verdict.reason]).toEqual(['cannot_tell', 'unknown_log']);
  });

  test('a policy of more than 1 MiB is not read', () => {
    expect(problems(`{"v":1,"logs":[${' '.repeat(1_048_576)}]}`)).toEqual([
      'the file: one JSON object in UTF-8, at most 1 MiB',
    ]);
  });

  test('a verifier key alone is a policy of one log', () => {
    expect(policyOfVkey(crypto, formatVkey(log.vkey))?.logs).toEqual(new Map([[log.origin, { vkey: log.vkey }]]));
    for (const text of [
      '',
      'x',
      formatVkey(witness.vkey),
      formatVkey({ ...log.vkey, keyId: next.vkey.keyId }),
      formatVkey(witnessVkey(crypto, log.origin, log.vkey.publicKey)),
    ]) {
      expect(policyOfVkey(crypto, text)).toBeUndefined();
    }
  });

  test(
    'whatever the parser accepts, the published schema accepts: mutated policies, none throws',
    () => {
      const inputs = [
        utf8(JSON.stringify(full)),
        utf8(policyText([log], { witnesses: [witnessMember(witness, 'advisory')] })),
      ];
      const random = new Random(41);
      const seen = { accepted: 0, refused: 0 };
      fuzz((i) => {
        const bytes = mutate(random, inputs[i % 2] ?? utf8(''), inputs);
        const policy = parsePolicy(crypto, bytes);
        seen[policy.ok ? 'accepted' : 'refused'] += 1;
        if (policy.ok && !schema(JSON.parse(utf8Text(bytes) ?? '')))
          throw new Error(`the schema refuses ${utf8Text(bytes)}`);
        if (!policy.ok && policy.problems.length === 0) throw new Error('refused without a problem');
      });
      expect(seen.accepted).toBeGreaterThan(FUZZ_RUNS / 1_000);
      expect(seen.refused).toBeGreaterThan(FUZZ_RUNS / 2);
    },
    FUZZ_TIMEOUT_MS,
  );
});

describe('successors', () => {
  const third = new TestLog('third', 'gw-0001', 3);
  const chain = [statement(log, next.vkey, { size: 1 }), statement(next, third.vkey)];
  const believed = (more: readonly unknown[], logs = [log]) => {
    const policy = policyOf(logs, { successors: more });
    return believedLogs(crypto, policy);
  };

  test('a believed log vouches for the next, in whatever order its statements stand', () => {
    for (const order of [chain, [...chain].reverse()]) {
      const { logs, badStatements } = believed(order.map(envelopeJson));
      expect([...logs.keys()]).toEqual([log.origin, next.origin, third.origin]);
      expect(logs.get(log.origin)?.closed).toEqual({
        origin: log.origin,
        last: log.checkpoint(1) && { size: 1, root: log.checkpoint(1).root },
      });
      expect(logs.get(next.origin)).toMatchObject({ vouchedBy: log.origin, closed: { origin: next.origin } });
      expect(logs.get(third.origin)?.vouchedBy).toBe(next.origin);
      expect(badStatements).toBe(0);
    }
  });

  test('a stranger vouches for nobody', () => {
    const stranger = new TestLog('stranger', 'gw-0001', 7);
    const { logs } = believed([envelopeJson(statement(stranger, third.vkey))]);
    expect([...logs.keys()]).toEqual([log.origin]);
  });

  test('a statement that a believed key did not sign counts for nothing and is counted', () => {
    const good = statement(log, next.vkey);
    const forged = { ...good, signatures: [{ keyid: good.signatures[0]?.keyid ?? '', sig: new Uint8Array(64) }] };
    const { logs, badStatements } = believed([envelopeJson(forged)]);
    expect([...logs.keys()]).toEqual([log.origin]);
    expect(badStatements).toBe(1);
  });

  test('of two successors none is believed, unless the policy names one', () => {
    const rival = new TestLog('rival', 'gw-0001', 2);
    const both = [statement(log, next.vkey), statement(log, rival.vkey), statement(rival, third.vkey)].map(
      envelopeJson,
    );
    const disputed = believed(both).logs;
    expect(disputed.get(next.origin)?.disputed).toBe(true);
    expect(disputed.get(rival.origin)?.disputed).toBe(true);
    const decided = believed(both, [log, next]).logs;
    expect(decided.get(next.origin)?.disputed).toBeUndefined();
    expect(decided.get(rival.origin)?.disputed).toBe(true);
    expect(decided.get(third.origin)?.disputed).toBe(true);
    // The same statement twice is no dispute.
    const once = [statement(log, next.vkey), statement(log, next.vkey)].map(envelopeJson);
    expect(believed(once).logs.get(next.origin)?.disputed).toBeUndefined();
  });

  test('a revoked key vouches for nobody', () => {
    const text = JSON.parse(policyText([log], { successors: chain.map(envelopeJson) }));
    text.logs[0].revoked = { size: 1, root };
    const policy = parsePolicy(crypto, utf8(JSON.stringify(text)));
    if (!policy.ok) throw new Error('refused');
    expect([...believedLogs(crypto, policy.value).logs.keys()]).toEqual([log.origin]);
  });

  test('entry 0 of a verified log closes its predecessor, and a statement stands above it', () => {
    const closed = { origin: log.origin, last: { size: 1, root: log.checkpoint(1).root } };
    const policy = policyOf([log]);
    expect(believedLogs(crypto, policy, { closed: [closed] }).logs.get(log.origin)?.closed).toEqual(closed);
    expect(believedLogs(crypto, policy, { closed: [{ origin: 'unknown' }] }).logs.size).toBe(1);
    const stated = believedLogs(crypto, policy, { statements: [statement(log, next.vkey)], closed: [closed] });
    expect(stated.logs.get(log.origin)?.closed).toEqual({ origin: log.origin });
    expect(equalBytes(closed.last.root, log.checkpoint(1).root)).toBe(true);
  });
});
