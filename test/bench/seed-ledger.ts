/**
 * A ledger of many parcels for the decisions benchmark, through the bulk insert of the intake store: logs of 5,000 entries,
 * in which each parcel is put in, taken out and brought back.
 */
import pg from 'pg';
import { encodeLeaf } from '../../src/evidence/event/leaf.ts';
import { leafHash, TreeBuilder } from '../../src/evidence/log/tree.ts';
import { nodeCrypto } from '../../src/platform/node-crypto.ts';
import { SqlStore } from '../../src/risk/intake/sql-store/sql-store.ts';
import { LedgerStore } from '../../src/risk/ledger/ledger-store.ts';
import { RiskDatabase } from '../../src/risk/store/open-database.ts';
import { eventOf } from '../support/test-events.ts';
import { TestLog } from '../support/test-log.ts';
import { PUT_IN, TAKEN_OUT } from '../unit/ledger/support.ts';

const OWNER = { tenant: 'bench', region: 'eu' };
const LOG_ENTRIES = 5_000;
const EVENTS_EACH = 3;
const DAY_MS = 86_400_000;

export interface Seeded {
  readonly events: number;
  readonly parcels: readonly string[];
  readonly storePerS: number;
  readonly readPerS: number;
}

export async function seedLedger(url: string, events: number, say: (line: string) => void): Promise<Seeded> {
  const database = await RiskDatabase.open({ engine: 'postgres', url });
  try {
    const store = new SqlStore({ database, crypto: nodeCrypto, ...OWNER });
    const parcels: string[] = [];
    const logs = Math.max(1, Math.round(events / LOG_ENTRIES));
    const startMs = performance.now();
    for (let i = 0; i < logs; i += 1) {
      parcels.push(...(await storeLog(store, i)));
      if (i % 20 === 19) say(`${(i + 1) * LOG_ENTRIES} entries stored`);
    }
    const stored = logs * LOG_ENTRIES;
    const storePerS = Math.round(stored / ((performance.now() - startMs) / 1_000));
    const readMs = performance.now();
    const ledger = new LedgerStore({ database, ...OWNER, levelOf: () => 'A2' });
    await ledger.catchUp();
    const readPerS = Math.round(stored / ((performance.now() - readMs) / 1_000));
    return { events: stored, parcels, storePerS, readPerS };
  } finally {
    await database.close();
  }
}

async function storeLog(store: SqlStore, number: number): Promise<readonly string[]> {
  const log = new TestLog(`bench ${number}`, `gw-${String(number).padStart(4, '0')}`);
  const parcels: string[] = [];
  const rows = Array.from({ length: LOG_ENTRIES }, (_, n) => {
    const ref = `k1.${number.toString(36).padStart(4, 'A')}${Math.floor(n / EVENTS_EACH)
      .toString(36)
      .padStart(18, 'A')}`;
    if (n > 0 && n % EVENTS_EACH === 0) parcels.push(ref);
    const place = { compartment: `A${n % 16}`, device: 'board-1', parcel: { ref, scheme: 'sscc' } };
    const event =
      n === 0
        ? eventOf(log, 0, 'journal.opened', { version: '0.1.0' })
        : eventOf(
            log,
            n,
            n % EVENTS_EACH === 1 ? 'parcel.collected' : 'parcel.deposited',
            n % EVENTS_EACH === 1 ? TAKEN_OUT : PUT_IN,
            place,
          );
    const leaf = encodeLeaf(event);
    return { leaf, leafHash: leafHash(nodeCrypto, leaf), use: { status: 'used' } as const };
  });
  const tree = new TreeBuilder(nodeCrypto);
  const before = tree.frontier();
  for (const row of rows) tree.push(row.leafHash);
  const storedAtMs = Date.now() - (number % 30) * DAY_MS;
  const answers = await store.append([
    { origin: log.origin, opens: true, before, rows, after: tree.frontier(), storedAtMs },
  ]);
  if (answers.some((one) => one !== 'stored')) throw new Error(`a log was not stored: ${answers.join(', ')}`);
  return parcels;
}

/** Captured payments `pay-1` to `pay-<count>`. What the server would do about so many new rows by itself, it does before. */
export async function seedPayments(url: string, count: number): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  await client.query(
    `insert into payments.payment (payment_ref, currency, captured_minor, tenant, region)
     select 'pay-' || i, 'USD', 50000, 'bench', 'eu' from generate_series(1, $1::int) as i`,
    [count],
  );
  await client.query('vacuum analyze');
  await client.query('checkpoint');
  await client.end();
}
