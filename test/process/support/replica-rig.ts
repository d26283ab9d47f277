/**
 * Several receivers as processes on one PostgreSQL and one mosquitto, and a herd of gateways. The judge holds what the
 * database has at the end against a run without any disturbance, and every receipt against what is stored.
 */
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { sql } from 'kysely';
import { stringify } from 'yaml';
import type { Child } from '../../../simulators/demo/child-process.ts';
import { hex } from '../../../src/base/bytes.ts';
import { formatVkey } from '../../../src/evidence/log/note.ts';
import { partitionOf } from '../../../src/evidence/wire/topics.ts';
import { nodeCrypto } from '../../../src/platform/node-crypto.ts';
import { SqlStore } from '../../../src/risk/intake/sql-store/sql-store.ts';
import type { IntakeStore } from '../../../src/risk/intake/store.ts';
import { openWitnessKey } from '../../../src/risk/intake/witness-key.ts';
import { RiskDatabase } from '../../../src/risk/store/open-database.ts';
import { startLatchkey } from '../../support/child.ts';
import { type Mosquitto, startMosquitto } from '../../support/mosquitto.ts';
import { type Postgres, startPostgres } from '../../support/postgres.ts';
import { makeTempDir } from '../../support/temp-dir.ts';
import type { TestLog } from '../../support/test-log.ts';
import { until } from '../../support/until.ts';
import { grow, newLog } from '../../unit/intake/events.ts';
import { Harness, policyFor } from '../../unit/intake/harness.ts';
import { gatewayOf, HERD_BATCH, Herd } from './herd.ts';

const LEASE_S = 2;
const START_LIMIT_MS = 120_000;
export const SETTLE_LIMIT_MS = 180_000;
const QUIET_IDLE_MS = 600_000;
const WITNESS = 'refunds.example/receipts';

export interface ReplicaRigOptions {
  readonly gateways: number;
  /** Entries of each log. */
  readonly entries: number;
  readonly leaseS?: number;
  /** Logs of gateways beside them. */
  readonly more?: readonly TestLog[];
}

export class ReplicaRig {
  readonly dir = makeTempDir('replicas');
  readonly logs: readonly TestLog[];
  readonly postgres: Postgres;
  readonly broker: Mosquitto;
  herd!: Herd;
  url = '';
  readonly #leaseS: number;
  readonly #children = new Set<Child>();

  private constructor(
    postgres: Postgres,
    broker: Mosquitto,
    { gateways, entries, more = [], leaseS = LEASE_S }: ReplicaRigOptions,
  ) {
    this.#leaseS = leaseS;
    this.postgres = postgres;
    this.broker = broker;
    this.logs = [...spreadGateways(gateways).map((name) => grow(newLog(name, name), entries)), ...more];
  }

  static async make(options: ReplicaRigOptions): Promise<ReplicaRig> {
    const [postgres, broker] = await Promise.all([startPostgres(), startMosquitto()]);
    const rig = new ReplicaRig(postgres, broker, options);
    rig.url = await postgres.database('replicas');
    writeFileSync(rig.dir.file('database.url'), `${rig.url}\n`, { mode: 0o600 });
    const logs = rig.logs.map(({ vkey }) => ({ vkey: formatVkey(vkey) }));
    writeFileSync(rig.dir.file('policy.json'), JSON.stringify({ v: 1, logs }));
    const { key } = await openWitnessKey(nodeCrypto, rig.dir.file('witness.key'), WITNESS);
    rig.herd = new Herd(broker.url, key.vkey, rig.logs);
    rig.herd.start();
    return rig;
  }

  /** A receiver that runs and has subscribed to its first partitions. */
  async start(name: string): Promise<Child> {
    mkdirSync(this.dir.file(name), { recursive: true });
    const settings = {
      data_dir: this.dir.file(name),
      store: { postgres: { url_file: this.dir.file('database.url') } },
      policy: this.dir.file('policy.json'),
      mqtt: { url: this.broker.url, reconnect: { first_ms: 20, max_ms: 200 } },
      witness: { name: WITNESS, key_file: this.dir.file('witness.key') },
      replica: { name, lease_s: this.#leaseS },
      status_interval_s: 1,
    };
    writeFileSync(this.dir.file(`${name}.yaml`), stringify(settings));
    const child = startLatchkey(['receive', '--config', this.dir.file(`${name}.yaml`)]);
    this.#children.add(child);
    await child.line('the receiver runs', START_LIMIT_MS);
    return child;
  }

  /** How many partitions a receiver says that it holds; 0 when it says nothing. */
  held(name: string): number {
    try {
      const { partitions } = JSON.parse(readFileSync(join(this.dir.file(name), 'status.json'), 'utf8')) as {
        readonly partitions: readonly string[];
      };
      return partitions.length;
    } catch {
      return 0;
    }
  }

  async balanced(...names: readonly string[]): Promise<void> {
    const share = 64 / names.length;
    await until(
      `${names.join(' and ')} hold ${share} each`,
      () => names.every((name) => this.held(name) === share),
      START_LIMIT_MS,
    );
  }

  async settled(): Promise<void> {
    await until('everything is receipted', () => this.herd.isSettled, SETTLE_LIMIT_MS).catch((error: unknown) => {
      throw new Error(
        `${String(error)}: ${this.herd.waiting}${[...this.#children].map((child) => child.tail()).join('')}`,
      );
    });
  }

  /** SIGKILL of the whole server, as a power cut of its machine; then its recovery. */
  async crashPostgres(): Promise<void> {
    const data = join(decodeURIComponent(this.url.split('host=')[1] ?? ''), 'data');
    await this.postgres.kill('SIGKILL');
    // Its processes notice that their parent is gone, and a new server waits for none of them.
    await until('the processes of the killed server are gone', () => !worksIn(data));
    await this.postgres.restart();
  }

  /** Entries, trees and receipts as if nothing had happened. */
  async judge(): Promise<void> {
    const database = await RiskDatabase.open({ engine: 'postgres', url: this.url });
    const undisturbed = await RiskDatabase.open({
      engine: 'postgres',
      url: await this.postgres.database('undisturbed'),
      // Nobody takes it over, and a machine under load lets this process stand for longer than a receiver may.
      idleTransactionMs: QUIET_IDLE_MS,
    });
    try {
      await quietRun(
        new SqlStore({ database: undisturbed, crypto: nodeCrypto, tenant: 'default', region: 'default' }),
        this.logs,
      );
      const [found, wanted] = [await stateRows(database), await stateRows(undisturbed)];
      const at = wanted.findIndex((row, i) => row !== found[i]);
      if (found.length !== wanted.length || at >= 0) {
        const counts = `${found.length} rows, not ${wanted.length}`;
        throw new Error(`the end is another than that of a quiet run: ${counts}; ${found[at]}, not ${wanted[at]}`);
      }
      if (this.herd.false.length > 0) throw new Error(`no receipts: ${this.herd.false.join(', ')}`);
      if (this.herd.receipts.length === 0) throw new Error('nothing was receipted');
      const byOrigin = new Map(this.logs.map((log) => [log.origin, log]));
      for (const { origin, size, root } of this.herd.receipts) {
        // Everything is stored at the end, as the hash says: what a receipt covers is these entries and no others.
        const own = byOrigin.get(origin)?.checkpoint(size).root ?? new Uint8Array();
        if (hex(root) !== hex(own)) throw new Error(`a receipt over another tree: ${origin} at ${size}`);
      }
    } finally {
      await undisturbed.close();
      await database.close();
    }
  }

  async close(): Promise<void> {
    await this.herd.close();
    for (const child of this.#children) {
      child.signal('SIGCONT');
      child.signal('SIGKILL');
    }
    for (const child of this.#children) await child.exit().catch(() => undefined);
    await this.broker.stop();
    await this.postgres.stop();
    this.dir.remove();
  }
}

/** The same batches, log after log, into one store. Rejects when not each was taken: then it measures nothing. */
export async function quietRun(store: IntakeStore, logs: readonly TestLog[]): Promise<void> {
  const harness = new Harness();
  harness.store = store;
  await harness.open(policyFor(...logs));
  let batches = 0;
  for (const log of logs) {
    for (let first = 0; first < log.size; first += HERD_BATCH) {
      const topic = `latchkey/v1/${partitionOf(nodeCrypto, gatewayOf(log.origin))}/${gatewayOf(log.origin)}/batch`;
      await harness.intake.message(topic, log.batch(first, first + HERD_BATCH));
      batches += 1;
    }
    await harness.intake.settled();
  }
  await harness.intake.close();
  const { storeFailure } = harness.intake;
  const taken = harness.outcomes('accepted');
  if (storeFailure !== undefined || taken !== batches) {
    throw new Error(
      `the quiet run was disturbed: ${taken} of ${batches} batches taken; ${storeFailure?.message ?? ''}`,
    );
  }
}

/** Of all that intake keeps, but for times and for the cuts between ranges: a line for each row. */
export async function stateRows(database: RiskDatabase): Promise<readonly string[]> {
  const queries = [
    sql`select origin, gateway, positions, carried, cosigned_size, encode(cosigned_root, 'hex') as root
      from custody.log order by origin`,
    sql`select origin, n, gateway, encode(leaf_hash, 'hex') as hash, encode(leaf, 'hex') as leaf, status
      from custody.entry order by origin, n`,
    sql`select gateway, record from custody.trust order by gateway, record`,
    sql`select origin, encode(digest, 'hex') as digest from custody.fork order by 1, 2`,
  ];
  const rows: string[] = [];
  for (const query of queries) {
    for (const row of (await query.execute(database.kysely)).rows) rows.push(JSON.stringify(row));
  }
  return rows;
}

export async function stateHash(database: RiskDatabase): Promise<string> {
  return createHash('sha256')
    .update((await stateRows(database)).join('\n'))
    .digest('hex');
}

/** Half of them in the lower partitions, half in the upper. */
function spreadGateways(count: number): readonly string[] {
  const names: [string[], string[]] = [[], []];
  for (let i = 1; names[0].length + names[1].length < count; i += 1) {
    const name = `gw-r${`${i}`.padStart(4, '0')}`;
    const half = Number.parseInt(partitionOf(nodeCrypto, name), 16) < 32 ? names[0] : names[1];
    if (half.length < count / 2) half.push(name);
  }
  return names.flat();
}

function worksIn(directory: string): boolean {
  return readdirSync('/proc').some((pid) => {
    try {
      return /^\d+$/.test(pid) && readlinkSync(`/proc/${pid}/cwd`) === directory;
    } catch {
      return false;
    }
  });
}
