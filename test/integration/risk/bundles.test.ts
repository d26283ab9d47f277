/** Bundles out of the database: they verify offline, on both engines, and show whatever was changed or taken out. */
import { sql, type Transaction } from 'kysely';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { utf8, utf8Text } from '../../../src/base/bytes.ts';
import { ManualScheduler } from '../../../src/base/manual-scheduler.ts';
import { decideAgain } from '../../../src/cli/decide-again.ts';
import { canonicalJson } from '../../../src/evidence/event/json.ts';
import { encodeLeaf } from '../../../src/evidence/event/leaf.ts';
import { formatNote, formatVkey } from '../../../src/evidence/log/note.ts';
import { inclusionProof, subtreesOf } from '../../../src/evidence/log/proofs.ts';
import { parsePolicy, type TrustPolicy } from '../../../src/evidence/verify/policy.ts';
import type { Verdict } from '../../../src/evidence/verify/verdict.ts';
import { verifyBytes } from '../../../src/evidence/verify/verify-file.ts';
import { nodeCrypto } from '../../../src/platform/node-crypto.ts';
import { importPayments } from '../../../src/risk/casework/imports.ts';
import { RefundDesk } from '../../../src/risk/casework/refund-desk.ts';
import { makeRuleset } from '../../../src/risk/decision/ruleset.ts';
import { Bundles, type BundlesParts } from '../../../src/risk/dossier/bundles.ts';
import { EpcisExport } from '../../../src/risk/dossier/epcis-export.ts';
import { openSealKey, type SealKey } from '../../../src/risk/dossier/seal-key.ts';
import { statementsOf } from '../../../src/risk/dossier/statements.ts';
import { makeReceipt } from '../../../src/risk/intake/receipts.ts';
import { SqlStore } from '../../../src/risk/intake/sql-store/sql-store.ts';
import { LedgerStore } from '../../../src/risk/ledger/ledger-store.ts';
import { RiskDatabase } from '../../../src/risk/store/open-database.ts';
import type { Database } from '../../../src/risk/store/schema.ts';
import { StoredSubtrees } from '../../../src/risk/store/stored-subtrees.ts';
import { AnchoredLog } from '../../support/anchored-log.ts';
import { NOW_MS, requestOf } from '../../support/casework-bench.ts';
import { bothEngines } from '../../support/engines.ts';
import { TestEnroller } from '../../support/test-enrolments.ts';
import { eventOf, fill } from '../../support/test-events.ts';
import { TestLog, TestWitness } from '../../support/test-log.ts';
import { TestTpm } from '../../support/test-tpm.ts';
import { statement, witnessMember } from '../../support/test-trust.ts';
import { TextLogger } from '../../unit/intake/harness.ts';
import { PARCEL, PUT_IN, TAKEN_OUT } from '../../unit/ledger/support.ts';

const owner = { tenant: 'default', region: 'eu' };
const place = { compartment: 'A01', device: 'board-1', parcel: PARCEL };
const engines = bothEngines('bundles');
const enroller = new TestEnroller();
const store = new TestWitness('store.example/w1');
let key: SealKey;

beforeAll(async () => {
  key = (await openSealKey(nodeCrypto, engines.dir.file('bundles.key'), 'refunds.lockers.example')).key;
});

interface Story {
  readonly old: AnchoredLog;
  readonly log: AnchoredLog;
}

/** A log that was rotated, and the one after it: delivered, collected and brought back, anchored before and after. */
function story(): Story {
  const tpm = new TestTpm('bundles');
  const old = fill(new AnchoredLog('bundles-old', tpm).opened(), 20);
  old.add('parcel.deposited', PUT_IN, place).add('parcel.collected', TAKEN_OUT, place).anchor({ line: false });
  fill(old, 30);
  const log = fill(new AnchoredLog('bundles-new', tpm, 2).opened(), 300).anchor({ line: false });
  log.add('parcel.deposited', PUT_IN, place).add('door.forced', { reason: 'tamper' }, { compartment: 'A01' });
  fill(log, 330).anchor({ line: false });
  return { old, log: fill(log, 340) };
}

async function keep(database: RiskDatabase, log: TestLog, each: number): Promise<void> {
  const sqlStore = new SqlStore({ database, crypto: nodeCrypto, ...owner });
  const gateway = log.origin.split('/')[1] ?? '';
  for (let first = 0; first < log.size; first += each) {
    const end = Math.min(first + each, log.size);
    const rows = log.leaves.slice(first, end).map((leaf, i) => {
      const leafHash = log.leafHashes[first + i] ?? new Uint8Array(32);
      return { leaf, leafHash, use: { status: 'used' } as const };
    });
    const range = { origin: log.origin, opens: first === 0, before: log.frontier(first), rows };
    const note = formatNote(log.note(end));
    expect(await sqlStore.append([{ ...range, after: log.frontier(end), note, storedAtMs: NOW_MS }])).toEqual([
      'stored',
    ]);
  }
  const checkpoint = log.checkpoint();
  const next = { size: checkpoint.size, root: checkpoint.root, note: formatNote(log.note()) };
  expect(await sqlStore.cosign([{ origin: log.origin, expected: undefined, next }])).toEqual(['stored']);
  expect(gateway).not.toBe('');
}

/** As the owner of the tables: how erasure and retention come to it is tested with them. */
async function unguarded(trx: Transaction<Database>): Promise<void> {
  await sql`alter table custody.entry disable trigger user`.execute(trx);
  await sql`alter table custody.mention disable trigger user`.execute(trx);
}

function policyOf(members: object = {}): TrustPolicy {
  const makers = [{ vkey: formatVkey(key.vkey), domains: ['lockers.example'] }];
  const text = {
    v: 1,
    logs: [],
    services: [enroller.row()],
    makers,
    witnesses: [witnessMember(store, 'store')],
    ...members,
  };
  const policy = parsePolicy(nodeCrypto, utf8(JSON.stringify(text)));
  if (!policy.ok) throw new Error(JSON.stringify(policy.problems));
  return policy.value;
}

function verdict(bytes: Uint8Array | undefined, policy = policyOf()): Verdict {
  if (bytes === undefined) throw new Error('no bundle');
  return verifyBytes(bytes, { cryptos: [nodeCrypto], policy, decideAgain });
}

interface BundleShape {
  decisions?: object[];
  logs: { log: string; entries: { leaf?: string; hash?: string }[]; checkpoints: object[] }[];
}

function shape(bytes: Uint8Array | undefined): BundleShape {
  return JSON.parse(utf8Text(bytes ?? new Uint8Array(0)) ?? '') as BundleShape;
}

for (const [engine, settingsOf] of Object.entries(engines.settings)) {
  describe(engine, () => {
    const { old, log } = story();
    let database: RiskDatabase;
    let ledger: LedgerStore;
    beforeAll(async () => {
      database = await RiskDatabase.open(await settingsOf());
      ledger = new LedgerStore({ database, ...owner, levelOf: () => 'A2' });
      await keep(database, old, 7);
      await keep(database, log, 33);
      const rotated = statement(old, log.vkey, { size: old.size });
      const { formatEnvelope } = await import('../../../src/evidence/wire/envelope.ts');
      const record = { kind: 'successor', old: old.origin, statement: formatEnvelope(rotated) } as const;
      await new SqlStore({ database, crypto: nodeCrypto, ...owner }).saveTrust('gw-0001', record);
      await ledger.catchUp();
      await importPayments(
        database,
        [{ payment_ref: 'pay-1', currency: 'USD', captured_minor: 50_000, disputed_minor: 0 }],
        owner,
      );
      const desk = new RefundDesk({
        database,
        ledger,
        crypto: nodeCrypto,
        ruleset: makeRuleset(nodeCrypto, {}),
        ...owner,
        clock: new ManualScheduler(NOW_MS),
        logger: new TextLogger(),
      });
      const request = requestOf('r-1', { parcel_refs: [PARCEL.ref], operator: 'op-1', payment_ref: 'pay-1' });
      expect(await desk.decide('first', request)).toMatchObject({ ok: true });
    });
    afterAll(() => database.close());

    function bundles(more: Partial<BundlesParts> = {}): Bundles {
      const cosign = (note: Uint8Array): Uint8Array =>
        makeReceipt({ vkey: store.vkey, cosign: (text, atS) => store.line(text, atS) }, note, NOW_MS / 1_000);
      const enrolments = async () => [enroller.summary(old, { tpm: old.tpm }), enroller.summary(log, { tpm: log.tpm })];
      return new Bundles({
        database,
        ledger,
        crypto: nodeCrypto,
        clock: { wallMs: () => NOW_MS },
        seal: key,
        cosign,
        enrolments,
        ...more,
      });
    }

    test('of a parcel: both logs anchored above its entries, receipted, sealed, nothing missing', async () => {
      const bytes = await bundles().ofParcel(PARCEL.ref);
      const given = verdict(bytes, policyOf({ least_level: 'A2' }));
      expect(given).toMatchObject({
        outcome: 'verified',
        sealed: { maker: key.vkey.name, issued: '2026-11-22T12:00:00.000Z' },
        logs: [
          { origin: old.origin, level: 'A2', anchors: { size: 22 }, receiptedSize: 30, closed: true },
          { origin: log.origin, level: 'A2', anchors: { size: 330 }, receiptedSize: 340 },
        ],
      });
      const entries = shape(bytes).logs.map((each) => each.entries.map(({ leaf = '{}' }) => JSON.parse(leaf).type));
      expect(entries).toEqual([
        ['parcel.deposited', 'parcel.collected', 'anchor.made'],
        ['anchor.made', 'parcel.deposited', 'door.forced', 'anchor.made'],
      ]);
      expect(await bundles().ofParcel('k1.BBBBBBBBBBBBBBBBBBBBBB')).toBeUndefined();
      // The statement that leads to the newer log, where there is no room for it.
      const chains = await database.as('custody', (trx) => statementsOf(trx, [log.origin, old.origin], 0));
      expect(chains).toEqual({ statements: [], omitted: 1 });
    });

    test('of a refund: its decisions, and every entry that they name', async () => {
      const bytes = await bundles().ofRefund('r-1');
      const given = verdict(bytes);
      expect(given.outcome).toBe('verified');
      const [decision] = given.decisions ?? [];
      expect(given.decisions).toHaveLength(1);
      expect(decision?.refundId).toBe('r-1');
      expect(decision?.entries).toEqual(expect.arrayContaining([`${old.origin}#20`, `${log.origin}#301`]));
      expect(await bundles().ofRefund('r-none')).toBeUndefined();
    });

    test('its decisions are made again from the facts in it: one that another code wrote is named', async () => {
      const bytes = await bundles().ofRefund('r-1');
      const outcome = verdict(bytes).decisions?.[0]?.outcome;
      expect(verdict(bytes).decisions?.[0]?.again).toEqual({ result: 'same', outcome });
      const edited = (edit: (answer: { outcome: string; counterfactuals: object[]; ruleset: string }) => void) => {
        const value = shape(bytes) as unknown as { decisions: { answer: string }[]; seal?: object };
        const [decision] = value.decisions;
        const answer = JSON.parse(decision?.answer ?? '');
        edit(answer);
        if (decision !== undefined) decision.answer = JSON.stringify(answer);
        delete value.seal;
        const given = verdict(utf8(canonicalJson(value as never)), policyOf({ makers: [] }));
        return [given.outcome, given.decisions?.[0]?.again];
      };
      const lied = edited((answer) => Object.assign(answer, { outcome: outcome === 'PAY' ? 'HOLD' : 'PAY' }));
      expect(lied).toEqual(['verified', { result: 'other', outcome }]);
      const reworded = edited((answer) => Object.assign(answer, { counterfactuals: [] }));
      expect(reworded).toEqual(['verified', { result: 'reworded', outcome }]);
    });

    test('of a service: summaries of enrolments that intake kept are in it, each once, and no record', async () => {
      const sqlStore = new SqlStore({ database, crypto: nodeCrypto, ...owner });
      const { formatEnvelope } = await import('../../../src/evidence/wire/envelope.ts');
      const tpm = { tpm: log.tpm };
      const kept = [enroller.record(old, tpm), enroller.summary(old, tpm), enroller.summary(log, tpm)];
      for (const each of kept) await sqlStore.saveTrust('gw-0001', { kind: 'enrolled', record: formatEnvelope(each) });
      const { enrolments: _none, ...parts } = partsOf();
      const count = async (maker: Bundles) =>
        (shape(await maker.ofParcel(PARCEL.ref)) as unknown as { enrolments?: string[] }).enrolments?.length;
      expect(await count(new Bundles(parts))).toBe(2);
      expect(await count(new Bundles(partsOf()))).toBe(2);
      expect(verdict(await new Bundles({ ...parts, seal: key }).ofParcel(PARCEL.ref)).outcome).toBe('verified');
    });

    test('what was taken out or edited is named, sealed or not', async () => {
      const names = new Set<string>();
      for (const seal of [key, undefined]) {
        const { seal: _none, ...unsealed } = { seal: undefined };
        const maker = seal === undefined ? new Bundles({ ...partsOf(), ...unsealed }) : bundles();
        const bytes = await maker.ofRefund('r-1');
        const policy = seal === undefined ? policyOf({ makers: [] }) : policyOf();
        expect(verdict(bytes, policy).outcome).toBe('verified');
        const change = (edit: (value: BundleShape) => unknown): string => {
          const value = shape(bytes);
          edit(value);
          const { outcome, reason = 'verified' } = verdict(utf8(canonicalJson(value as never)), policy);
          expect(outcome).toBe('refuted');
          return reason;
        };
        const [first] = shape(bytes).logs;
        for (let at = 1; at < (first?.entries.length ?? 0) - 1; at += 1) {
          names.add(`${seal === undefined} taken ${change((value) => value.logs[0]?.entries.splice(at, 1))}`);
          const edit = (value: BundleShape) => {
            const entry = value.logs[0]?.entries[at];
            if (entry?.leaf !== undefined) entry.leaf = entry.leaf.replace('"A01"', '"A02"');
          };
          names.add(`${seal === undefined} edited ${change(edit)}`);
        }
      }
      expect([...names].sort()).toEqual([
        'false edited bundle_seal',
        'false taken bundle_seal',
        'true edited bundle_proof',
        'true taken bundle_decision',
      ]);
    });

    function partsOf(): BundlesParts {
      const enrolments = async () => [enroller.summary(old, { tpm: old.tpm }), enroller.summary(log, { tpm: log.tpm })];
      return { database, ledger, crypto: nodeCrypto, clock: { wallMs: () => NOW_MS }, enrolments };
    }

    test('a root that an entry lies about joins nothing, and refutes nothing', async () => {
      const liar = new TestLog('liar', 'gw-0009');
      const lie = { size: 1, root: 'A'.repeat(43), lines: [], counter: 1 };
      const events = [
        eventOf(liar, 0, 'journal.opened', { version: '0.1.0' }),
        eventOf(liar, 1, 'parcel.deposited', PUT_IN, {
          ...place,
          parcel: { ...PARCEL, ref: 'k1.LLLLLLLLLLLLLLLLLLLLLL' },
        }),
        eventOf(liar, 2, 'anchor.made', { ...lie, size: 2 }),
      ];
      await keep(database, liar.append(...events.map((event) => encodeLeaf(event))), 3);
      await ledger.catchUp();
      const bytes = await new Bundles(partsOf()).ofParcel('k1.LLLLLLLLLLLLLLLLLLLLLL');
      const policy = policyOf({ makers: [], logs: [{ vkey: formatVkey(liar.vkey) }] });
      expect(verdict(bytes, policy)).toMatchObject({ outcome: 'verified', logs: [{ level: 'A0' }] });
      expect(shape(bytes).logs[0]).not.toHaveProperty('trees');
    });

    test('of entries before and after the newest anchor: it is in the bundle, and how far it reaches is said', async () => {
      const tpm = new TestTpm('bundles-ended');
      const ended = fill(new AnchoredLog('bundles-ended', tpm, 3).opened(), 10);
      const parcel = { ...PARCEL, ref: 'k1.EEEEEEEEEEEEEEEEEEEEEE' };
      ended.add('parcel.deposited', PUT_IN, { ...place, parcel }).anchor({ line: false });
      fill(ended, 20).anchor({ line: false });
      fill(ended, 30).add('parcel.collected', TAKEN_OUT, { ...place, parcel });
      await keep(database, fill(ended, 40), 7);
      await ledger.catchUp();
      const enrolments = async () => [enroller.summary(ended, { tpm })];
      // Made anew on what is stored, as after a restart.
      const given = verdict(await bundles({ enrolments }).ofParcel(parcel.ref));
      // The door that was forced at this gateway before is in it too, in a log of its own.
      const own = given.logs.find(({ origin }) => origin === ended.origin);
      expect([given.outcome, own?.level, own?.anchors.size]).toEqual(['verified', 'A1', 20]);
      expect(own?.whyNotHigher.join(' ')).toContain('the newest verified anchor is at size 20, below entry 30');
    });

    test('an aborted request ends', async () => {
      await expect(bundles().ofParcel(PARCEL.ref, AbortSignal.abort(new Error('gone')))).rejects.toThrow('gone');
    });

    test('EPCIS of the parcel names each of its entries, and none of a parcel that is not known', async () => {
      const document = await new EpcisExport({ database, clock: { wallMs: () => NOW_MS } }).ofParcel(PARCEL.ref);
      const ids = document?.epcisBody.eventList.map((event) => event['latchkey:entry']);
      expect(ids).toEqual([`${old.origin}#20`, `${old.origin}#21`, `${log.origin}#301`]);
      const times = document?.epcisBody.eventList.map((event) => event['recordTime']);
      expect(new Set(times)).toEqual(new Set([new Date(NOW_MS).toISOString()]));
      expect(
        await new EpcisExport({ database, clock: { wallMs: () => NOW_MS } }).ofParcel('k1.BBBBBBBBBBBBBBBBBBBBBB'),
      ).toBeUndefined();
    });

    test('after erasure the refund keeps its proof: leaf hashes alone, and the parcel has no bundle', async () => {
      await database.kysely.transaction().execute(async (trx) => {
        await unguarded(trx);
        await sql`update custody.entry set leaf = null where n in (select n from custody.mention where key like 'parcel %')
          and leaf is not null`.execute(trx);
        await sql`delete from custody.mention where key like 'parcel %'`.execute(trx);
      });
      const given = verdict(await bundles().ofRefund('r-1'));
      expect(given).toMatchObject({ outcome: 'verified', decisions: [{ refundId: 'r-1' }] });
      const erased = given.logs.map(({ entries }) => entries.erased);
      expect(erased).toEqual([2, 1]);
      // Of what is erased nothing is declared: a document has it no more.
      const epcis = new EpcisExport({ database, clock: { wallMs: () => NOW_MS } });
      expect(await epcis.ofParcel(PARCEL.ref)).toBeUndefined();
      expect(given.logs[0]?.noted[0]).toMatchObject({ index: 20, use: 'erased' });
      expect(await bundles().ofParcel(PARCEL.ref)).toBeUndefined();
    });

    test('proofs out of ranges are those of the whole tree, also where old leaf hashes are gone', async () => {
      const large = new TestLog('large', 'gw-0002');
      large.append(...Array.from({ length: 1_200 }, (_, n) => utf8(`{"n":${n}}`)));
      await keep(database, large, 97);
      const whole = subtreesOf(nodeCrypto, large.leafHashes);
      const proofsAt = async (places: readonly (readonly [number, number])[]): Promise<void> => {
        await database.as('custody', async (trx) => {
          for (const [index, size] of places) {
            const stored = new StoredSubtrees(trx, nodeCrypto, large.origin);
            const subtree = await stored.prepare((zeros) => void inclusionProof(nodeCrypto, zeros, index, size));
            const proof = inclusionProof(nodeCrypto, subtree, index, size);
            expect(proof, `${index} of ${size}`).toEqual(inclusionProof(nodeCrypto, whole, index, size));
          }
        });
      };
      await proofsAt([
        [0, 1_200],
        [1, 1_199],
        [255, 1_024],
        [256, 1_025],
        [1_023, 1_200],
        [1_199, 1_200],
        [900, 901],
      ]);
      await database.kysely.transaction().execute(async (trx) => {
        await unguarded(trx);
        await sql`delete from custody.entry where origin = ${large.origin} and n < 970`.execute(trx);
      });
      await proofsAt([
        [970, 1_200],
        [1_000, 1_150],
        [1_199, 1_200],
      ]);
      await expect(proofsAt([[969, 1_200]])).rejects.toMatchObject({ code: 'STORE_IO' });
    });
  });
}
