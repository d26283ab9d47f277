import { describe, expect, test } from 'vitest';
import { utf8, utf8Text } from '../../../src/base/bytes.ts';
import { encodeLeaf } from '../../../src/evidence/event/leaf.ts';
import { portableCrypto } from '../../../src/evidence/portable-crypto.ts';
import { parsePolicy } from '../../../src/evidence/verify/policy.ts';
import { verifyBytes } from '../../../src/evidence/verify/verify-file.ts';
import { nodeCrypto } from '../../../src/platform/node-crypto.ts';
import { isPolicy, judge } from '../../../src/web/verify/judge.ts';
import { type Ask, FILE_BYTES_MAX, type SourceFile, type Told } from '../../../src/web/verify/protocol.ts';
import type { View } from '../../../src/web/verify/view-types.ts';
import { store, vkeyText, whole } from '../../support/anchored-log.ts';
import {
  bundleInParts,
  flippedBundle,
  HOSTILE,
  lockerLog,
  mixedBundle,
  proofPolicy,
  refundBundle,
} from '../../support/proof-files.ts';
import { eventOf, fill } from '../../support/test-events.ts';
import { noteText, TestLog } from '../../support/test-log.ts';
import { policyText } from '../../support/test-trust.ts';

const log = lockerLog();
const policy = proofPolicy(log);
const bundle = refundBundle(log);
const exported = whole(log, [6, 12, log.size]);

describe('the verdict that the page gives', () => {
  test('is that of the command, over bundles and exports, sound and damaged', async () => {
    const files = [bundle, flippedBundle(bundle), exported, exported.with(900, 0), exported.slice(0, -9), utf8('')];
    const parsed = parsePolicy(nodeCrypto, policy);
    if (!parsed.ok) throw new Error('a policy');
    const seen = new Set<string>();
    for (const file of files) {
      const { verdict } = await judged({ file: named(file), policy: named(policy) });
      expect(verdict).toEqual(verifyBytes(file, { cryptos: [nodeCrypto, portableCrypto()], policy: parsed.value }));
      seen.add(verdict.reason ?? 'verified');
    }
    expect([...seen]).toEqual(['verified', 'bundle_proof', 'signature', 'framing', 'unattributed']);
  });

  test('is nothing without trust, and strict with one key', async () => {
    expect((await judged({ file: named(bundle) })).verdict.reason).toBe('no_trust');
    const advised = async (file: Uint8Array): Promise<string | undefined> =>
      (await judged({ file: named(file) })).view.advice;
    for (const sound of [bundle, exported]) expect(await advised(sound)).toMatch(/^Give a trust policy/);
    // Another policy would help none of these.
    for (const wrong of [utf8(''), utf8('gateway: {}\n'), exported.slice(0, 900), Uint8Array.of(0x89, 0x50, 0)]) {
      expect(await advised(wrong)).toMatch(/^Nothing in this file can be read/);
    }
    const vkey = vkeyText(log);
    expect((await judged({ file: named(bundle), vkey })).verdict.outcome).toBe('verified');
    const other = new TestLog('other');
    const foreign = await judged({ file: named(fill(other, 3).batch(0)), vkey });
    expect(foreign.verdict.reason).toBe('kid');
  });

  test('tells how far it is', async () => {
    const told = await allTold({ file: named(exported), policy: named(policy) });
    const progress = told.filter((each) => each.kind === 'progress');
    expect(progress.at(-1)).toEqual({ kind: 'progress', doneBytes: exported.length, totalBytes: exported.length });
  });

  test('says what is wrong with a policy, a key or a receipt, and takes no file that is too large', async () => {
    expect(await refused({ policy: named(utf8('{"v":2,"logs":[]}')) })).toMatchObject({
      title: 'file is no trust policy',
      problems: ['v: expected the version 1, found 2'],
    });
    expect(await refused({ policy: named(new Uint8Array(1_048_577)) })).toMatchObject({
      title: 'file is no trust policy',
    });
    expect(await refused({ vkey: 'x' })).toMatchObject({ title: 'This is no verifier key of a log' });
    expect(await refused({ policy: named(policy), beside: [named(utf8('x'))] })).toMatchObject({
      title: 'file is no receipt or enrolment',
    });
    const huge = { ...named(bundle), size: FILE_BYTES_MAX + 1 };
    expect(await refused({ file: huge })).toMatchObject({ title: 'file is too large for this page' });
    expect(isPolicy(policy)).toBe(true);
    expect(isPolicy(bundle)).toBe(false);
  });

  test('counts a receipt from beside the file', async () => {
    const receipt = utf8(noteText(store.cosign(log.note(12), 1_795_340_000)));
    const { view } = await judged({ file: named(exported), policy: named(policy), beside: [named(receipt)] });
    expect(view.logs[0]?.finding?.receipts).toEqual([
      { witness: store.vkey.name, roles: 'store', text: 'cosigned size 12 at 2026-11-22T09:33:20.000Z' },
    ]);
  });
});

describe('what the page draws', () => {
  test('of a bundle: the decision, the events with their paths, and the level with nothing above it', async () => {
    const { view } = await judged({ file: named(bundle), policy: named(policy) });
    expect(view).toMatchObject({ outcome: 'verified', headline: 'Verified' });
    expect(view.sealed).toContain('refunds.lockers.example');
    expect(view.decisions[0]).toMatchObject({ refund: 'r-2041', outcome: 'REVIEW', isChecked: true });
    expect(view.decisions[0]?.reasons.map(({ code }) => code)).toEqual(['C4', 'C1']);
    const [drawn] = view.logs;
    expect(drawn).toMatchObject({ title: 'Gateway gw-0001, log 1', isProved: true, omitted: 0 });
    expect(drawn?.finding).toMatchObject({
      level: 'A3',
      coverage: { anchored: 12, receipted: 14, checkpoints: [6, 12, 14] },
    });
    expect(drawn?.finding?.ladder.every(({ isReached }) => isReached)).toBe(true);
    expect(drawn?.entries.map(({ n }) => n)).toEqual([2, 3, 4, 6, 7, 8, 9, 10, 11]);
    expect(drawn?.entries.flatMap(({ n, decisions }) => (decisions.length > 0 ? [n] : []))).toEqual([7, 11]);
    const deposited = drawn?.entries.find(({ n }) => n === 7);
    expect(deposited).toMatchObject({ title: 'Parcel deposited', day: '2026-11-22', time: '00:00:07.000' });
    const root = Buffer.from(log.checkpoint(12).root).toString('base64');
    expect(deposited?.path).toMatchObject({ index: 7, size: 12, root });
    expect(drawn?.entries.find(({ n }) => n === 9)?.gap).toBe('9 h 12 min later');
    expect(drawn?.entries.find(({ n }) => n === 2)?.rows[1]).toEqual({ label: 'text', value: HOSTILE });
  });

  test('of each entry of a bundle: what is proved of it alone, and where a decision counts it for more', async () => {
    const { view } = await judged({ file: named(mixedBundle(log)), policy: named(policy) });
    const [drawn] = view.logs;
    expect(drawn?.entries.map(({ n, level }) => [n, level?.level, level?.text])).toEqual([
      [7, 'A3', 'anchored and cosigned'],
      [11, 'A3', 'anchored and cosigned'],
      [13, 'A1', 'sealed key'],
    ]);
    expect(drawn?.finding?.level).toBe('A1');
    expect(drawn?.finding?.reached.map(({ level, which }) => `${level} ${which}`)).toEqual([
      'A3 entries 7 and 11',
      'A1 entry 13',
    ]);
    expect(view.decisions[0]?.above).toEqual([
      { entry: `${log.origin}#13`, counted: 'A2, anchored', proved: 'A1, sealed key' },
    ]);
    const sound = await judged({ file: named(bundle), policy: named(policy) });
    expect(sound.view.decisions[0]?.above).toEqual([]);
    // Nothing is said of the entries of a file that does not verify.
    const flipped = await judged({ file: named(flippedBundle(bundle)), policy: named(policy) });
    expect(flipped.view.logs[0]?.entries.every(({ level }) => level === undefined)).toBe(true);
  });

  test('of a log in parts: each with its own level, under a name of its own', async () => {
    const { view } = await judged({ file: named(bundleInParts(log)), policy: named(proofPolicy(log, { makers: [] })) });
    expect(view.outcome).toBe('verified');
    expect(view.logs.map(({ key, title, finding }) => [key, title, finding?.level, finding?.coverage.end])).toEqual([
      [`${log.origin} 0`, 'Gateway gw-0001, log 1, part 1 of 2', 'A1', 6],
      [`${log.origin} 1`, 'Gateway gw-0001, log 1, part 2 of 2', 'A2', 14],
    ]);
  });

  test('of an export: a path for each entry, to the root at its end', async () => {
    const { view } = await judged({ file: named(exported), policy: named(policy) });
    const root = Buffer.from(log.checkpoint().root).toString('base64');
    expect(view.logs[0]?.entries.map(({ path }) => path?.root)).toEqual(log.leaves.map(() => root));
    expect(view.logs[0]?.finding).toMatchObject({ level: 'A2', tail: expect.stringContaining('2 entries reach A1') });
    expect(view.logs[0]?.finding?.ladder[3]?.why).toContain('no cosignature of a witness');
  });

  test('of a refuted file: its reason, and events that are not called proved', async () => {
    const { view } = await judged({ file: named(flippedBundle(bundle)), policy: named(policy) });
    expect(view).toMatchObject({ outcome: 'refuted', reason: { name: 'bundle_proof', place: 'log 1 of the file' } });
    expect(view.decisions[0]?.isChecked).toBe(false);
    expect(view.logs[0]).toMatchObject({ isProved: false });
    expect(view.logs[0]?.finding).toBeUndefined();
    expect(view.logs[0]?.entries).toHaveLength(9);
  });

  test('of an export that is damaged at its end: nothing is called proved', async () => {
    const { view } = await judged({ file: named(exported.with(exported.length - 40, 0x41)), policy: named(policy) });
    expect(view).toMatchObject({ outcome: 'refuted', reason: { place: 'batch 3 of the file' } });
    expect(view.logs[0]).toMatchObject({ isProved: false, finding: { coverage: { end: 12 } } });
  });

  test('of a withheld entry: nothing but its place', async () => {
    const strange = fill(new TestLog('withheld'), 2);
    strange.append(encodeLeaf(eventOf(strange, 2, 'door.opened', { channel: '4111 1111 1111 1111' })));
    const { view } = await judged({ file: named(strange.batch(0)), policy: named(utf8(policyText([strange]))) });
    expect(view.logs[0]?.entries[2]).toMatchObject({ use: 'withheld', rows: [], about: [] });
    expect(JSON.stringify(view)).not.toContain('4111');
    expect(utf8Text(strange.batch(0))).toContain('4111');
  });

  test('of a long export: its first and its newest entries, and how many are between', async () => {
    const long = fill(new TestLog('long'), 1_800);
    const { view } = await judged({ file: named(long.export(200, 100)), policy: named(utf8(policyText([long]))) });
    const [drawn] = view.logs;
    const indices = drawn?.entries.map(({ n }) => n) ?? [];
    expect([indices[0], indices[499], indices.at(-1)]).toEqual([100, 599, 1_799]);
    expect(indices.length + (drawn?.omitted ?? 0)).toBe(1_700);
    expect(drawn?.omitted).toBe(500);
    expect(drawn?.entries.some(({ path }) => path !== undefined)).toBe(false);
  });
});

function named(bytes: Uint8Array, name = 'file'): SourceFile {
  const slice = (from: number, to: number): { arrayBuffer(): Promise<ArrayBuffer> } => ({
    arrayBuffer: async () => Uint8Array.from(bytes.subarray(from, to)).buffer,
  });
  return { name, size: bytes.length, slice };
}

async function allTold(ask: Partial<Ask>): Promise<readonly Told[]> {
  const told: Told[] = [];
  await judge({ file: named(bundle), beside: [], ...ask }, (each) => told.push(each));
  return told;
}

async function judged(
  ask: Partial<Ask>,
): Promise<{ readonly verdict: Extract<Told, { kind: 'judged' }>['verdict']; readonly view: View }> {
  const last = (await allTold(ask)).at(-1);
  if (last?.kind !== 'judged') throw new Error(JSON.stringify(last));
  return last;
}

async function refused(ask: Partial<Ask>): Promise<Told | undefined> {
  return (await allTold(ask)).at(-1);
}
