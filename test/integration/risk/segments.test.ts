/** Logs with a gap: what an anchor or a cosignature behind it proves of the entries before, in levels, bundles and submissions. */
import type { PGlite } from '@electric-sql/pglite';
import fc from 'fast-check';
import { sql } from 'kysely';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { base64url } from '../../../src/base/bytes.ts';
import { formatNote } from '../../../src/evidence/log/note.ts';
import type { Verdict } from '../../../src/evidence/verify/verdict.ts';
import { nodeCrypto } from '../../../src/platform/node-crypto.ts';
import { AssuranceBook } from '../../../src/risk/assurance/assurance-book.ts';
import { Bundles } from '../../../src/risk/dossier/bundles.ts';
import { SqlStore } from '../../../src/risk/intake/sql-store/sql-store.ts';
import { type LogProof, provedLevel } from '../../../src/risk/ledger/entry-level.ts';
import { LedgerStore } from '../../../src/risk/ledger/ledger-store.ts';
import { MIGRATIONS } from '../../../src/risk/store/migrate.ts';
import type { RiskDatabase } from '../../../src/risk/store/open-database.ts';
import { CosignatureBook } from '../../../src/risk/witnesses/cosignature-book.ts';
import { AnchoredLog, independent, policyFor, verdict, vkeyText } from '../../support/anchored-log.ts';
import { EMPTY_CUSTODY } from '../../support/breaking-database.ts';
import { openInMemory } from '../../support/embedded.ts';
import { fill } from '../../support/test-events.ts';
import { linesOf, TestTpm } from '../../support/test-tpm.ts';
import { policyOf } from '../../support/test-trust.ts';
import { PARCEL, PUT_IN, TAKEN_OUT } from '../../unit/ledger/support.ts';

const NOW_MS = Date.UTC(2026, 10, 22, 12);
const owner = { tenant: 'default', region: 'eu' };
const place = { compartment: 'A01', device: 'board-1', parcel: PARCEL };
let pglite: PGlite;
let database: RiskDatabase;
let store: SqlStore;
beforeAll(async () => {
  ({ pglite, database } = await openInMemory());
});
afterAll(() => database.close());
beforeEach(async () => {
  await pglite.exec(['begin', ...EMPTY_CUSTODY, 'truncate custody.read_to, custody.mention', 'commit'].join('; '));
  store = new SqlStore({ database, crypto: nodeCrypto, ...owner });
});

/** Deposited at 2. One seed, so one log; what `fill` adds differs by nothing but its place, so a word tells them apart. */
function branch(isDeposited: boolean): AnchoredLog {
  const log = fill(new AnchoredLog('gap').opened(), 2);
  return isDeposited ? log.add('parcel.deposited', PUT_IN, place) : fill(log, 3);
}

/** Anchors over 9, and over 3 where asked for. */
function anchored(log: AnchoredLog, early = false): AnchoredLog {
  if (early) log.anchor({ line: false });
  fill(log, 9).anchor({ line: false });
  return fill(log, 14);
}

async function keep(of: AnchoredLog, first: number, end: number, opens = first === 0): Promise<void> {
  const rows = of.leaves.slice(first, end).map((leaf, i) => {
    return { leaf, leafHash: of.leafHashes[first + i] ?? new Uint8Array(32), use: { status: 'used' } as const };
  });
  const trees = { before: of.frontier(first), after: of.frontier(end), note: formatNote(of.note(end)) };
  expect(await store.append([{ origin: of.origin, opens, rows, ...trees, storedAtMs: NOW_MS }])).toEqual(['stored']);
}

function bookFor(log: AnchoredLog, members: object = log.tpm.policy): AssuranceBook {
  const policy = policyFor(log, members);
  const parts = { database, store, crypto: nodeCrypto, ...owner, policy: () => policy };
  return new AssuranceBook({ ...parts, witnesses: [independent.vkey] });
}

const cosignatures = (): CosignatureBook => new CosignatureBook({ database, crypto: nodeCrypto, ...owner });

/** As if the witness had answered. */
async function cosign(log: AnchoredLog, size: number): Promise<void> {
  const book = cosignatures();
  const { text } = log.note(size);
  const found = { signature: independent.line(text, NOW_MS / 1_000).signature, timestampS: NOW_MS / 1_000 };
  const of = { origin: log.origin, gateway: 'gw-0001', size };
  await book.keep(of, await book.witness(independent.vkey), found, new Date(NOW_MS));
}

interface State {
  /** Places of entries of the parcel, and of anchors, on the note as well or not. */
  readonly parcels: readonly number[];
  readonly anchors: ReadonlyMap<number, boolean>;
  /** Ends of ranges, and which of the ranges are stored. */
  readonly cuts: readonly number[];
  readonly kept: readonly boolean[];
  readonly cosigned: readonly boolean[];
  readonly revoked: number | undefined;
  readonly emulated: boolean;
}

const place24 = fc.integer({ min: 1, max: 23 });
const states: fc.Arbitrary<State> = fc.record({
  parcels: fc.uniqueArray(place24, { minLength: 2, maxLength: 5 }),
  anchors: fc
    .uniqueArray(fc.tuple(place24, fc.boolean()), { maxLength: 5, selector: ([n]) => n })
    .map((all) => new Map(all)),
  cuts: fc.uniqueArray(fc.integer({ min: 2, max: 22 }), { minLength: 2, maxLength: 5 }),
  kept: fc.array(
    fc.nat({ max: 3 }).map((n) => n > 0),
    { minLength: 6, maxLength: 6 },
  ),
  cosigned: fc.array(fc.boolean(), { minLength: 6, maxLength: 6 }),
  revoked: fc.option(fc.nat({ max: 5 }), { nil: undefined, freq: 2 }),
  emulated: fc.nat({ max: 7 }).map((n) => n === 0),
});

/** The log, and the ends of the ranges of it that were stored. */
async function stored(state: State, seed: string, parcel: typeof PARCEL): Promise<[AnchoredLog, readonly number[]]> {
  const log = new AnchoredLog(seed).opened();
  while (log.size < 24) {
    const bearsLine = state.anchors.get(log.size);
    if (bearsLine !== undefined) log.anchor({ line: bearsLine });
    else if (state.parcels.includes(log.size)) log.add('parcel.deposited', PUT_IN, { ...place, parcel });
    else fill(log, log.size + 1);
  }
  const ends = [...state.cuts.toSorted((a, b) => a - b), 24];
  const held: number[] = [];
  for (const [i, end] of ends.entries()) {
    const first = ends[i - 1] ?? 0;
    if (state.kept[i] === false) continue;
    await keep(log, first, end, !held.includes(first));
    held.push(end);
    if (state.cosigned[i] === true) await cosign(log, end);
  }
  return [log, held];
}

async function levelOfDeposit(): Promise<string | undefined> {
  const ledger = new LedgerStore({ database, ...owner });
  await ledger.catchUp();
  const { facts } = await ledger.ledger(PARCEL.ref, NOW_MS);
  const levels = new Set(facts.forward.signals.map(({ level }) => level));
  expect(levels.size).toBe(1);
  return [...levels][0];
}

async function bundle(log: AnchoredLog, members: object = log.tpm.policy): Promise<Verdict> {
  const ledger = new LedgerStore({ database, ...owner });
  await ledger.catchUp();
  const clock = { wallMs: () => NOW_MS };
  const bytes = await new Bundles({ database, ledger, crypto: nodeCrypto, clock }).ofParcel(PARCEL.ref);
  if (bytes === undefined) throw new Error('no bundle');
  return verdict(log, bytes, { policy: policyFor(log, members) });
}

test('of whatever state of a log, each entry has in its bundle the level that decisions give it', {
  timeout: 120_000,
}, async () => {
  const seen = new Set<string>();
  for (const [i, state] of fc.sample(states, { numRuns: 10, seed: 1_795_338 }).entries()) {
    const parcel = { ...PARCEL, ref: `k1.${String(i).padStart(21, 's')}A` };
    const [log, held] = await stored(state, `state ${i}`, parcel);
    const size = state.revoked === undefined ? undefined : held[state.revoked];
    const revoked = size && { size, root: Buffer.from(log.checkpoint(size).root).toString('base64') };
    const tpm = state.emulated ? { ...log.tpm.policy, class: 'emulated' } : log.tpm.policy;
    const members = revoked ? { ...tpm, revoked } : tpm;
    await bookFor(log, members).catchUp();
    const row = await database.kysely
      .selectFrom('custody.assurance')
      .selectAll()
      .where('origin', '=', log.origin)
      .executeTakeFirst();
    const ledger = new LedgerStore({ database, ...owner });
    await ledger.catchUp();
    const clock = { wallMs: () => NOW_MS };
    const bytes = await new Bundles({ database, ledger, crypto: nodeCrypto, clock }).ofParcel(parcel.ref);
    const isHeld = (n: number): boolean => held.some((end) => n < end && n >= Math.max(0, ...cutsBelow(state, end)));
    const wanted = state.parcels.filter((n) => !state.anchors.has(n) && isHeld(n)).toSorted((a, b) => a - b);
    if (row === undefined || bytes === undefined) {
      expect(wanted).toEqual([]);
      continue;
    }
    const given = verdict(log, bytes, { policy: policyFor(log, members) });
    const decided = wanted.map((n) => `${n} ${provedLevel(n, row as LogProof)}`);
    if (given.outcome === 'cannot_tell') {
      // Not all of it is shown to be of the key: then decisions count on none of what is not.
      expect([given.reason, decided.some((one) => one.endsWith('A0'))]).toEqual(['revoked', true]);
      continue;
    }
    expect(given.outcome).toBe('verified');
    const said = given.logs.flatMap(({ levels = [] }) =>
      levels.flatMap(({ level, entries }) => entries.map((n) => `${n} ${level}`)),
    );
    expect(said.toSorted(), JSON.stringify({ ...state, anchors: [...state.anchors] })).toEqual(decided.toSorted());
    for (const one of said) seen.add(one.slice(-2));
  }
  // All levels were among them.
  expect([...seen].sort()).toEqual(['A0', 'A1', 'A2', 'A3']);
});

function cutsBelow({ cuts }: State, end: number): readonly number[] {
  return cuts.filter((cut) => cut < end);
}

describe('an entry of a log whose key was revoked', () => {
  test('below the revocation is what it was, in decisions and in a bundle that verifies, though the log went on', async () => {
    const log = anchored(branch(true), true);
    await keep(log, 0, 5);
    await keep(log, 5, 7, false);
    await keep(log, 7, 14, false);
    // What was cosigned above the revocation counts for nothing.
    await cosign(log, 14);
    const at = { size: 7, root: Buffer.from(log.checkpoint(7).root).toString('base64') };
    const members = { ...log.tpm.policy, revoked: at };
    await bookFor(log, members).catchUp();
    expect(await levelOfDeposit()).toBe('A2');
    const given = await bundle(log, members);
    expect(given).toMatchObject({ outcome: 'verified', logs: [{ end: 7, level: 'A2' }] });
    expect(given.logs[0]?.missing[0]).toContain('he searched 0 to 7');
  });

  test('above it is A0 in decisions, and its bundle tells nothing to whoever knows of the revocation', async () => {
    const log = anchored(branch(true), true);
    await keep(log, 0, 2);
    await keep(log, 2, 14, false);
    const at = { size: 2, root: Buffer.from(log.checkpoint(2).root).toString('base64') };
    const members = { ...log.tpm.policy, revoked: at };
    await bookFor(log, members).catchUp();
    expect(await levelOfDeposit()).toBe('A0');
    expect(await bundle(log, members)).toMatchObject({ outcome: 'cannot_tell', reason: 'revoked' });
  });
});

test('an entry of a closed log that only the log after it anchors is A2 in decisions and in its bundle, which has both', async () => {
  const tpm = new TestTpm('ended');
  const ended = fill(new AnchoredLog('ended', tpm).opened(), 3).add('parcel.deposited', PUT_IN, place);
  fill(ended, 9);
  const after = fill(new AnchoredLog('after', tpm, 2).opened(undefined, 0), 3);
  const root = base64url(ended.checkpoint(7).root);
  const lines = linesOf(tpm.anchor(ended.note(7)));
  fill(after.add('anchor.made', { size: 7, root, lines, counter: 1, log: ended.origin }), 6);
  // No note of the anchored size is stored, and the first above the entry is below it.
  for (const [first, end] of [
    [0, 5],
    [5, 9],
  ] as const)
    await keep(ended, first, end);
  await keep(after, 0, 6);
  const policy = policyOf([], {
    logs: [ended, after].map((log) => ({ vkey: vkeyText(log), ...tpm.policy })),
    least_level: 'A2',
  });
  await new AssuranceBook({ database, store, crypto: nodeCrypto, ...owner, policy: () => policy }).catchUp();
  expect(await levelOfDeposit()).toBe('A2');
  const ledger = new LedgerStore({ database, ...owner });
  const clock = { wallMs: () => NOW_MS };
  const bytes = await new Bundles({ database, ledger, crypto: nodeCrypto, clock }).ofParcel(PARCEL.ref);
  expect(verdict(ended, bytes ?? new Uint8Array(), { policy })).toMatchObject({
    outcome: 'verified',
    logs: [
      { origin: ended.origin, level: 'A2', levels: [{ level: 'A2', entries: [3] }] },
      { origin: after.origin, entries: { accepted: 1 } },
    ],
  });
});

describe('an entry before a gap', () => {
  test('of another branch than the one anchored and cosigned behind it is A1, in decisions and in its bundle', async () => {
    const forged = fill(branch(true), 4);
    const log = anchored(branch(false));
    expect(forged.origin).toBe(log.origin);
    await keep(forged, 0, 4);
    await keep(log, 7, 14, true);
    await cosign(log, 14);
    await bookFor(log).catchUp();
    expect(await levelOfDeposit()).toBe('A1');
    const given = await bundle(log);
    expect(given).toMatchObject({
      outcome: 'verified',
      logs: [{ level: 'A1', levels: [{ level: 'A1', entries: [2] }] }],
    });
    // What was looked through is the stretch alone.
    expect(given.logs[0]?.missing[0]).toContain('he searched 0 to 4');
    const about = await database.kysely.selectFrom('custody.assurance').selectAll().executeTakeFirst();
    expect(about).toMatchObject({ segment_first: 7, anchored_size: 9, witnessed_size: 9 });
  });

  test('no checkpoint is offered to a witness who stands before it on another branch: nothing is said against them', async () => {
    const log = anchored(branch(false));
    await keep(fill(branch(true), 4), 0, 4);
    await keep(log, 7, 14, true);
    for (const from of [1, 3, 4, 5, 6]) expect(await cosignatures().offer(log.origin, from)).toBe('unprovable');
    expect(await cosignatures().offer(log.origin, 0)).toMatchObject({ size: 14 });
  });

  test('is as high as its own anchor and cosignature, and an entry behind it as high as those there', async () => {
    const log = anchored(branch(true), true);
    await keep(log, 0, 5);
    await keep(log, 7, 14, true);
    await bookFor(log).catchUp();
    expect(await levelOfDeposit()).toBe('A2');
    await cosign(log, 14);
    const book = bookFor(log);
    await book.catchUp();
    expect(await levelOfDeposit()).toBe('A2');
    await cosign(log, 5);
    expect(await book.catchUp()).toBe(1);
    expect(await levelOfDeposit()).toBe('A3');
  });

  test('is in a part of its own beside what stands behind the gap, each at the level of its own tree', async () => {
    const forged = fill(branch(true), 4);
    const log = branch(false);
    fill(log, 8).add('parcel.collected', TAKEN_OUT, place).anchor({ line: false });
    fill(log, 14);
    await keep(forged, 0, 4);
    await keep(log, 7, 14, true);
    await cosign(log, 14);
    await bookFor(log).catchUp();
    expect(await levelOfDeposit()).toBe('A3');
    const given = await bundle(log);
    expect(given).toMatchObject({
      outcome: 'verified',
      logs: [
        { end: 4, level: 'A1', levels: [{ level: 'A1', entries: [2] }] },
        { end: 14, level: 'A3', levels: [{ level: 'A3', entries: [8] }] },
      ],
    });
    const said = given.logs.map(({ missing }) => missing.join('; '));
    expect(said[0]).toContain('he searched 0 to 4');
    expect(said[1]).toContain('he searched 7 to 14');
    for (const each of said) expect(each).toContain('nothing shows that they are of one tree');
  });

  test('is anchored where a note in its stretch bears the line, though the entry that says so is in the gap', async () => {
    const log = fill(branch(true), 5).anchor();
    fill(log, 14);
    await keep(log, 0, 5);
    await keep(log, 7, 14, true);
    await bookFor(log).catchUp();
    expect(await levelOfDeposit()).toBe('A2');
    expect(await bundle(log)).toMatchObject({ outcome: 'verified', logs: [{ level: 'A2' }] });
  });

  test('rises when what is missing is stored and the tree is whole', async () => {
    const log = anchored(branch(true));
    const book = bookFor(log);
    await keep(log, 0, 4);
    await keep(log, 7, 14, true);
    await cosign(log, 14);
    await book.catchUp();
    expect(await levelOfDeposit()).toBe('A1');
    await keep(log, 4, 7);
    expect(await book.catchUp()).toBe(1);
    expect(await levelOfDeposit()).toBe('A3');
    expect(await bundle(log)).toMatchObject({ outcome: 'verified', logs: [{ level: 'A3' }] });
    expect(await book.catchUp()).toBe(0);
  });

  test('is A0 where the revocation of the key names a tree behind it, until it is shown to be in that tree', async () => {
    const forged = fill(branch(true), 4);
    const log = anchored(branch(false));
    await keep(forged, 0, 4);
    await keep(log, 7, 14, true);
    const at = { size: 14, root: Buffer.from(log.checkpoint(14).root).toString('base64') };
    await bookFor(log, { ...log.tpm.policy, revoked: at }).catchUp();
    expect(await levelOfDeposit()).toBe('A0');
    const about = await database.kysely.selectFrom('custody.assurance').selectAll().executeTakeFirst();
    expect(about).toMatchObject({ revoked_size: 14, revoked_first: 7 });
  });

  test('and one behind it are as the revocation says once the gap is filled', async () => {
    const log = anchored(branch(true));
    const at = { size: 12, root: Buffer.from(log.checkpoint(12).root).toString('base64') };
    const book = bookFor(log, { ...log.tpm.policy, revoked: at });
    await keep(log, 0, 4);
    await keep(log, 7, 14, true);
    await book.catchUp();
    expect(await levelOfDeposit()).toBe('A0');
    await keep(log, 4, 7);
    await book.catchUp();
    expect(await levelOfDeposit()).toBe('A2');
    const about = await database.kysely.selectFrom('custody.assurance').selectAll().executeTakeFirst();
    expect(about).toMatchObject({ revoked_size: 12, revoked_first: 0 });
  });

  test('counts as anchored no more once an earlier version had judged it so', async () => {
    const log = anchored(branch(true));
    await keep(log, 0, 4);
    await keep(log, 7, 14, true);
    const book = bookFor(log);
    await book.catchUp();
    await sql`alter table custody.assurance drop column segment_first, drop column below`.execute(database.kysely);
    expect(await MIGRATIONS['0022_segments']?.up(database.kysely)).toBeUndefined();
    const before = await database.kysely.selectFrom('custody.assurance').selectAll().executeTakeFirst();
    expect(before).toMatchObject({ anchored_size: 0, segment_first: 0, below: null });
    expect(await book.catchUp()).toBe(1);
    const after = await database.kysely.selectFrom('custody.assurance').selectAll().executeTakeFirst();
    expect(after).toMatchObject({ anchored_size: 9, segment_first: 7 });
    expect(after?.below).toEqual([{ first: 0, anchored: 0, witnessed: 0 }]);
  });
});
