/**
 * Intake of the consumer: into files, PostgreSQL and PGlite, the time from the broker to a custody state that a decision
 * would see, and 500 gateways on two receivers. Batches are signed ahead, with a key for each gateway.
 */
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { sql } from 'kysely';
import { MemoryMetrics } from '../../src/base/metrics.ts';
import { systemScheduler } from '../../src/base/system-scheduler.ts';
import { encodeLeaf } from '../../src/evidence/event/leaf.ts';
import { parseCheckpoint } from '../../src/evidence/log/checkpoint.ts';
import { parseNote } from '../../src/evidence/log/note.ts';
import { gatewayRoot } from '../../src/evidence/wire/topics.ts';
import { nodeCrypto } from '../../src/platform/node-crypto.ts';
import { FileStore } from '../../src/risk/intake/file-store/file-store.ts';
import { Intake } from '../../src/risk/intake/intake.ts';
import { PartitionLeases } from '../../src/risk/intake/sql-store/leases.ts';
import { SqlStore } from '../../src/risk/intake/sql-store/sql-store.ts';
import type { IntakeStore } from '../../src/risk/intake/store.ts';
import { LedgerStore } from '../../src/risk/ledger/ledger-store.ts';
import { type DatabaseSettings, RiskDatabase } from '../../src/risk/store/open-database.ts';
import { gatewayOf, HERD_BATCH } from '../process/support/herd.ts';
import { ReplicaRig } from '../process/support/replica-rig.ts';
import { type Postgres, startPostgres } from '../support/postgres.ts';
import { eventOf } from '../support/test-events.ts';
import { TestLog } from '../support/test-log.ts';
import { until } from '../support/until.ts';
import { grow, newLog } from '../unit/intake/events.ts';
import { policyFor, TextLogger, testWitness } from '../unit/intake/harness.ts';
import { PARCEL, PUT_IN } from '../unit/ledger/support.ts';
import type { Bench } from './bench.ts';
import { percentile } from './figures.ts';
import { busySeconds } from './proc.ts';

const LIMIT_MS = 600_000;
const OWNER = { tenant: 'default', region: 'default' };
const GATEWAYS = 20;
const BATCH = 50;
const BATCHES = 50;
const SAMPLES = 200;
const FLEET = 500;
const FLEET_ENTRIES = 100;
/** Batches of each of the 500 that are sent one a second; the rest at once. */
const PACED = 10;

export interface StoreFigures {
  readonly store: 'files' | 'PostgreSQL' | 'PGlite';
  readonly perS: number;
  readonly events: number;
  readonly bytesEach: number;
}

export interface SpanFigures {
  readonly samples: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

export interface FleetFigures {
  readonly gateways: number;
  readonly events: number;
  /** Everything at once: until the last receipt. */
  readonly perS: number;
  /** One batch a second of each. */
  readonly pacedPerS: number;
  readonly receipt: SpanFigures;
  readonly busyCores: number;
}

export interface LoadFigures {
  readonly ranges: number;
  readonly ms: number;
}

export interface IntakeFigures {
  readonly leafBytes: number;
  readonly stores: readonly StoreFigures[];
  readonly visible: SpanFigures;
  readonly fleet: FleetFigures;
  readonly load: LoadFigures;
}

export async function measureIntake(bench: Pick<Bench, 'folder' | 'progress'>): Promise<IntakeFigures> {
  const logs = Array.from({ length: GATEWAYS }, (_, i) => {
    const name = `gw-b${`${i}`.padStart(4, '0')}`;
    return grow(newLog(name, name), BATCH * BATCHES);
  });
  const postgres = await startPostgres();
  try {
    const stores = [await intoFiles(bench, logs)];
    bench.progress(said(stores[0]));
    stores.push(await intoDatabase('PostgreSQL', { engine: 'postgres', url: await postgres.database('bench') }, logs));
    bench.progress(said(stores[1]));
    const directory = join(bench.folder, 'pglite');
    stores.push(await intoDatabase('PGlite', { engine: 'pglite', directory }, logs));
    bench.progress(said(stores[2]));
    const load = await loadLong(postgres);
    bench.progress(`load of a log of ${load.ranges} ranges: ${load.ms.toFixed(1)} ms`);
    const [leaf = new Uint8Array()] = logs[0]?.leaves ?? [];
    const { visible, fleet } = await onBroker(bench);
    return { leafBytes: leaf.length, stores, visible, fleet, load };
  } finally {
    await postgres.stop();
  }
}

function said(found: StoreFigures | undefined): string {
  return `intake into ${found?.store}: ${found?.perS} events/s, ${found?.bytesEach} bytes an event`;
}

function sizeOf(path: string): number {
  const stat = statSync(path);
  if (!stat.isDirectory()) return stat.size;
  return readdirSync(path).reduce((sum, name) => sum + sizeOf(join(path, name)), 0);
}

async function intoFiles(bench: Pick<Bench, 'folder'>, logs: readonly TestLog[]): Promise<StoreFigures> {
  const directory = join(bench.folder, 'files');
  const store = await FileStore.open({ crypto: nodeCrypto, directory });
  const { perS, events } = await pour(store, logs);
  await store.close();
  return { store: 'files', perS, events, bytesEach: Math.round(sizeOf(directory) / events) };
}

async function intoDatabase(
  store: 'PostgreSQL' | 'PGlite',
  settings: DatabaseSettings,
  logs: readonly TestLog[],
): Promise<StoreFigures> {
  const database = await RiskDatabase.open(settings);
  try {
    const parts = { database, crypto: nodeCrypto, ...OWNER };
    const leases = new PartitionLeases({
      ...parts,
      fleet: 'latchkey',
      replica: 'bench',
      partitions: 'all',
      ttlMs: LIMIT_MS,
    });
    await leases.round();
    const before = await bytesOf(database);
    const { perS, events } = await pour(new SqlStore({ ...parts, leases }), logs);
    return { store, perS, events, bytesEach: Math.round(((await bytesOf(database)) - before) / events) };
  } finally {
    await database.close();
  }
}

/** Tables and indexes of custody, with what vacuum would give back. */
async function bytesOf(database: RiskDatabase): Promise<number> {
  const { rows } = await sql<{ readonly bytes: number | string }>`select sum(pg_total_relation_size(c.oid)) as bytes
    from pg_class c join pg_namespace n on n.oid = c.relnamespace where n.nspname = 'custody' and c.relkind = 'r'`.execute(
    database.kysely,
  );
  return Number(rows[0]?.bytes ?? 0);
}

/** Hands in the batches of all gateways in turn, until every log is receipted whole. */
async function pour(
  store: IntakeStore,
  logs: readonly TestLog[],
): Promise<{ readonly perS: number; readonly events: number }> {
  const rounds = Array.from({ length: BATCHES }, (_, i) => logs.map((log) => log.batch(i * BATCH, (i + 1) * BATCH)));
  const receipted = new Map<string, number>();
  const intake = await Intake.open({
    crypto: nodeCrypto,
    store,
    key: testWitness(),
    link: {
      publish: async (_, payload) => {
        const note = parseNote(payload);
        const checkpoint = note.ok ? parseCheckpoint(note.value.text) : note;
        if (checkpoint.ok) receipted.set(checkpoint.value.origin, checkpoint.value.size);
        return 0;
      },
    },
    scheduler: systemScheduler(),
    logger: new TextLogger(),
    metrics: new MemoryMetrics(),
    prefix: 'latchkey',
    policy: policyFor(...logs),
  });
  intake.connected();
  const startMs = performance.now();
  for (const batches of rounds) {
    for (const [i, bytes] of batches.entries()) {
      const topic = `${gatewayRoot(nodeCrypto, 'latchkey', gatewayOf(logs[i]?.origin ?? ''))}/batch`;
      await intake.message(topic, bytes);
    }
  }
  await until('all is receipted', () => logs.every(({ origin, size }) => receipted.get(origin) === size), LIMIT_MS);
  const tookS = (performance.now() - startMs) / 1_000;
  await intake.close();
  const events = logs.length * BATCH * BATCHES;
  return { perS: Math.round(events / tookS), events };
}

/** What a take-over costs for one gateway whose log came in very many pieces. */
async function loadLong(postgres: Postgres): Promise<LoadFigures> {
  const ranges = 20_000;
  const database = await RiskDatabase.open({ engine: 'postgres', url: await postgres.database('load') });
  try {
    const { origin } = newLog('load', 'gw-load');
    await sql`insert into custody.log (origin, gateway, positions, tenant, region)
      values (${origin}, 'gw-load', ${ranges}, 'default', 'default')`.execute(database.kysely);
    await sql`insert into custody.range (origin, first, end_size, before_roots, after_roots, position, tenant, region)
      select ${origin}, i, i + 1, ''::bytea, ''::bytea, i, 'default', 'default'
      from generate_series(0, ${ranges - 1}) i`.execute(database.kysely);
    const store = new SqlStore({ database, crypto: nodeCrypto, ...OWNER });
    const tookMs: number[] = [];
    for (let i = 0; i < 20; i += 1) {
      const fromMs = performance.now();
      await store.load('gw-load');
      tookMs.push(performance.now() - fromMs);
    }
    return { ranges, ms: percentile(tookMs, 50) };
  } finally {
    await database.close();
  }
}

async function onBroker(bench: Pick<Bench, 'progress'>): Promise<Pick<IntakeFigures, 'visible' | 'fleet'>> {
  const story = parcels();
  const rig = await ReplicaRig.make({ gateways: FLEET, entries: FLEET_ENTRIES, more: [story], leaseS: 10 });
  try {
    await rig.start('replica-a');
    await rig.start('replica-b');
    await rig.balanced('replica-a', 'replica-b');
    const visible = await visibleAfter(rig, story);
    bench.progress(
      `from the broker to a visible custody state: p50 ${visible.p50Ms.toFixed(0)} ms, p99 ${visible.p99Ms.toFixed(0)} ms`,
    );
    const fleet = await fleetOf(rig);
    bench.progress(`${fleet.gateways} gateways on two receivers: ${fleet.perS} events/s, paced ${fleet.pacedPerS}/s`);
    return { visible, fleet };
  } finally {
    await rig.close();
  }
}

/** A log in which each batch puts one parcel down. */
function parcels(): TestLog {
  const log = new TestLog('parcels', 'gw-parcels');
  for (let n = 0; n < SAMPLES * HERD_BATCH; n += 1) {
    const parcel = { ...PARCEL, ref: parcelOf(n) };
    const event =
      n % HERD_BATCH === HERD_BATCH - 1
        ? eventOf(log, n, 'parcel.deposited', PUT_IN, { compartment: 'A01', device: 'board-1', parcel })
        : eventOf(
            log,
            n,
            n === 0 ? 'journal.opened' : 'gateway.alive',
            n === 0 ? { version: '1' } : { interval_ms: 60_000, disk_free_kib: n, queued: 0 },
          );
    log.append(encodeLeaf(event));
  }
  return log;
}

function parcelOf(n: number): string {
  return `k1.${Buffer.from(`parcel${`${n}`.padStart(10, '0')}`).toString('base64url')}`;
}

/** As a decision asks: the ledger reads on, then folds. From the PUBLISH to the first answer that knows the parcel. */
async function visibleAfter(rig: ReplicaRig, log: TestLog): Promise<SpanFigures> {
  const database = await RiskDatabase.open({ engine: 'postgres', url: rig.url });
  try {
    const ledger = new LedgerStore({ database, ...OWNER, levelOf: () => 'A0' });
    const tookMs: number[] = [];
    for (let n = HERD_BATCH - 1; n < log.size; n += HERD_BATCH) {
      const startMs = performance.now();
      rig.herd.driveOne(log.origin, n + 1);
      for (;;) {
        await ledger.catchUp();
        const { facts } = await ledger.ledger(parcelOf(n), Date.now());
        if (facts.forward.state === 'IN_LOCKER') break;
        if (performance.now() - startMs > LIMIT_MS) throw new Error(`parcel ${n} is never seen: ${rig.herd.waiting}`);
      }
      tookMs.push(performance.now() - startMs);
    }
    return { samples: tookMs.length, p50Ms: percentile(tookMs, 50), p99Ms: percentile(tookMs, 99) };
  } finally {
    await database.close();
  }
}

async function fleetOf(rig: ReplicaRig): Promise<FleetFigures> {
  const busyBefore = busySeconds();
  const startMs = performance.now();
  for (let i = 1; i <= PACED; i += 1) {
    rig.herd.drive(i * HERD_BATCH);
    await new Promise((resolve) => setTimeout(resolve, 1_000));
  }
  await rig.settled();
  const pacedS = (performance.now() - startMs) / 1_000;
  const delays = rig.herd.delays().slice();
  const fromMs = performance.now();
  rig.herd.drive(FLEET_ENTRIES);
  await rig.settled();
  const perS = (FLEET * (FLEET_ENTRIES - PACED * HERD_BATCH)) / ((performance.now() - fromMs) / 1_000);
  const busyCores = (busySeconds() - busyBefore) / ((performance.now() - startMs) / 1_000);
  return {
    gateways: FLEET,
    events: FLEET * FLEET_ENTRIES,
    perS: Math.round(perS),
    pacedPerS: Math.round((FLEET * PACED * HERD_BATCH) / pacedS),
    receipt: { samples: delays.length, p50Ms: percentile(delays, 50), p99Ms: percentile(delays, 99) },
    busyCores,
  };
}
