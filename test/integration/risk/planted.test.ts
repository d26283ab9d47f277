/**
 * Card numbers, names, addresses and one-time codes, planted in every field that takes a text, by every way in: refused,
 * and in no file of the database, no line of a log, no message and no answer. The search finds each one when it is there.
 */
import { createHmac } from 'node:crypto';
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ManualScheduler } from '../../../src/base/manual-scheduler.ts';
import { nodeCrypto } from '../../../src/platform/node-crypto.ts';
import { importPayments, paymentsSchema } from '../../../src/risk/casework/imports.ts';
import { RefundDesk } from '../../../src/risk/casework/refund-desk.ts';
import { refundRequestSchema } from '../../../src/risk/casework/refund-request.ts';
import { makeRuleset } from '../../../src/risk/decision/ruleset.ts';
import { claimRowsSchema } from '../../../src/risk/ledger/claims-file.ts';
import { LedgerStore } from '../../../src/risk/ledger/ledger-store.ts';
import { sourceRoutes } from '../../../src/risk/sources/http.ts';
import { openSources, SourcesRoom } from '../../../src/risk/sources/room.ts';
import { sourcesSchema } from '../../../src/risk/sources/settings.ts';
import { RiskDatabase } from '../../../src/risk/store/open-database.ts';
import { type Postgres, startPostgres } from '../../support/postgres.ts';
import { TextLogger } from '../../unit/intake/harness.ts';
import { enginesWithFiles } from './erasable.ts';

const root = mkdtempSync(join(tmpdir(), 'latchkey-planted-'));
const NOW_MS = Date.UTC(2026, 10, 22, 12);
const OWNER = { tenant: 'default', region: 'eu' };
const SECRET = Buffer.alloc(32, 9);
/** The clock of a file system is coarser than ours. */
const CLOCK_GRAIN_MS = 2_000;
let postgres: Postgres;
beforeAll(async () => {
  postgres = await startPostgres();
});
afterAll(async () => {
  await postgres.stop();
  rmSync(root, { recursive: true, force: true });
});

/** Public test numbers of card schemes; a name of no one; a code. Each is rare enough to be found by no accident. */
const PLANTED = {
  card: '4242424242424242',
  spaced: '5555 5555 5555 4444',
  hyphens: '3782-822463-10005',
  name: 'Zyxwine Qwertzuiop',
  address: 'zyxwine@qwertzuiop.example',
  telephone: '+4915730000017',
  code: '48271936',
} as const;

/** Every spelling of a text that a file may have: raw, hex, base64 at any place, base64url, UTF-16 of both orders. */
function spellings(text: string): readonly Buffer[] {
  const raw = Buffer.from(text);
  const wide = Buffer.from(text, 'utf16le');
  const texts = [raw.toString('hex'), raw.toString('hex').toUpperCase()];
  for (const before of [0, 1, 2]) {
    const whole = Buffer.concat([Buffer.alloc(before), raw])
      .toString('base64')
      .replace(/=+$/, '');
    const inner = whole.slice(Math.ceil((8 * before) / 6), Math.floor((8 * (before + raw.length)) / 6));
    texts.push(inner, inner.replaceAll('+', '-').replaceAll('/', '_'));
  }
  const swapped = Buffer.from(wide).swap16();
  return [raw, wide, swapped, ...texts.map((one) => Buffer.from(one, 'latin1'))];
}

function plantedIn(bytes: Uint8Array): readonly string[] {
  const hay = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  return Object.entries(PLANTED).flatMap(([name, text]) =>
    spellings(text).some((one) => hay.includes(one)) ? [name] : [],
  );
}

/** Of files that were written since: what was not touched holds nothing that came later. */
function plantedBelow(directory: string, sinceMs: number): readonly string[] {
  const found = new Set<string>();
  for (const entry of readdirSync(directory, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    if (!entry.isFile() || statSync(path).mtimeMs < sinceMs) continue;
    for (const name of plantedIn(readFileSync(path))) found.add(name);
  }
  return [...found].sort();
}

/** The value with one of its texts, at any depth, changed to another: one for each. */
function* planted(value: unknown, text: string, open = new Set<string>()): Generator<unknown> {
  if (typeof value !== 'object' || value === null) return;
  for (const [name, member] of Object.entries(value)) {
    const copy = (next: unknown): unknown =>
      Array.isArray(value) ? value.with(Number(name), next) : { ...value, [name]: next };
    if (typeof member === 'string') yield copy(text);
    else for (const inner of planted(member, text, open)) yield copy(inner);
  }
  if (!Array.isArray(value)) yield { ...value, [text]: 1 };
  if (!Array.isArray(value)) yield { ...value, remark: text };
}

const WEBHOOKS: readonly (readonly [source: string, type: string, data: object])[] = [
  ['carrier-1', 'delivered', { parcel: 'k1.A', geofence: 'inside' }],
  ['carrier-1', 'exception', { parcel: 'k1.A', operator: 'op-7' }],
  ['merchant-1', 'declared', { parcel: 'k1.A', seal: 'S-17', promised_by: new Date(NOW_MS).toISOString() }],
  ['wms-1', 'inspected', { parcel: 'k1.A', result: 'ok' }],
  ['psp-1', 'payment.captured', { payment_ref: 'pay-1', amount_minor: 5, currency: 'EUR' }],
  ['psp-1', 'refund.settled', { refund_id: 'r-1', settlement_ref: 'se-1', amount_minor: 5, currency: 'EUR' }],
  ['bank-1', 'dispute.opened', { dispute_ref: 'dp-1', payment_ref: 'pay-1', amount_minor: 5, currency: 'EUR' }],
];
const CLAIM = { parcel: 'k1.A', ref: 'wms:1', at_ms: NOW_MS, body: { what: 'declared', seal: 'S-17' } };
const PAYMENT = { payment_ref: 'pay-2', currency: 'EUR', captured_minor: 5, disputed_minor: 0 };
const REFUND = {
  refund_id: 'r-1',
  kind: 'return',
  parcel_refs: ['k1.A'],
  amount_minor: 9_000,
  currency: 'EUR',
  operator: 'op-7',
  requested_at: new Date(NOW_MS).toISOString(),
  payment_ref: 'pay-1',
  destination: 'original',
};

const ENGINES = enginesWithFiles('planted', { root, postgres: () => postgres, recyclesWal: true });

function sourceSettings() {
  const file = join(root, 'secret');
  writeFileSync(file, `whsec_${SECRET.toString('base64')}\n`);
  chmodSync(file, 0o600);
  const auth = { type: 'standard', secret_files: [file] };
  const kinds = {
    'carrier-1': 'carrier',
    'merchant-1': 'merchant',
    'wms-1': 'warehouse',
    'psp-1': 'payment',
    'bank-1': 'chargeback',
  };
  return sourcesSchema.parse(Object.entries(kinds).map(([name, kind]) => ({ name, kind, auth })));
}

for (const [engine, open] of Object.entries(ENGINES)) {
  describe(engine, () => {
    const clock = new ManualScheduler(NOW_MS);
    const logger = new TextLogger();
    let database: RiskDatabase;
    let directory: string;
    let sinceMs: number;
    let desk: RefundDesk;
    let ledger: LedgerStore;
    let routes: ReturnType<typeof sourceRoutes>;
    /** What was answered to whoever sent it. */
    const answers: string[] = [];

    beforeAll(async () => {
      const one = await open();
      database = await RiskDatabase.open(one.settings);
      directory = await one.directory(database);
      sinceMs = Date.now() - CLOCK_GRAIN_MS;
      ledger = new LedgerStore({ database, ...OWNER, levelOf: () => 'A2' });
      const ruleset = makeRuleset(nodeCrypto, {});
      desk = new RefundDesk({ database, ledger, crypto: nodeCrypto, ruleset, ...OWNER, clock, logger });
      const sources = await openSources(sourceSettings(), nodeCrypto);
      const room = new SourcesRoom({ database, crypto: nodeCrypto, sources, ...OWNER, clock, logger });
      routes = sourceRoutes(room, logger);
    });
    afterAll(() => database.close());

    async function post(source: string, body: unknown, id: string): Promise<number> {
      const text = JSON.stringify(body);
      const atS = NOW_MS / 1_000;
      const mac = createHmac('sha256', SECRET).update(`${id}.${atS}.${text}`).digest('base64');
      const headers = { 'webhook-id': id, 'webhook-timestamp': String(atS), 'webhook-signature': `v1,${mac}` };
      const answer = await routes.request(`/v1/sources/${source}`, { method: 'POST', headers, body: text });
      answers.push(await answer.text());
      return answer.status;
    }

    test('the honest ones are taken: nothing is refused by chance', async () => {
      for (const [i, [source, type, data]] of WEBHOOKS.entries()) {
        const status = await post(source, { type, timestamp: new Date(NOW_MS).toISOString(), data }, `evt_${i}`);
        // Nobody settles here.
        expect(status, type).toBe(type === 'refund.settled' ? 409 : 200);
      }
      const [claim] = claimRowsSchema.parse([CLAIM]);
      if (claim === undefined) throw new Error('a claim');
      const { parcel, ref, at_ms, body } = claim;
      await ledger.claim(parcel, { kind: 'claim', ref, at_ms, body }, NOW_MS);
      await importPayments(database, paymentsSchema.parse([PAYMENT]), OWNER);
      expect(await desk.decide('key-1', refundRequestSchema.parse(REFUND))).toMatchObject({ ok: true });
    });

    test('whatever is planted in any text of a webhook, in a name of a member, or in its headers is refused', async () => {
      let tried = 0;
      for (const text of Object.values(PLANTED)) {
        for (const [source, type, data] of WEBHOOKS) {
          const whole = { id: 'evt_p', type, timestamp: new Date(NOW_MS).toISOString(), data };
          for (const body of planted(whole, text)) {
            tried += 1;
            expect(await post(source, body, 'evt_p'), JSON.stringify(body)).toBeGreaterThanOrEqual(400);
          }
          const status = await post(source, { type, timestamp: whole.timestamp, data }, text);
          expect(status).toBeGreaterThanOrEqual(400);
        }
        expect(
          (await routes.request(`/v1/sources/${encodeURIComponent(text)}`, { method: 'POST', body: text })).status,
        ).toBe(404);
      }
      expect(tried).toBeGreaterThan(300);
    });

    test('in any text of a claim, a payment, a refund or a verdict, too', async () => {
      const ways = [
        [claimRowsSchema, [CLAIM]],
        [paymentsSchema, [PAYMENT]],
        [refundRequestSchema, REFUND],
      ] as const;
      const { rows } = await sql<{ hold_id: string }>`select hold_id from payments.hold`.execute(database.kysely);
      for (const text of Object.values(PLANTED)) {
        for (const [schema, value] of ways) {
          for (const wrong of planted(value, text)) {
            const parsed = schema.safeParse(wrong);
            expect(parsed.success, JSON.stringify(wrong)).toBe(false);
            // A member that nobody asked for is named, on the terminal of whoever has the file.
            const told = parsed.error?.issues.filter(({ code }) => code !== 'unrecognized_keys') ?? [];
            answers.push(JSON.stringify(told.map(({ message }) => message)));
          }
        }
        const said = await desk.release(rows[0]?.hold_id ?? '', { actor: text, reason: 'looked at it' });
        expect(said, text).toMatchObject({ ok: false, reason: 'reason' });
        answers.push(JSON.stringify(said));
        // A name among words is a word: the one thing that nobody can see, and that the reader is asked not to write.
        if (text === PLANTED.name) continue;
        const verdict = { actor: 'analyst-1', reason: `the customer said ${text} on the telephone` };
        const answer = await desk.release(rows[0]?.hold_id ?? '', verdict);
        expect(answer, text).toMatchObject({ ok: false, reason: 'reason' });
        answers.push(JSON.stringify(answer));
      }
    });

    test('nothing of it is in a file of the database, a log, a message or an answer; the search finds it once it is there', async () => {
      await sql`analyze`.execute(database.kysely);
      await sql`checkpoint`.execute(database.kysely);
      expect(plantedBelow(directory, sinceMs)).toEqual([]);
      expect(plantedIn(Buffer.from(logger.text))).toEqual([]);
      expect(logger.text).toContain('a webhook was refused');
      expect(answers.length).toBeGreaterThan(300);
      expect(plantedIn(Buffer.from(answers.join('\n')))).toEqual([]);
      const messages = await database.as('payments', (trx) =>
        trx.selectFrom('payments.outbox').select('body').execute(),
      );
      expect(messages.length).toBeGreaterThan(0);
      expect(plantedIn(Buffer.from(messages.map(({ body }) => body).join('\n')))).toEqual([]);

      await sql`create table custody.planted (raw text, hex text, base64 text, wide bytea)`.execute(database.kysely);
      for (const [i, text] of Object.values(PLANTED).entries()) {
        const at = ['raw', 'hex', 'base64', 'wide'][i % 4] ?? 'raw';
        const bytes = Buffer.from(text);
        const value =
          at === 'hex'
            ? bytes.toString('hex')
            : at === 'base64'
              ? `x${bytes.toString('base64url')}`
              : at === 'wide'
                ? Buffer.from(text, 'utf16le')
                : text;
        await sql`insert into custody.planted (${sql.ref(at)}) values (${value})`.execute(database.kysely);
      }
      await sql`checkpoint`.execute(database.kysely);
      expect(plantedBelow(directory, sinceMs)).toEqual(Object.keys(PLANTED).sort());
      await sql`drop table custody.planted`.execute(database.kysely);
    });
  });
}
