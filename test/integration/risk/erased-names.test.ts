/**
 * Every name that hangs on an erased parcel, each unlike all others: of refunds, payments, keys, settlements, disputes,
 * messages of sources, and in what people wrote. Rows are searched here; `retention.test.ts` searches the files.
 */
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { hex, utf8 } from '../../../src/base/bytes.ts';
import { ManualScheduler } from '../../../src/base/manual-scheduler.ts';
import { nodeCrypto } from '../../../src/platform/node-crypto.ts';
import { importPayments } from '../../../src/risk/casework/imports.ts';
import { RefundDesk } from '../../../src/risk/casework/refund-desk.ts';
import type { RefundRequest } from '../../../src/risk/casework/refund-request.ts';
import { makeRuleset } from '../../../src/risk/decision/ruleset.ts';
import { LedgerStore } from '../../../src/risk/ledger/ledger-store.ts';
import { ErasureRoom } from '../../../src/risk/retention/erase.ts';
import { dropRefunds } from '../../../src/risk/retention/refunds.ts';
import { openStatementKey } from '../../../src/risk/retention/statement.ts';
import { openSources, SourcesRoom } from '../../../src/risk/sources/room.ts';
import { RiskDatabase } from '../../../src/risk/store/open-database.ts';
import { embedded } from '../../support/embedded.ts';
import { NOW_S, sentBy, signed, sourceSettings } from '../../support/source-webhooks.ts';
import { makeTempDir } from '../../support/temp-dir.ts';
import { TextLogger } from '../../unit/intake/harness.ts';

const dir = makeTempDir('erased-names');
const owner = { tenant: 'default', region: 'eu' };
const NOW_MS = Date.UTC(2026, 10, 22, 12);
const PARCEL = 'k1.UGVyc29uT2ZFdmVyeU5hbWU';
const OTHER = 'k1.T3RoZXJQZXJzb25TdGF5cw';

const NAMES = {
  parcel: PARCEL,
  paid: 'refund-paid-of-the-person',
  denied: 'refund-denied-of-the-person',
  payment: 'payment-of-the-person',
  key: 'idempotency-of-the-person',
  settlement: 'settlement-of-the-person',
  dispute: 'dispute-of-the-person',
  event: 'wms-event-of-the-person',
  seal: 'seal-of-the-person',
} as const;

let database: RiskDatabase;
beforeAll(async () => {
  database = await RiskDatabase.open({ engine: 'pglite', directory: await embedded(dir.file('database')) });
});
afterAll(async () => {
  await database.close();
  dir.remove();
});

/** Tables whose rows have the text anywhere. */
async function tablesWith(text: string): Promise<readonly string[]> {
  const { rows } = await sql<{ name: string }>`
    select n.nspname || '.' || c.relname as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
      where n.nspname in ('custody', 'payments', 'cases') and c.relkind in ('r', 'p') order by 1`.execute(
    database.kysely,
  );
  const found: string[] = [];
  for (const { name } of rows) {
    const hits = await sql`select from ${sql.table(name)} t where position(${text} in t::text) > 0 limit 1`.execute(
      database.kysely,
    );
    if (hits.rows.length > 0) found.push(name);
  }
  return found;
}

test('each is found where it stands, and nowhere once its person is erased; what is of others stays', async () => {
  const clock = new ManualScheduler(NOW_MS);
  const parts = { database, crypto: nodeCrypto, ...owner, clock, logger: new TextLogger() };
  const ledger = new LedgerStore({ database, ...owner, levelOf: () => 'A2' });
  const desk = new RefundDesk({ ...parts, ledger, ruleset: makeRuleset(nodeCrypto, {}) });
  const payments = [NAMES.payment, 'payment-of-another'];
  await importPayments(
    database,
    payments.map((payment_ref) => ({ payment_ref, currency: 'USD', captured_minor: 90_000, disputed_minor: 0 })),
    owner,
  );
  for (const [parcel, event] of [
    [PARCEL, NAMES.event],
    [OTHER, 'wms-event-of-another'],
  ] as const) {
    const body = { what: 'declared', seal: parcel === PARCEL ? NAMES.seal : 'seal-of-another' } as const;
    await ledger.claim(parcel, { kind: 'claim', ref: `wms-1:${event}`, at_ms: NOW_MS, body }, NOW_MS);
  }
  const decide = async (key: string, refund_id: string, parcel: string, more: Partial<RefundRequest>) => {
    const decided = await desk.decide(key, {
      refund_id,
      kind: 'recall',
      parcel_refs: [parcel],
      amount_minor: 8_000,
      currency: 'USD',
      operator: 'op-7',
      requested_at: new Date(NOW_MS).toISOString(),
      payment_ref: NAMES.payment,
      destination: 'original',
      ...more,
    });
    if (!decided.ok) throw new Error(decided.detail);
    return decided.value;
  };
  const paid = await decide(NAMES.key, NAMES.paid, PARCEL, {});
  expect(paid.outcome).toBe('PAY');
  const settled = { reference: NAMES.settlement, amount_minor: 8_000, currency: 'USD', settled_at_ms: NOW_MS };
  expect(await desk.settle(NAMES.paid, settled)).toEqual({ ok: true, value: 'paid' });
  const denied = await decide('key-2', NAMES.denied, PARCEL, { kind: 'return' });
  const said = { actor: 'ann', reason: `as ${NAMES.paid} before it, and as ${NAMES.denied} itself` };
  expect(await desk.deny(NAMES.denied, said)).toMatchObject({ ok: true });
  const other = await decide('key-3', 'refund-of-another', OTHER, { payment_ref: 'payment-of-another' });
  const sources = new SourcesRoom({ ...parts, sources: await openSources(sourceSettings(dir), nodeCrypto) });
  const { dispute: dispute_ref, payment: payment_ref } = NAMES;
  const amount = { amount_minor: 5, currency: 'USD' };
  const told = [
    signed('psp-1', 'payment.captured', { payment_ref, ...amount }),
    signed('bank-1', 'dispute.opened', { dispute_ref, payment_ref, ...amount }),
    signed('bank-1', 'dispute.closed', { dispute_ref, result: 'won' }),
    signed('psp-1', 'payment.captured', { payment_ref: 'payment-of-another', ...amount }),
  ];
  for (const each of told) expect(await sources.take(...sentBy(each))).toMatchObject({ ok: true });
  await sql`update payments.outbox set state = 'delivered'`.execute(database.kysely);
  await sql`update cases.case set state = 'closed'`.execute(database.kysely);

  for (const [name, text] of Object.entries(NAMES)) expect(await tablesWith(text), name).not.toEqual([]);
  expect(await tablesWith(NAMES.denied)).toEqual(
    expect.arrayContaining(['cases.verdict', 'payments.decision', 'payments.outbox']),
  );

  const key = await openStatementKey(nodeCrypto, dir.file('statements.key'), 'refunds.example/erasures');
  const erasure = new ErasureRoom({ ...parts, key });
  const receipt = await erasure.erase({ reference: PARCEL, reason: 'asked for by its subject', by: 'dpo-1' });
  expect(receipt).toMatchObject({ ok: true, value: { counts: { refunds: 2, payments: 1, claims: 1 } } });

  for (const [name, text] of Object.entries(NAMES)) expect(await tablesWith(text), name).toEqual([]);
  expect(parts.logger.text).not.toContain('of-the-person');
  for (const text of [OTHER, 'refund-of-another', 'payment-of-another', 'wms-event-of-another', 'seal-of-another'])
    expect(await tablesWith(text), text).not.toEqual([]);
  // What webhooks told can be guessed from its digest: only that of another still has one, and nothing is counted anew.
  const digests = await sql<{ about: string; bytes: number }>`
    select about, length(digest) as bytes from payments.source_event`.execute(database.kysely);
  expect(digests.rows.filter(({ bytes }) => bytes > 0).map(({ about }) => about)).toEqual(['payment-of-another']);
  expect(digests.rows).toHaveLength(told.length);
  const again = signed(
    'psp-1',
    'payment.captured',
    { payment_ref, ...amount },
    { id: told[0]?.headers.get('webhook-id') ?? '', atS: NOW_S + 1 },
  );
  expect(await sources.take(...sentBy(again))).toMatchObject({ ok: false, reason: 'event_reused' });
  expect(await tablesWith(payment_ref)).toEqual([]);
  // Of another body under an erased key nobody knows that it is one: the key leads nowhere.
  const { rows } =
    await sql`select from payments.request where body_hash <> 'erased' and decision_id <> ${other.decision_id}`.execute(
      database.kysely,
    );
  expect(rows).toEqual([]);
  for (const { decision_id } of [paid, denied, other])
    expect(await desk.replay(decision_id)).toEqual((await desk.decision(decision_id))?.decision);
});

describe.each(['by its age', 'by an erasure'])('what goes %s', (way) => {
  test('takes nothing along of what is told of another thing of its name: sent again, that is still known', async () => {
    const mark = way.replaceAll(' ', '-');
    const parcel = `k1.${hex(nodeCrypto.sha256(utf8(mark))).slice(0, 22)}`;
    const [gone, twin, quarrel] = [`gone-${mark}`, `twin-${mark}`, `quarrel-${mark}`];
    const clock = new ManualScheduler(NOW_MS);
    const parts = { database, crypto: nodeCrypto, ...owner, clock, logger: new TextLogger() };
    const ledger = new LedgerStore({ database, ...owner, levelOf: () => 'A2' });
    const desk = new RefundDesk({ ...parts, ledger, ruleset: makeRuleset(nodeCrypto, {}) });
    const declared = sourceSettings(dir);
    const bank2 = declared.flatMap((one) => (one.name === 'bank-1' ? [{ ...one, name: 'bank-2' }] : []));
    const sources = new SourcesRoom({
      ...parts,
      sources: await openSources([...declared, ...bank2], nodeCrypto),
      settle: (refundId, { settlement_ref: reference, ...paid }) => desk.settle(refundId, { reference, ...paid }),
    });
    const amount = { amount_minor: 9_000, currency: 'USD' };
    const ids = new Map<string, Parameters<typeof signed>>();
    const send = async (id: string, source: string, type: string, data: object) => {
      ids.set(id, [source, type, data, { id: `${id}-${mark}`, atS: NOW_S + 1 }]);
      const sent = signed(source, type, data, { id: `${id}-${mark}` });
      expect(await sources.take(...sentBy(sent)), id).toMatchObject({ ok: true, value: { duplicate: false } });
    };
    await send('captured', 'psp-1', 'payment.captured', { payment_ref: gone, ...amount });
    await send('captured-twin', 'psp-1', 'payment.captured', { payment_ref: twin, ...amount });
    const disputes = [
      ['own', 'bank-1', quarrel, gone],
      ['of-another-bank', 'bank-2', quarrel, twin],
      ['of-that-name', 'bank-2', gone, twin],
    ] as const;
    for (const [id, bank, dispute_ref, payment_ref] of disputes) {
      await send(`opened-${id}`, bank, 'dispute.opened', { dispute_ref, payment_ref, ...amount, amount_minor: 5 });
      await send(`closed-${id}`, bank, 'dispute.closed', { dispute_ref, result: 'won' });
    }
    const refund = {
      refund_id: twin,
      payment_ref: gone,
      operator: 'op-8',
      destination: 'original',
      ...amount,
    } as const;
    const requested_at = new Date(NOW_MS).toISOString();
    const asked = { ...refund, kind: 'recall' as const, parcel_refs: [parcel], requested_at };
    expect(await desk.decide(`key-${mark}`, asked)).toMatchObject({ ok: true, value: { outcome: 'PAY' } });
    await send('settled', 'psp-1', 'refund.settled', { refund_id: twin, settlement_ref: `paid-${mark}`, ...amount });
    await sql`update payments.outbox set state = 'delivered'`.execute(database.kysely);
    await sql`update cases.case set state = 'closed'`.execute(database.kysely);

    if (way === 'by its age') {
      const dropped = await database.as('retention', (trx) => dropRefunds(trx, new Date(NOW_MS + 1)));
      expect(dropped.gone.refunds).toBeGreaterThan(0);
    } else {
      const key = await openStatementKey(nodeCrypto, dir.file('twins.key'), 'refunds.example/erasures');
      const request = { reference: parcel, reason: 'asked for by its subject', by: 'dpo-1' };
      expect(await new ErasureRoom({ ...parts, key }).erase(request)).toMatchObject({ ok: true });
    }

    const known: string[] = [];
    for (const [id, sent] of ids) {
      const again = await sources.take(...sentBy(signed(...sent)));
      if (again.ok && again.value.duplicate) known.push(id);
      // Whether it settles anything is asked first.
      else expect(again, id).toMatchObject({ reason: id === 'settled' ? 'settlement_refused' : 'event_reused' });
    }
    const ofOthers = disputes.slice(1).flatMap(([id]) => [`opened-${id}`, `closed-${id}`]);
    expect(known).toEqual(['captured-twin', ...ofOthers]);
    const { rows } = await sql<{ event_id: string }>`select event_id from payments.source_event
      where length(digest) > 0 and event_id like ${`%-${mark}`}`.execute(database.kysely);
    expect(rows.map(({ event_id }) => event_id).sort()).toEqual(known.map((id) => `${id}-${mark}`).sort());
  });
});
