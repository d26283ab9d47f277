/** A log in which a person is named, where to look for one on either engine, and which columns hold nobody. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { sql } from 'kysely';
import { utf8 } from '../../../src/base/bytes.ts';
import { encodeLeaf } from '../../../src/evidence/event/leaf.ts';
import type { DatabaseSettings, RiskDatabase } from '../../../src/risk/store/open-database.ts';
import { embedded } from '../../support/embedded.ts';
import type { Postgres } from '../../support/postgres.ts';
import { spellingsOf } from '../../support/secret-search.ts';
import { eventOf } from '../../support/test-events.ts';
import { TestLog } from '../../support/test-log.ts';
import { PUT_IN, TAKEN_OUT } from '../../unit/ledger/support.ts';

/** Of sixteen bytes and more, so that no other bytes are taken for them. */
export const PERSON = { ref: 'k1.UGVyc29uVG9CZUVyYXNlZA', scheme: 'sscc' };
/** Who had parcels of both in hands. */
const COURIER = 'k1.Q291cmllclRvQmVFcmFzZA';
export const OTHER = { ref: 'k1.T3RoZXJQZXJzb25TdGF5cw', scheme: 'sscc' };

/** Of a picture of the person's parcel. */
export const PHOTO = `${'PhotoOfTheParcelOfThePerson'.padEnd(42, 'x')}A`;

/** What names that person, or what is theirs. */
export const PERSONAL = [
  PERSON.ref,
  'refund-of-the-person-1',
  'payment-of-refund-of-the-person-1',
  'seal-of-the-person-77',
  'wms-event-of-the-person',
  PHOTO,
];

export function story(): TestLog {
  const log = new TestLog('retention');
  const at = (parcel: object) => ({ compartment: 'A01', device: 'board-1', parcel });
  const by = (parcel: object) => ({ ...at(parcel), actor: { kind: 'courier', ref: COURIER } });
  const events = [
    eventOf(log, 0, 'journal.opened', { version: '0.1.0' }),
    eventOf(log, 1, 'parcel.deposited', { ...PUT_IN, photo: PHOTO }, by(PERSON)),
    eventOf(log, 2, 'parcel.collected', TAKEN_OUT, at(PERSON)),
    eventOf(log, 3, 'parcel.deposited', PUT_IN, by(OTHER)),
    eventOf(log, 4, 'parcel.deposited', PUT_IN, at(PERSON)),
    eventOf(log, 5, 'parcel.collected', TAKEN_OUT, at(OTHER)),
  ];
  return log.append(...events.map((event) => encodeLeaf(event)));
}

export interface EngineWithFiles {
  readonly settings: DatabaseSettings;
  /** Where its files are. */
  directory(database: RiskDatabase): Promise<string>;
}

/** A database of that name on each engine, in files that a test may search. */
export function enginesWithFiles(
  name: string,
  place: { readonly root: string; readonly postgres: () => Postgres; readonly recyclesWal: boolean },
): Readonly<Record<string, () => Promise<EngineWithFiles>>> {
  return {
    PGlite: async () => {
      const directory = await embedded(join(place.root, 'pglite'));
      return { settings: { engine: 'pglite', directory }, directory: async () => directory };
    },
    PostgreSQL: async () => ({
      settings: { engine: 'postgres', url: await place.postgres().database(name), poolMax: 4 },
      directory: async (database) => {
        const { rows } = await sql<{ data_directory: string }>`show data_directory`.execute(database.kysely);
        if (!place.recyclesWal) {
          // What an administrator sets once: otherwise the server keeps old files of its log for later use.
          await sql`alter system set wal_recycle = off`.execute(database.kysely);
          await sql`select pg_reload_conf()`.execute(database.kysely);
        }
        return rows[0]?.data_directory ?? '';
      },
    }),
  };
}

/** Files that were written since: what was not touched holds nothing that came later. */
export interface Where {
  readonly directory: string;
  readonly sinceMs: number;
}

/** The clock of a file system is coarser than ours. */
export const CLOCK_GRAIN_MS = 2_000;

/** Paths of the files in which a text stands, raw or in any spelling. */
export function filesWith({ directory, sinceMs }: Where, text: string): readonly string[] {
  const spellings = [...spellingsOf(utf8(text)), Buffer.from(text, 'utf16le')];
  const found: string[] = [];
  for (const entry of readdirSync(directory, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    if (!entry.isFile() || statSync(path).mtimeMs < sinceMs) continue;
    const bytes = readFileSync(path);
    if (spellings.some((spelling) => bytes.includes(spelling))) found.push(path.slice(directory.length));
  }
  return found;
}

/**
 * Why each holds nobody: words of a closed list, names of machines, logs, keys and sources, hashes of salted bytes, money,
 * and the staff that answers for a deed (its accountability outlives an erasure).
 */
export const NOBODY: readonly RegExp[] = [
  /\.(tenant|region|state|status|kind|outcome|currency|type|level|why|result|destination|basis|on_deadline|what|verdict|lane|action|deed)$/,
  /\.(origin|of_origin|gateway|compartment|source|fleet|holder|replica|partition|cosigned_root|cosigned_note|note|before_roots|after_roots)$/,
  /\.(leaf_hash|carries|paths|withheld_why|record|trust|refuted|digest)$/,
  /\.(decision_id|hold_id|case_id|key|ruleset|parameters|codes|release_when|steps|ledger)$/,
  /\.(actor|owner|counts|statement|reason|id)$/,
  /^custody\.(attestation|assurance|lease|replica|witness|cosignature|job)\./,
  /^payments\.source_event\.event_id$/,
  /^payments\.usd_rate\./,
  /^payments\.finding\.(as_of_ms|body)$/,
];
