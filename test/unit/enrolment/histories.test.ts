/** Rotation, second successors, contradictions, decisions: what the history of a gateway comes to. */
import { createPublicKey, sign } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { base64, concatBytes, hex, unbase64 } from '../../../src/base/bytes.ts';
import { purposeDigest } from '../../../src/evidence/anchor/statement.ts';
import { pae } from '../../../src/evidence/batch/pae.ts';
import { parsePolicy } from '../../../src/evidence/verify/policy.ts';
import { believedLogs } from '../../../src/evidence/verify/trust.ts';
import type { Envelope } from '../../../src/evidence/wire/envelope.ts';
import { envelopeBytes } from '../../../src/evidence/wire/envelope.ts';
import { SUCCESSOR_TYPE, successorEnvelope, successorPayload } from '../../../src/evidence/wire/successor.ts';
import { nodeCrypto } from '../../../src/platform/node-crypto.ts';
import { approve, choose, type Decider, decline, revoke } from '../../../src/risk/enrolment/decisions.ts';
import { readGateway } from '../../../src/risk/enrolment/gateway-book.ts';
import { policyText } from '../../../src/risk/enrolment/policy.ts';
import { parseEcdsaSignature } from '../../../src/tpm2/signature.ts';
import { TpmWriter } from '../../../src/tpm2/wire.ts';
import { TestBox, type TestLogKey, testLogKey } from '../../support/test-box.ts';
import { type Bench, makeBench, makeVendors, type Vendors } from './bench.ts';

let vendors: Vendors;

beforeAll(() => {
  vendors = makeVendors();
});

afterAll(() => vendors.dir.remove());

const GATEWAY = 'gw-0001';
const EMPTY_ROOT = base64(nodeCrypto.sha256(new Uint8Array(0)));

function statement(old: TestLogKey, next: TestLogKey): Uint8Array {
  return successorPayload({ gateway: GATEWAY, old: old.vkey.name, successor: next.vkey, cause: 'rotation' });
}

function byOldKey(old: TestLogKey, next: TestLogKey): Envelope {
  const payload = statement(old, next);
  return successorEnvelope(
    payload,
    old.vkey.keyId,
    Uint8Array.from(sign(null, pae(SUCCESSOR_TYPE, payload), old.privateKey)),
  );
}

function byAk(box: TestBox, old: TestLogKey, next: TestLogKey): Envelope {
  const payload = statement(old, next);
  const selections = [{ hash: 11, bitmap: Uint8Array.of(1, 0, 0) }];
  const body = { kind: 'quote', selections, pcrDigest: new Uint8Array(32) } as const;
  const { attest, signature } = box.attest({ extraData: purposeDigest(nodeCrypto, 'successor', payload), body });
  const rs = parseEcdsaSignature(signature);
  const sig = concatBytes(new TpmWriter().sized(attest).bytes(), rs.ok ? rs.value : new Uint8Array(0));
  return { payloadType: SUCCESSOR_TYPE, payload, signatures: [{ keyid: hex(nodeCrypto.sha256(box.ak.spki)), sig }] };
}

interface Scene {
  readonly bench: Bench;
  readonly box: TestBox;
  readonly first: TestLogKey;
  readonly next: TestLogKey;
  readonly decider: Decider;
  state(): ReturnType<typeof readGateway>;
  policy(): Promise<ReturnType<typeof parsePolicy> & { ok: true }>;
}

async function scene(): Promise<Scene> {
  const bench = await makeBench(vendors);
  const box = vendors.certified(new TestBox(GATEWAY));
  await bench.enrol(box);
  const { store, clock } = bench;
  const state = () => readGateway(store, GATEWAY);
  return {
    bench,
    box,
    first: box.log,
    next: testLogKey(GATEWAY, 2),
    decider: { store, clock, by: 'a person', why: 'looked' },
    state,
    async policy() {
      const text = policyText(nodeCrypto, [await state()], { witnesses: [], least_level: 'A0' });
      const policy = parsePolicy(nodeCrypto, Buffer.from(text));
      if (!policy.ok) throw new Error(JSON.stringify(policy.problems));
      return policy;
    },
  };
}

describe('a log that follows an enrolled one', () => {
  test('is believed at A0 when the old key says so, and keeps its level when the AK does', async () => {
    const { bench, box, first, next, state, policy } = await scene();
    const taken = await bench.service.successor(envelopeBytes(byOldKey(first, next)));
    expect(taken).toEqual({ ok: true, value: { v: 1, state: 'taken' } });
    expect((await state()).logs.get(next.vkey.name)).toMatchObject({ vouchedBy: 'log', isContested: false });
    const before = await policy();
    expect(before.value.logs.get(next.vkey.name)).toEqual({ vkey: next.vkey });
    expect(before.value.successors).toHaveLength(1);
    // Said twice it is said once.
    await bench.service.successor(envelopeBytes(byOldKey(first, next)));
    expect((await state()).size).toBe(2);
    expect((await bench.service.successor(envelopeBytes(byAk(box, first, next)))).ok).toBe(true);
    expect((await state()).logs.get(next.vkey.name)).toMatchObject({ vouchedBy: 'ak' });
    expect((await policy()).value.logs.get(next.vkey.name)?.ak).toEqual(box.ak.spki);
  });

  test('is refused for its named reason', async () => {
    const { bench, box, first, next, decider } = await scene();
    const { service } = bench;
    const reasonOf = async (bytes: Uint8Array) => {
      const answer = await service.successor(bytes);
      return answer.ok ? 'accepted' : answer.reason;
    };
    expect(await reasonOf(Uint8Array.of(1))).toBe('successor');
    expect(await reasonOf(envelopeBytes(byOldKey(testLogKey(GATEWAY, 9), next)))).toBe('successor_unknown');
    const forged = { ...byOldKey(first, next), signatures: byOldKey(next, first).signatures };
    expect(await reasonOf(envelopeBytes(forged))).toBe('successor_signature');
    const stranger = new TestBox(GATEWAY);
    expect(await reasonOf(envelopeBytes(byAk(stranger, first, next)))).toBe('successor_signature');
    const sound = byAk(box, first, next);
    const [signature] = sound.signatures;
    const bytes = signature?.sig ?? new Uint8Array(0);
    for (let at = 0; at < bytes.length; at += 5) {
      const sig = Uint8Array.from(bytes, (byte, i) => (i === at ? byte ^ 1 : byte));
      const changed = { ...sound, signatures: [{ keyid: signature?.keyid ?? '', sig }] };
      expect(await reasonOf(envelopeBytes(changed))).toBe('successor_signature');
    }
    await revoke(decider, GATEWAY, first.vkey.name, { size: 0, root: EMPTY_ROOT });
    expect(await reasonOf(envelopeBytes(sound))).toBe('successor_revoked');
  });

  test('has no rival: with a second one none counts until a person chooses', async () => {
    const { bench, first, next, state, policy, decider } = await scene();
    const rival = testLogKey(GATEWAY, 3);
    const after = testLogKey(GATEWAY, 4);
    await bench.service.successor(envelopeBytes(byOldKey(first, next)));
    await bench.service.successor(envelopeBytes(byOldKey(next, after)));
    const second = await bench.service.successor(envelopeBytes(byOldKey(first, rival)));
    expect(second).toEqual({ ok: true, value: { v: 1, state: 'contested' } });
    expect(bench.log.lines.some((line) => line.includes('second_successor'))).toBe(true);
    expect((await state()).forks).toEqual([first.vkey.name]);
    expect([...(await policy()).value.logs.keys()]).toEqual([first.vkey.name]);
    await choose(decider, GATEWAY, rival.vkey.name);
    expect((await state()).forks).toEqual([]);
    expect([...(await policy()).value.logs.keys()]).toEqual([first.vkey.name, rival.vkey.name]);
    await choose(decider, GATEWAY, next.vkey.name);
    expect([...(await policy()).value.logs.keys()]).toEqual([first, next, after].map(({ vkey }) => vkey.name));
    await expect(choose(decider, GATEWAY, first.vkey.name)).rejects.toMatchObject({ code: 'USAGE' });
  });

  test('that was revoked while it was contested is revoked in the policy: its statement reaches others by other ways', async () => {
    const { bench, box, first, next, policy, decider } = await scene();
    const rival = testLogKey(GATEWAY, 3);
    await bench.service.successor(envelopeBytes(byOldKey(first, next)));
    await bench.service.successor(envelopeBytes(byAk(box, first, rival)));
    await revoke(decider, GATEWAY, rival.vkey.name, { size: 0, root: EMPTY_ROOT });
    const { value } = await policy();
    expect([...value.logs.keys()]).toEqual([first.vkey.name, rival.vkey.name]);
    const row = { vkey: rival.vkey, revokedAt: { size: 0, root: unbase64(EMPTY_ROOT) } };
    expect(value.logs.get(rival.vkey.name)).toEqual(row);
    expect(value.successors).toEqual([]);
    // A reader who hears the rival's statement alone, over the network.
    const heard = believedLogs(nodeCrypto, value, { statements: [byOldKey(first, rival)] });
    expect(heard.logs.get(rival.vkey.name)).toMatchObject({ keyFrom: 'policy', revokedAt: row.revokedAt });
  });

  test('is one too many when they fill the history: what people decide keeps its room', async () => {
    const { bench, first, state, decider } = await scene();
    await bench.service.successor(envelopeBytes(byOldKey(first, testLogKey(GATEWAY, 2))));
    const texts = await bench.store.read(GATEWAY);
    const again = texts.at(-1) ?? '';
    const filled = [...texts, ...new Array<string>(9_000 - texts.length).fill(again)];
    const { read } = bench.store;
    bench.store.read = async () => filled;
    const more = await bench.service.successor(envelopeBytes(byOldKey(first, testLogKey(GATEWAY, 3))));
    expect(more).toMatchObject({ ok: false, reason: 'history_full' });
    bench.store.read = read.bind(bench.store);
    await revoke(decider, GATEWAY, first.vkey.name, { size: 0, root: EMPTY_ROOT });
    expect((await state()).logs.get(first.vkey.name)?.revoked).toBeDefined();
  });
});

describe('an enrolment that contradicts', () => {
  async function again(bench: Bench, box: TestBox) {
    const challenge = await bench.challenge(box);
    const outcome = await bench.answer(box, challenge);
    if (!outcome.ok) throw new Error(outcome.reason);
    return { id: challenge.id, state: outcome.value.state };
  }

  test('the same box with a new log is enrolled again, and its record names the one before', async () => {
    const { bench, box, state } = await scene();
    box.log = testLogKey(GATEWAY, 2);
    expect(await again(bench, box)).toMatchObject({ state: 'enrolled' });
    const [one, two] = (await state()).records;
    expect(two?.record.previous).toBe(
      Buffer.from(nodeCrypto.sha256(one?.envelope.payload ?? new Uint8Array(0))).toString('base64url'),
    );
  });

  test('another AK at the same gateway waits, and is signed by a person or not at all', async () => {
    const { bench, state, decider, policy } = await scene();
    for (const decision of ['approve', 'decline'] as const) {
      const box = vendors.certified(new TestBox(GATEWAY));
      box.log = testLogKey(GATEWAY, decision === 'approve' ? 2 : 3);
      const { id, state: word } = await again(bench, box);
      expect(word).toBe('pending');
      expect((await state()).pending.get(id)?.doubts).toEqual(['ak_differs']);
      expect(await bench.service.outcome(GATEWAY, id)).toMatchObject({ ok: true, value: { state: 'pending' } });
      expect((await policy()).value.logs.has(box.log.vkey.name)).toBe(false);
      if (decision === 'approve') await approve(decider, bench.key, GATEWAY, id);
      else await decline(decider, GATEWAY, id);
      const outcome = await bench.service.outcome(GATEWAY, id);
      expect(outcome).toMatchObject({ ok: true, value: { state: decision === 'approve' ? 'enrolled' : 'refused' } });
      expect((await policy()).value.logs.has(box.log.vkey.name)).toBe(decision === 'approve');
      await expect(approve(decider, bench.key, GATEWAY, id)).rejects.toMatchObject({ code: 'USAGE' });
    }
    expect(bench.log.lines.some((line) => line.includes('doubtful_enrolment'))).toBe(true);
  });

  test('a TPM or a log key that belongs to another gateway waits', async () => {
    const { bench, box } = await scene();
    const moved = vendors.certified(new TestBox('gw-0002'));
    Object.assign(moved, { ak: box.ak });
    const one = await again(bench, moved);
    expect((await readGateway(bench.store, 'gw-0002')).pending.get(one.id)?.doubts).toEqual(['ak_elsewhere']);
    const raw = box.log.vkey.publicKey;
    const twin = vendors.certified(new TestBox('gw-0003'));
    const { logVkey } = await import('../../../src/evidence/log/note.ts');
    const { originFor } = await import('../../../src/evidence/log/origin.ts');
    const vkey = logVkey(nodeCrypto, originFor(nodeCrypto, 'lockers.example', 'gw-0003', 1, raw), raw);
    twin.log = { vkey, privateKey: box.log.privateKey };
    expect(createPublicKey(box.log.privateKey).asymmetricKeyType).toBe('ed25519');
    const two = await again(bench, twin);
    expect((await readGateway(bench.store, 'gw-0003')).pending.get(two.id)?.doubts).toEqual(['key_elsewhere']);
  });

  test('software keys after a TPM wait', async () => {
    const { bench, box, state } = await scene();
    box.log = testLogKey(GATEWAY, 2);
    const begun = await bench.begin(await bench.token(GATEWAY), box.softwareRequest());
    if (!begun.ok) throw new Error(begun.reason);
    const outcome = await bench.answer(box, begun.value);
    expect(outcome).toMatchObject({ ok: true, value: { state: 'pending' } });
    expect((await state()).pending.get(begun.value.id)?.doubts).toEqual(['class_lower']);
  });
});

test('a revoked log stands in the policy with its last checkpoint', async () => {
  const { first, decider, policy } = await scene();
  const root = base64(new Uint8Array(32).fill(5));
  await revoke(decider, GATEWAY, first.vkey.name, { size: 7, root });
  expect((await policy()).value.logs.get(first.vkey.name)?.revokedAt).toEqual({ size: 7, root: unbase64(root) });
  await expect(revoke(decider, GATEWAY, 'x', { size: 7, root })).rejects.toMatchObject({ code: 'USAGE' });
});
