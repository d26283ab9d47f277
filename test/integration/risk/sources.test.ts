/** Webhooks of declared sources on both engines: taken once, refused by a word of the table, weak as evidence. */
import { createHmac } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { utf8 } from '../../../src/base/bytes.ts';
import { ManualScheduler } from '../../../src/base/manual-scheduler.ts';
import { accept, refuse } from '../../../src/base/result.ts';
import { nodeCrypto } from '../../../src/platform/node-crypto.ts';
import { legEvidence } from '../../../src/risk/decision/eligibility.ts';
import { LedgerStore } from '../../../src/risk/ledger/ledger-store.ts';
import { sourceRoutes } from '../../../src/risk/sources/http.ts';
import { SOURCE_REFUSAL_NAMES, SOURCE_REFUSALS, type SourceRefusal } from '../../../src/risk/sources/reasons.ts';
import { openSources, SourcesRoom, type Taken } from '../../../src/risk/sources/room.ts';
import { type SourceSettings, sourcesSchema } from '../../../src/risk/sources/settings.ts';
import { RiskDatabase } from '../../../src/risk/store/open-database.ts';
import { bothEngines } from '../../support/engines.ts';
import { Random } from '../../support/mutate.ts';
import {
  bodyOf,
  borne,
  damaged,
  hmacSigned,
  NOW_MS,
  NOW_S,
  type Sent,
  sentBy,
  signed,
  signedRaw,
  sourceSettings,
  TEXT_SECRET,
  type Webhook,
} from '../../support/source-webhooks.ts';
import { TextLogger } from '../../unit/intake/harness.ts';

const engines = bothEngines('sources', 8);
const DAY_MS = 86_400_000;
const OWNER = { tenant: 'default', region: 'eu' };
const PARCEL = 'k1.AAAAAAAAAAAAAAAAAAAAAA';

const settings = (): readonly SourceSettings[] => sourceSettings(engines.dir);

for (const [engine, settingsOf] of Object.entries(engines.settings)) {
  describe(engine, () => {
    const logger = new TextLogger();
    const told: Taken[] = [];
    const clock = new ManualScheduler(NOW_MS);
    let database: RiskDatabase;
    let ledger: LedgerStore;
    let room: SourcesRoom;
    beforeAll(async () => {
      database = await RiskDatabase.open(await settingsOf());
      ledger = new LedgerStore({ database, ...OWNER, levelOf: () => 'A2' });
      room = await roomOf();
    });
    afterAll(() => database.close());

    async function roomOf(): Promise<SourcesRoom> {
      const declared = settings();
      writeFileSync(engines.dir.file('token'), `${TEXT_SECRET.replaceAll(' ', '_')}\n`);
      return new SourcesRoom({
        database,
        crypto: nodeCrypto,
        sources: await openSources(declared, nodeCrypto),
        ...OWNER,
        clock,
        logger,
        settle: async (refundId) => (refundId === 'r-none' ? refuse('unknown_refund', 'none') : accept('paid')),
        rememberedMs: 540 * DAY_MS,
        onTaken: (taken) => void told.push(taken),
      });
    }

    const take = ({ source, headers, body }: Webhook) => room.take(source, headers, body);
    async function answerTo(one: Webhook): Promise<string> {
      const answer = await take(one);
      return answer.ok ? (answer.value.duplicate ? 'duplicate' : 'accepted') : answer.reason;
    }
    const payment = (ref: string) =>
      database.as('payments', (trx) =>
        trx
          .selectFrom('payments.payment')
          .select(['captured_minor', 'disputed_minor'])
          .where('payment_ref', '=', ref)
          .executeTakeFirst(),
      );

    test('a claim is kept once, however often its event is sent, and the rooms behind are told', async () => {
      const sent = { id: 'evt_once' };
      expect(await answerTo(signed('carrier-1', 'exception', { parcel: PARCEL, operator: 'op-7' }, sent))).toBe(
        'accepted',
      );
      const later = { ...sent, atS: NOW_S + 1 };
      expect(await answerTo(signed('carrier-1', 'exception', { parcel: PARCEL, operator: 'op-7' }, later))).toBe(
        'duplicate',
      );
      expect(told.filter(({ eventId }) => eventId === 'evt_once').map(({ duplicate }) => duplicate)).toEqual([
        false,
        true,
      ]);
      const { facts } = await ledger.ledger(PARCEL, NOW_MS);
      expect(facts).toMatchObject({
        forward: { state: 'EXCEPTION' },
        exception: { operator: 'op-7', event: 'carrier-1:evt_once' },
      });
      expect(facts.ledger_version).toBe(1);
    });

    test('sixteen of the same message at once are one, and fifteen are refused', async () => {
      const one = signed('carrier-1', 'delivered', { parcel: 'k1.SIXTEEN', geofence: 'outside' });
      const answers = await Promise.all(Array.from({ length: 16 }, () => answerTo(one)));
      expect(answers.sort()).toEqual(['accepted', ...Array.from({ length: 15 }, () => 'replayed')]);
    });

    test('claims alone, however many and of whichever source, are no more than weak evidence', async () => {
      const ref = 'k1.WEAK';
      for (let i = 0; i < 4; i += 1) {
        for (const one of [
          signed('carrier-1', 'delivered', { parcel: ref, geofence: 'inside' }),
          signed('merchant-1', 'declared', { parcel: ref, weight_g: 900, seal: 'S-17' }),
          hmacSigned('warehouse_received', { parcel: ref, weight_g: 900 }),
          hmacSigned('inspected', { parcel: ref, result: 'ok' }),
        ])
          expect(await answerTo(one)).toBe('accepted');
      }
      const { facts } = await ledger.ledger(ref, NOW_MS);
      expect(facts.return.signals.map(({ level }) => level)).toContain('declared');
      for (const leg of ['forward', 'return'] as const) {
        expect(['NONE', 'WEAK']).toContain(legEvidence(facts, leg).grade);
        expect(facts[leg].certainty).toBe('unconfirmed');
      }
    });

    test('who signs nothing is heard and hardly weighs, and inspects nothing', async () => {
      expect(await answerTo(borne('inspected', { parcel: 'k1.BEARER', result: 'ok' }))).toBe('accepted');
      const { facts } = await ledger.ledger('k1.BEARER', NOW_MS);
      expect(facts.return).toMatchObject({ state: 'NONE', signals: [{ name: 'received', level: 'unsigned' }] });
      expect(legEvidence(facts, 'return')).toMatchObject({ grade: 'NONE', mdb: 2_000 });
    });

    test('captures add up, a dispute takes away until it is won, in any order', async () => {
      const captured = { payment_ref: 'pay-1', amount_minor: 5_000, currency: 'EUR' };
      const dispute = { dispute_ref: 'dp-1', ...captured, amount_minor: 2_000 };
      expect(await answerTo(signed('bank-1', 'dispute.closed', { dispute_ref: 'dp-0', result: 'won' }))).toBe(
        'accepted',
      );
      for (const one of [
        signed('psp-1', 'payment.captured', captured),
        signed('psp-1', 'payment.captured', captured),
        signed('bank-1', 'dispute.opened', dispute),
        signed('bank-1', 'dispute.opened', { ...dispute, dispute_ref: 'dp-0' }),
      ])
        expect(await answerTo(one)).toBe('accepted');
      expect(await payment('pay-1')).toEqual({ captured_minor: 10_000, disputed_minor: 2_000 });
      expect(await answerTo(signed('bank-1', 'dispute.closed', { dispute_ref: 'dp-1', result: 'won' }))).toBe(
        'accepted',
      );
      expect(await payment('pay-1')).toEqual({ captured_minor: 10_000, disputed_minor: 0 });
      const settled = { refund_id: 'r-1', settlement_ref: 'se-1', amount_minor: 100, currency: 'EUR' };
      expect(await answerTo(signed('psp-1', 'refund.settled', settled))).toBe('accepted');
    });

    test('a timestamp holds to the millisecond at both ends of its tolerance', async () => {
      const limitMs = 300_000;
      const at = (atS: number) => room.take(...sentBy(hmacSigned('warehouse_received', { parcel: PARCEL }, { atS })));
      expect(await at(NOW_MS - limitMs)).toMatchObject({ ok: true });
      expect(await at(NOW_MS - limitMs - 1)).toMatchObject({ reason: 'stale' });
      expect(await at(NOW_MS + limitMs)).toMatchObject({ ok: true });
      expect(await at(NOW_MS + limitMs + 1)).toMatchObject({ reason: 'early' });
    });

    test('what is refused leaves no trace, and every word of the table is reached by damaged webhooks', async () => {
      const samples: readonly (() => Webhook)[] = [
        () => signed('carrier-1', 'delivered', { parcel: PARCEL, geofence: 'inside' }),
        () => hmacSigned('warehouse_received', { parcel: PARCEL, weight_g: 900 }),
        () => borne('warehouse_received', { parcel: PARCEL, weight_g: 900 }),
        () => signed('psp-1', 'payment.captured', { payment_ref: 'pay-9', amount_minor: 5, currency: 'EUR' }),
      ];
      const random = new Random(11);
      const seen = new Map<string, number>();
      const count = (word: string) => seen.set(word, (seen.get(word) ?? 0) + 1);
      for (let i = 0; i < 400; i += 1) {
        const one = samples[random.below(samples.length)]?.() ?? samples[0]?.();
        if (one === undefined) throw new Error('a sample');
        count(await answerTo(damaged(random, one)));
      }
      for (const [word, one] of Object.entries(meant())) {
        const first = one.before === undefined ? undefined : await answerTo(one.before);
        expect(first ?? 'accepted', word).toBe('accepted');
        const answer = await answerTo(one.webhook);
        expect(answer).toBe(word);
        count(answer);
      }
      expect(SOURCE_REFUSAL_NAMES.filter((name) => !seen.has(name))).toEqual([]);
      expect(seen.get('accepted') ?? 0).toBeGreaterThan(10);
      // A flipped bit is no accident that is believed: whatever was changed under a signature is refused for it.
      expect(seen.get('bad_signature') ?? 0).toBeGreaterThan(100);
      expect(await payment('pay-differs')).toEqual({ captured_minor: 5, disputed_minor: 0 });
      expect(await payment('pay-old')).toEqual({ captured_minor: 5, disputed_minor: 0 });
    });

    test('which event an HMAC tells of stands in what it signs, and no header makes it another one', async () => {
      const { source, headers, body } = hmacSigned('warehouse_received', { parcel: PARCEL });
      const named = (id: string): Webhook => ({
        source,
        headers: new Headers([...headers, ['x-event-id', id], ['webhook-id', id]]),
        body,
      });
      expect([await answerTo(named('wms-a')), await answerTo(named('wms-b'))]).toEqual(['accepted', 'replayed']);
      const [wms] = settings().filter(({ name }) => name === source);
      const auth = { ...wms?.auth, event_id_header: 'x-event-id' };
      expect(sourcesSchema.safeParse([{ ...wms, auth }]).success).toBe(false);
      const unnamed = bodyOf('warehouse_received', { parcel: PARCEL });
      const mac = createHmac('sha256', TEXT_SECRET).update(`${NOW_S}.`).update(unnamed).digest('hex');
      const signature = named('wms-c').headers;
      signature.set('x-signature', `sha256=${mac}`);
      expect(await answerTo({ source, headers: signature, body: unnamed })).toBe('bad_event_id');
    });

    test('the name of an event is one name: in the header alone, or the same in the body, and nothing that could be cut in two', async () => {
      const body = (id: string) => bodyOf('handed_to_courier', { parcel: PARCEL }, {}, id);
      const named = (header: string, within: string) => answerTo(signedRaw('carrier-1', body(within), { id: header }));
      expect(await named('evt_same', 'evt_same')).toBe('accepted');
      expect(await named('evt_header', 'evt_body')).toBe('bad_event_id');
      // Signed is id.time.body: with a dot in the name, two messages could have one text.
      expect(await named('evt.dot', 'evt.dot')).toBe('bad_event_id');
    });

    /** Each word of the table by a webhook that is wrong in this alone. */
    function meant(): Readonly<Record<SourceRefusal, { readonly before?: Webhook; readonly webhook: Webhook }>> {
      const data = { parcel: PARCEL };
      const ok = signed('carrier-1', 'handed_to_courier', data);
      const with_ = (more: object) => ({ webhook: signed('carrier-1', 'handed_to_courier', { ...data, ...more }) });
      const captured = { payment_ref: 'pay-differs', amount_minor: 5, currency: 'EUR' };
      const again = signed('carrier-1', 'handed_to_courier', data);
      const settled = { refund_id: 'r-none', settlement_ref: 'se-9', amount_minor: 1, currency: 'EUR' };
      return {
        unknown_source: { webhook: { ...ok, source: 'nobody' } },
        too_large: { webhook: signedRaw('carrier-1', new Uint8Array(20_481).fill(0x20)) },
        no_authentication: { webhook: { ...ok, headers: new Headers({ 'webhook-id': 'evt_1' }) } },
        bad_signature: { webhook: { ...ok, source: 'merchant-1', body: utf8('{}') } },
        bad_timestamp: { webhook: signed('carrier-1', 'handed_to_courier', data, { atS: 1.5 }) },
        stale: { webhook: signed('carrier-1', 'handed_to_courier', data, { atS: NOW_S - 301 }) },
        early: { webhook: signed('carrier-1', 'handed_to_courier', data, { atS: NOW_S + 301 }) },
        replayed: { before: again, webhook: again },
        not_json: { webhook: signedRaw('carrier-1', utf8('[1]')) },
        personal_data: with_({ recipientName: 'x' }),
        card_number: with_({ parcel: '4111-1111-1111-1111' }),
        free_text: with_({ parcel: 'left with the neighbour' }),
        address: with_({ parcel: 'somebody@example.org' }),
        code: with_({ parcel: '482913' }),
        schema: with_({ weight: 3 }),
        bad_event_id: { webhook: signed('carrier-1', 'handed_to_courier', data, { id: '482913' }) },
        occurs_later: {
          webhook: signed('carrier-1', 'handed_to_courier', data, {
            occurred: new Date(NOW_MS + 301_000).toISOString(),
          }),
        },
        occurred_before: {
          before: signed(
            'psp-1',
            'payment.captured',
            { ...captured, payment_ref: 'pay-old' },
            {
              id: 'evt_old',
              occurred: new Date(NOW_MS - 540 * DAY_MS + 300_001).toISOString(),
            },
          ),
          // Forgotten since, it comes signed anew: of an honest sender, after very long.
          webhook: signed(
            'psp-1',
            'payment.captured',
            { ...captured, payment_ref: 'pay-old' },
            {
              id: 'evt_forgotten',
              occurred: new Date(NOW_MS - 540 * DAY_MS + 300_000).toISOString(),
            },
          ),
        },
        event_reused: {
          before: signed('carrier-1', 'handed_to_courier', data, { id: 'evt_reused' }),
          webhook: signed('carrier-1', 'handed_to_courier', { parcel: 'k1.OTHER' }, { id: 'evt_reused' }),
        },
        currency_differs: {
          before: signed('psp-1', 'payment.captured', captured),
          webhook: signed('psp-1', 'payment.captured', { ...captured, currency: 'USD' }),
        },
        settlement_refused: { webhook: signed('psp-1', 'refund.settled', settled) },
      };
    }

    test('a refused message can come again once it is right: nothing of it was remembered', async () => {
      const unkept = await new SourcesRoom({
        database,
        crypto: nodeCrypto,
        sources: await openSources(settings(), nodeCrypto),
        ...OWNER,
        clock,
        logger,
      });
      const { source, headers, body } = signed('psp-1', 'refund.settled', {
        refund_id: 'r-2',
        settlement_ref: 'se-2',
        amount_minor: 1,
        currency: 'EUR',
      });
      expect(await unkept.take(source, headers, body)).toMatchObject({ reason: 'settlement_refused' });
      expect(await take({ source, headers, body })).toMatchObject({ ok: true, value: { duplicate: false } });
    });

    test('what one replica took, another one and the one after a restart refuse', async () => {
      const captured = (ref: string, sent: Sent) =>
        signed('psp-1', 'payment.captured', { payment_ref: ref, amount_minor: 5, currency: 'EUR' }, sent);
      const one = captured('pay-replica', {});
      expect(await answerTo(one)).toBe('accepted');
      const other = await roomOf();
      expect(await other.take(...sentBy(one))).toMatchObject({ reason: 'replayed' });
      // Whose clock is ahead forgets it too early; that the event was taken is still known, and nothing counts twice.
      clock.stepWall(301_000);
      expect(await answerTo(captured('pay-ahead', { atS: NOW_S + 301 }))).toBe('accepted');
      clock.stepWall(-301_000);
      expect(await other.take(...sentBy(one))).toMatchObject({ ok: true, value: { duplicate: true } });
      expect(await payment('pay-replica')).toEqual({ captured_minor: 5, disputed_minor: 0 });
    });

    test('the replay cache holds what could come again, to its last millisecond, and no more', async () => {
      const one = signed('carrier-1', 'handed_to_courier', { parcel: PARCEL });
      const next = (atS: number) => signed('carrier-1', 'handed_to_courier', { parcel: PARCEL }, { atS });
      expect(await answerTo(one)).toBe('accepted');
      clock.advance(300_000);
      expect(await answerTo(next(NOW_S + 300))).toBe('accepted');
      expect(await answerTo(one)).toBe('replayed');
      clock.advance(1);
      expect(await answerTo(one)).toBe('stale');
      clock.advance(600_999);
      expect(await answerTo(next(NOW_S + 900))).toBe('accepted');
      const { rows } = await database.as('custody', (trx) =>
        sql<{ count: number }>`select count(*)::int as count from custody.source_seen`.execute(trx),
      );
      expect(rows).toEqual([{ count: 1 }]);
    });

    test('over HTTP each word has its status, and a database that is away asks for it again', async () => {
      const app = sourceRoutes(room, logger);
      const post = ({ source, headers, body }: Webhook) =>
        app.request(`/v1/sources/${source}`, { method: 'POST', headers, body });
      const atS = NOW_S + 901;
      const answered = await post(signed('carrier-1', 'handed_to_courier', { parcel: PARCEL }, { atS }));
      expect([answered.status, await answered.json()]).toEqual([200, { accepted: true, duplicate: false }]);
      const large = await post(signedRaw('carrier-1', new Uint8Array(30_000).fill(0x20), { atS }));
      expect([large.status, await large.json()]).toEqual([
        413,
        { error: { reason: 'too_large', detail: SOURCE_REFUSALS.too_large[1] } },
      ]);
      expect((await post(signed('nobody', 'x', {}, { atS }))).status).toBe(404);
      const away = { bodyBytesMax: () => 1_000, take: () => Promise.reject(new Error('no connection')) };
      const waits = await sourceRoutes(away, logger).request('/v1/sources/carrier-1', { method: 'POST', body: '{}' });
      expect([waits.status, await waits.json()]).toMatchObject([503, { error: { reason: 'unavailable' } }]);
    });
  });
}
