/** Cosignatures of an independent witness in the database: from submission to A3 in decisions and bundles, on both engines. */
import { writeFileSync } from 'node:fs';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { utf8Text } from '../../../src/base/bytes.ts';
import { ManualScheduler } from '../../../src/base/manual-scheduler.ts';
import { MemoryMetrics } from '../../../src/base/metrics.ts';
import { CommandArgs } from '../../../src/cli/command.ts';
import { verifyCommand } from '../../../src/cli/commands/verify.ts';
import { formatNote } from '../../../src/evidence/log/note.ts';
import type { Verdict } from '../../../src/evidence/verify/verdict.ts';
import { nodeCrypto } from '../../../src/platform/node-crypto.ts';
import { AssuranceBook } from '../../../src/risk/assurance/assurance-book.ts';
import { importPayments } from '../../../src/risk/casework/imports.ts';
import { RefundDesk } from '../../../src/risk/casework/refund-desk.ts';
import { makeRuleset } from '../../../src/risk/decision/ruleset.ts';
import { Bundles } from '../../../src/risk/dossier/bundles.ts';
import { logParts } from '../../../src/risk/dossier/log-part.ts';
import { SqlStore } from '../../../src/risk/intake/sql-store/sql-store.ts';
import { LedgerStore } from '../../../src/risk/ledger/ledger-store.ts';
import { RiskDatabase } from '../../../src/risk/store/open-database.ts';
import type { Role } from '../../../src/risk/store/schema.ts';
import { CosignatureBook } from '../../../src/risk/witnesses/cosignature-book.ts';
import { witnessesSchema, witnessVkeyOf } from '../../../src/risk/witnesses/settings.ts';
import { WitnessClient } from '../../../src/risk/witnesses/witness-client.ts';
import { WitnessLine } from '../../../src/risk/witnesses/witness-line.ts';
import { AnchoredLog, policyFor, vkeyText } from '../../support/anchored-log.ts';
import { NOW_MS, owner, requestOf } from '../../support/casework-bench.ts';
import { bothEngines } from '../../support/engines.ts';
import { PeerWitness } from '../../support/peer-witness.ts';
import { fill } from '../../support/test-events.ts';
import { TestLog } from '../../support/test-log.ts';
import { TextLogger } from '../../unit/intake/harness.ts';
import { PARCEL, PUT_IN } from '../../unit/ledger/support.ts';

const engines = bothEngines('witnesses');

/** Deposited at 2, anchored over 5, collected at 7, anchored over 9. */
function story(): AnchoredLog {
  const place = { compartment: 'A01', device: 'board-1', parcel: PARCEL };
  const log = fill(new AnchoredLog('witnessed').opened(), 2).add('parcel.deposited', PUT_IN, place);
  fill(log, 5).anchor({ line: false });
  fill(log, 7).add('parcel.collected', PUT_IN, place);
  fill(log, 9).anchor({ line: false });
  return fill(log, 12);
}

const request = requestOf('r-1', { parcel_refs: [PARCEL.ref], operator: 'op-1', payment_ref: 'pay-1' });

interface Verified extends Verdict {
  readonly code: number;
}

for (const [engine, settingsOf] of Object.entries(engines.settings)) {
  describe(engine, () => {
    const log = story();
    const scheduler = new ManualScheduler(NOW_MS);
    let database: RiskDatabase;
    let store: SqlStore;
    let peer: PeerWitness;
    let line: WitnessLine;
    let metrics: MemoryMetrics;
    let alarms: string[];

    beforeAll(async () => {
      database = await RiskDatabase.open(await settingsOf());
      store = new SqlStore({ database, crypto: nodeCrypto, ...owner });
      peer = await PeerWitness.start('peer.example/w1', [{ origin: log.origin, publicKey: log.vkey.publicKey }]);
      peer.nowS = () => Math.floor(scheduler.wallMs() / 1_000);
      line = started();
    });
    afterAll(async () => {
      line.close();
      await peer.stop();
      await database.close();
    });

    /** As after a start of the service: nothing is remembered but what is stored. */
    function started(): WitnessLine {
      const [settings] = witnessesSchema.parse([{ name: 'peer', vkey: peer.vkey, url: peer.url, timeout_s: 60 }]);
      const vkey = witnessVkeyOf(peer.vkey);
      if (settings === undefined || vkey === undefined) throw new Error('settings');
      metrics = new MemoryMetrics();
      alarms = [];
      return new WitnessLine({
        settings,
        vkey,
        book: new CosignatureBook({ database, crypto: nodeCrypto, ...owner }),
        link: new WitnessClient(settings),
        crypto: nodeCrypto,
        scheduler,
        logger: new TextLogger(),
        metrics,
        alarms: { raise: (kind) => void alarms.push(kind) },
        isMine: () => true,
      });
    }

    function bookWith(isAsked = true): AssuranceBook {
      const vkey = witnessVkeyOf(peer.vkey);
      // One object: with another one everything is judged anew.
      const policy = policyFor(log);
      const parts = { database, store, crypto: nodeCrypto, ...owner, policy: () => policy };
      return new AssuranceBook({ ...parts, witnesses: isAsked && vkey !== undefined ? [vkey] : [] });
    }

    async function keep(of: TestLog, first: number, end: number, opens = first === 0): Promise<void> {
      const rows = of.leaves.slice(first, end).map((leaf, i) => {
        const leafHash = of.leafHashes[first + i] ?? new Uint8Array(32);
        return { leaf, leafHash, use: { status: 'used' } as const };
      });
      const trees = { before: of.frontier(first), after: of.frontier(end) };
      const range = { origin: of.origin, opens, rows, ...trees, note: formatNote(of.note(end)), storedAtMs: NOW_MS };
      expect(await store.append([range])).toEqual(['stored']);
    }

    const pass = (): Promise<void> => line.pass(new AbortController().signal);
    const count = (result: string): number => metrics.value('witness_submissions', { witness: 'peer', result });
    const row = () =>
      database.kysely
        .selectFrom('custody.assurance')
        .select(['anchored_size', 'witnessed_size', 'cosigned_size'])
        .where('origin', '=', log.origin)
        .executeTakeFirst();

    async function levels(): Promise<readonly string[]> {
      const ledger = new LedgerStore({ database, ...owner });
      await ledger.catchUp();
      const { facts } = await ledger.ledger(PARCEL.ref, NOW_MS);
      return [...new Set([...facts.forward.signals, ...facts.return.signals].map(({ level }) => level))];
    }

    function bundles(): Bundles {
      const ledger = new LedgerStore({ database, ...owner });
      return new Bundles({ database, ledger, crypto: nodeCrypto, clock: { wallMs: () => NOW_MS } });
    }

    /** `latchkey verify FILE --policy FILE --json`, in this process. */
    async function verified(bytes: Uint8Array | undefined, witnesses: readonly object[]): Promise<Verified> {
      const file = engines.dir.file(`${engine}.bundle.json`);
      const policy = engines.dir.file(`${engine}.policy.json`);
      writeFileSync(file, bytes ?? '');
      writeFileSync(policy, JSON.stringify({ v: 1, logs: [{ vkey: vkeyText(log), ...log.tpm.policy }], witnesses }));
      let out = '';
      const io = {
        out: (text: string) => {
          out += text;
        },
        err: () => undefined,
        write: async () => undefined,
        signal: new AbortController().signal,
      };
      const code = await verifyCommand(new CommandArgs([file], { policy, json: true }), io);
      return { ...(JSON.parse(out) as Verdict), code };
    }
    const independent = () => [{ vkey: peer.vkey, roles: ['independent'] }];

    test('what is anchored becomes A3 with the first cosignature over it, also a late one, and what follows with the next', async () => {
      const book = bookWith();
      await keep(log, 0, 4);
      await pass();
      await keep(log, 4, 7);
      await book.catchUp();
      // What was cosigned is below the anchor.
      expect(await row()).toMatchObject({ anchored_size: 5, witnessed_size: 0, cosigned_size: 4 });
      expect(await levels()).toEqual(['A2']);
      scheduler.advance(301_000);
      await pass();
      expect(await book.catchUp()).toBe(1);
      expect(await row()).toMatchObject({ anchored_size: 5, witnessed_size: 5, cosigned_size: 7 });
      expect(await levels()).toEqual(['A3']);
      expect(await book.catchUp()).toBe(0);
      await keep(log, 7, 12);
      await book.catchUp();
      expect(await row()).toMatchObject({ anchored_size: 9, witnessed_size: 5 });
      // Not at each batch: it is submitted again when its time has come, by a service that was started anew.
      await pass();
      expect(peer.statuses).toEqual([200, 200]);
      scheduler.advance(301_000);
      line.close();
      line = started();
      await pass();
      await book.catchUp();
      expect(await row()).toMatchObject({ witnessed_size: 9, cosigned_size: 12 });
      expect(await levels()).toEqual(['A3']);
      expect(peer.bodies.map((body) => body.split('\n')[0])).toEqual(['old 0', 'old 4', 'old 7']);
      expect(peer.statuses).toEqual([200, 200, 200]);
    });

    test('a bundle carries the cosignature: A3 for who calls the witness independent, A2 for who does not', async () => {
      const bytes = await bundles().ofParcel(PARCEL.ref);
      const believed = await verified(bytes, independent());
      expect(believed).toMatchObject({ code: 0, outcome: 'verified', logs: [{ level: 'A3', whyNotHigher: [] }] });
      expect(believed.logs[0]?.receipts).toMatchObject([{ witness: peer.name, roles: ['independent'], size: 12 }]);
      expect((await verified(bytes, [])).logs).toMatchObject([{ level: 'A2', receipts: [] }]);
      const advisory = await verified(bytes, [{ vkey: peer.vkey, roles: ['advisory'] }]);
      expect(advisory.logs[0]?.level).toBe('A2');
    });

    test('it has the smallest size that the witness cosigned above the entries and their anchor', async () => {
      const wish = { origin: log.origin, indices: [2] };
      const {
        parts: [early],
      } = await database.as('custody', (trx) => logParts(trx, { crypto: nodeCrypto }, wish));
      const sizes = early?.checkpoints.map(({ note }) => [Number(note.split('\n')[1]), note.includes(peer.name)]);
      expect(sizes).toEqual([[7, true]]);
    });

    test('a decision weighs A3, and is made again from the facts in its bundle', async () => {
      const payment = { payment_ref: 'pay-1', currency: 'USD', captured_minor: 50_000, disputed_minor: 0 };
      await importPayments(database, [payment], owner);
      const ruleset = makeRuleset(nodeCrypto, {});
      const ledger = new LedgerStore({ database, ...owner });
      const parts = {
        database,
        ledger,
        crypto: nodeCrypto,
        ruleset,
        ...owner,
        clock: scheduler,
        logger: new TextLogger(),
      };
      expect(await new RefundDesk(parts).decide('first', request)).toMatchObject({ ok: true });
      const bytes = await bundles().ofRefund('r-1');
      const { decisions = [] } = JSON.parse(utf8Text(bytes ?? new Uint8Array()) ?? '') as {
        decisions?: { facts: string }[];
      };
      expect(decisions[0]?.facts).toContain('"level":"A3"');
      expect(await verified(bytes, independent())).toMatchObject({
        code: 0,
        logs: [{ level: 'A3' }],
        decisions: [{ refundId: 'r-1', again: { result: 'same' } }],
      });
    });

    test('a line that does not verify any more is left out of a bundle, which it would refute', async () => {
      const other = await PeerWitness.start('other.example/w1', []);
      const vkey = witnessVkeyOf(other.vkey);
      if (vkey === undefined) throw new Error('vkey');
      const book = new CosignatureBook({ database, crypto: nodeCrypto, ...owner });
      const false72 = { signature: new Uint8Array(72), timestampS: NOW_MS / 1_000 };
      await book.keep(
        { origin: log.origin, gateway: 'gw-0001', size: 12 },
        await book.witness(vkey),
        false72,
        new Date(NOW_MS),
      );
      await other.stop();
      const bytes = await bundles().ofParcel(PARCEL.ref);
      expect(utf8Text(bytes ?? new Uint8Array())).not.toContain(other.name);
      const both = [...independent(), { vkey: other.vkey, roles: ['independent'] }];
      expect(await verified(bytes, both)).toMatchObject({ code: 0, logs: [{ level: 'A3' }] });
    });

    test('a witness that the settings name no more counts for nothing, and again when they do', async () => {
      await bookWith(false).catchUp();
      expect(await levels()).toEqual(['A2']);
      await bookWith().catchUp();
      expect(await levels()).toEqual(['A3']);
    });

    test('a log with a gap cannot be offered beyond its first checkpoint, which is nobody’s fault', async () => {
      const gappy = fill(new TestLog('gappy', 'gw-0002'), 20);
      peer.logs.push({ origin: gappy.origin, publicKey: gappy.vkey.publicKey });
      peer.trees.set(gappy.origin, { size: 3, root: Buffer.from(gappy.checkpoint(3).root) });
      await keep(gappy, 6, 11, true);
      await pass();
      expect([count('unprovable'), alarms.length]).toEqual([1, 0]);
    });

    test.for(['custody', 'retention'] as const)(
      'what was cosigned is not changed, also not by %s',
      async (role: Role) => {
        for (const statement of [
          'update custody.cosignature set size = 1',
          'delete from custody.cosignature',
          'delete from custody.witness',
        ]) {
          await expect(database.as(role, (trx) => sql.raw(statement).execute(trx))).rejects.toThrow(
            /permission denied|kept for good/,
          );
        }
        const asOwner = sql`delete from custody.cosignature`.execute(database.kysely);
        await expect(asOwner).rejects.toThrow('kept for good');
      },
    );
  });
}
