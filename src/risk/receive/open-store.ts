/**
 * The store that the settings name: files of this process, or a database that several receivers may share.
 *
 * A receipt of role `store` says that entries survive a power cut. A database that was set up not to sync, as the
 * embedded one always is, cannot say that: then only advisory receipts are given.
 */
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { LatchkeyError, messageOf } from '../../base/errors.ts';
import type { EvidenceCrypto } from '../../evidence/crypto.ts';
import { FileStore } from '../intake/file-store/file-store.ts';
import { PartitionLeases } from '../intake/sql-store/leases.ts';
import { SqlStore } from '../intake/sql-store/sql-store.ts';
import type { IntakeStore } from '../intake/store.ts';
import { type DatabaseSettings, migrateAsOwner, type PostgresSettings, RiskDatabase } from '../store/open-database.ts';
import { refuseOtherTenant } from '../store/tenant.ts';
import type { ReceiveSettings } from './settings.ts';

export interface OpenedStore {
  readonly store: IntakeStore;
  /** Absent for files. Closed with the store. */
  readonly database?: RiskDatabase;
  /** Of a database, which several receivers may share. */
  readonly leases?: PartitionLeases;
  close(): Promise<void>;
}

/** Rejects with STORE_BUSY, STORE_IO, CONFIG_UNREADABLE, or CONFIG_INVALID: the role promises too much, or another tenant's. */
export async function openStore(settings: ReceiveSettings, crypto: EvidenceCrypto): Promise<OpenedStore> {
  const { store: where, data_dir, tenant, region } = settings;
  if (where === 'files') {
    const store = await FileStore.open({ crypto, directory: data_dir });
    return { store, close: () => store.close() };
  }
  const database = await openFor(where, settings);
  if (settings.witness.role === 'store' && !database.durable) {
    await database.close();
    const found = 'a database that does not sync to disk at each commit';
    throw new LatchkeyError(
      'CONFIG_INVALID',
      `witness.role store: expected a durable store, found ${found}; use advisory`,
    );
  }
  const leases = new PartitionLeases({
    database,
    crypto,
    tenant,
    region,
    fleet: settings.prefix,
    // The embedded database has one user at a time: whoever opens it comes after the one before.
    replica: settings.replica.name ?? (where === 'embedded' ? 'embedded' : randomBytes(8).toString('hex')),
    partitions: settings.partitions,
    ttlMs: settings.replica.lease_s * 1_000,
  });
  const store = new SqlStore({ database, crypto, tenant, region, leases });
  return {
    store,
    database,
    leases,
    async close() {
      await store.close();
      await database.close();
    },
  };
}

/**
 * The database alone, for whoever decides on what the receiver stored. Rejects with CONFIG_INVALID for a store of files, and
 * for a database of another tenant.
 */
export async function openDatabase(settings: Where): Promise<RiskDatabase> {
  const { store: where } = settings;
  if (where !== 'files') return openFor(where, settings);
  throw new LatchkeyError(
    'CONFIG_INVALID',
    'store: expected embedded or postgres, found files: refunds need a database',
  );
}

/**
 * Brings the database to the present schema, on a server as whom `urlFile` names, if it is given. Resolves with the
 * migrations that ran on a server, and with undefined for the embedded database, which every opening brings there.
 */
export async function migrateStore(settings: Where, urlFile?: string): Promise<readonly string[] | undefined> {
  const { store: where } = settings;
  if (typeof where === 'object') {
    return migrateAsOwner(serverOf({ ...where.postgres, ...(urlFile !== undefined && { url_file: urlFile }) }));
  }
  await (await openDatabase(settings)).close();
  return undefined;
}

type Where = Pick<ReceiveSettings, 'store' | 'data_dir' | 'replica' | 'tenant'>;
type InDatabase = Exclude<ReceiveSettings['store'], 'files'>;
type Server = Exclude<InDatabase, 'embedded'>['postgres'];

async function openFor(where: InDatabase, settings: Where): Promise<RiskDatabase> {
  const database = await RiskDatabase.open(databaseOf(where, settings));
  try {
    await refuseOtherTenant(database, settings.tenant);
    return database;
  } catch (error) {
    await database.close();
    throw error;
  }
}

function databaseOf(where: InDatabase, { data_dir, replica }: Where): DatabaseSettings {
  if (where === 'embedded') return { engine: 'pglite', directory: join(data_dir, 'database') };
  // A frozen receiver holds its locks no longer than its leases.
  return { ...serverOf(where.postgres), idleTransactionMs: replica.lease_s * 1_000 };
}

function serverOf({ url_file: file, pool_max: poolMax }: Server): PostgresSettings {
  const url = firstLineOf(file);
  // Whatever else it is would be taken for the name of a host, and the password sent there.
  if (!/^postgres(?:ql)?:\/\//.test(url)) {
    const found = url === '' ? 'nothing' : 'something else';
    throw new LatchkeyError(
      'CONFIG_INVALID',
      `store.postgres.url_file: expected postgres://LOGIN:PASSWORD@HOST/DATABASE in the first line of ${file}, found ${found}`,
    );
  }
  return { engine: 'postgres', url, poolMax };
}

function firstLineOf(file: string): string {
  try {
    return readFileSync(file, 'utf8').split('\n')[0]?.trim() ?? '';
  } catch (error) {
    throw new LatchkeyError('CONFIG_UNREADABLE', `store.postgres.url_file: cannot read ${file}: ${messageOf(error)}`);
  }
}
