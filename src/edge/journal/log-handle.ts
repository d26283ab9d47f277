/**
 * An open log file: the connection with its statements, what memory keeps of the log's end, and what a failure does.
 *
 * After an I/O error nothing more is asked of the same connection: the kernel may call pages clean that never reached
 * the disk. Everything throws JOURNAL_IO until `reopen` has read the file anew and made a full checkpoint.
 */
import { assert } from '../../base/assert.ts';
import { LatchkeyError } from '../../base/errors.ts';
import type { EvidenceCrypto } from '../../evidence/crypto.ts';
import { logVkey, type Vkey } from '../../evidence/log/note.ts';
import { parseOrigin, tagOf } from '../../evidence/log/origin.ts';
import { decodeFrontier, EMPTY_FRONTIER, type Frontier } from '../../evidence/log/tree.ts';
import { type CommitHead, CommitRows, plain } from './commit-rows.ts';
import { MetaRows } from './meta-rows.ts';
import { lastOf } from './paced.ts';
import {
  assertDurable,
  type Connection,
  checkForm,
  damaged,
  guarded,
  openFile,
  SCHEMA_VERSION,
  truncateWal,
} from './sqlite-file.ts';
import { isSoundHead, StoredTree } from './stored-tree.ts';

/** The size as of the last walCheckpoint or close: rows of the main file that vanished are noticed by it. */
export const SIZE_KEY = 'size';

export type LogOpenMode = 'write' | 'read' | 'salvage';

export interface LogIdentity {
  /** `<domain>/<gateway>/<number>-<tag>`; the tag is that of `publicKey`. */
  readonly origin: string;
  /** Raw Ed25519 public key of the log, 32 bytes. */
  readonly publicKey: Uint8Array;
}

export interface SizedNote {
  readonly size: number;
  readonly note: Uint8Array;
}

/** What is at the end of the log. */
export interface LogTail {
  readonly frontier: Frontier;
  readonly newestNote?: SizedNote;
  readonly oldestWithoutNote?: number;
}

interface Attached {
  readonly connection: Connection;
  readonly meta: MetaRows;
  readonly rows: CommitRows;
}

export class LogHandle {
  readonly path: string;
  readonly origin: string;
  readonly publicKey: Uint8Array;
  readonly vkey: Vkey;
  readonly tree: StoredTree;
  readonly #crypto: EvidenceCrypto;
  readonly #mode: LogOpenMode;
  #attached: Attached;
  #failed = false;
  tail: LogTail;

  /** Throws what `LogDatabase.open` does. */
  constructor(path: string, crypto: EvidenceCrypto, mode: LogOpenMode, fallback?: LogIdentity) {
    this.path = path;
    this.#crypto = crypto;
    this.#mode = mode;
    this.#attached = attach(path, crypto, mode);
    try {
      const identity = storedIdentity(this.meta) ?? (mode === 'salvage' ? fallback : undefined);
      if (identity === undefined) throw damaged(path, 'it does not say which log it is');
      checkIdentity(crypto, path, identity);
      this.origin = identity.origin;
      this.publicKey = identity.publicKey;
      this.vkey = logVkey(crypto, identity.origin, identity.publicKey);
      this.tree = new StoredTree(path, crypto, this.vkey, () => this.rows);
      this.tail = mode === 'salvage' ? this.#readTailLeniently() : this.#readTail();
    } catch (error) {
      this.#attached.connection.close();
      throw error;
    }
  }

  get rows(): CommitRows {
    return this.#attached.rows;
  }

  get meta(): MetaRows {
    return this.#attached.meta;
  }

  get connection(): Connection {
    return this.#attached.connection;
  }

  get isWritable(): boolean {
    return this.#mode === 'write' && !this.#failed && this.connection.open;
  }

  get failed(): boolean {
    return this.#failed;
  }

  /** Runs work on the connection; an I/O error spends the handle. */
  guard<T>(work: () => T): T {
    if (this.#failed) throw new LatchkeyError('JOURNAL_IO', `${this.path} failed before and was not reopened yet`);
    try {
      return guarded(this.path, work);
    } catch (error) {
      if (error instanceof LatchkeyError && error.code === 'JOURNAL_IO') this.#failed = true;
      throw error;
    }
  }

  write<T>(work: () => T): T {
    assert(this.#mode === 'write', `${this.path} is open for reading`);
    return this.guard(work);
  }

  /** See `LogDatabase.reopen`. */
  reopen(): void {
    assert(this.#mode === 'write', `${this.path} is open for reading`);
    this.#failed = true;
    this.close();
    this.#attached = attach(this.path, this.#crypto, 'write');
    if (storedIdentity(this.meta)?.origin !== this.origin) throw damaged(this.path, 'it has become another log');
    this.tail = this.#readTail();
    this.#failed = false;
  }

  close(): void {
    try {
      this.#attached.connection.close();
    } catch (error) {
      // Of a failed handle nothing is expected any more: what counts is what the next one finds.
      if (!this.#failed) throw error;
    }
  }

  /** The end of the log, believed only where it fits: the newest row, its frontier and note, and its entries. */
  #readTail(): LogTail {
    return guarded(this.path, () => {
      const newest = this.rows.newest();
      const atLeast = Number(this.meta.text(SIZE_KEY) ?? 0);
      if ((newest?.size ?? 0) < atLeast)
        throw damaged(this.path, `entries are missing from the end: expected ${atLeast}`);
      if (newest === undefined) return { frontier: EMPTY_FRONTIER };
      const frontier = isSoundHead(newest) ? decodeFrontier(newest.size, newest.frontier) : undefined;
      if (frontier === undefined) throw damaged(this.path, `the newest row, at ${newest.first}, is not sound`);
      const oldestWithoutNote = this.rows.oldestWithoutNote();
      const noted = this.rows.newestWithNote(Number.MAX_SAFE_INTEGER);
      if (noted !== undefined && noted.size > (oldestWithoutNote ?? Number.MAX_SAFE_INTEGER)) {
        throw damaged(this.path, `a note at ${noted.size} stands above a commit without one, at ${oldestWithoutNote}`);
      }
      // Entries above the newest note are run along before they are signed; there can be many.
      const checked = noted === undefined ? undefined : lastOf(this.tree.run(noted.first, noted.size));
      if (checked?.ok === false) throw damaged(this.path, `${checked.detail} (${checked.reason} at ${checked.index})`);
      return {
        frontier,
        ...(noted?.note !== undefined &&
          noted.note !== null && { newestNote: { size: noted.size, note: plain(noted.note) } }),
        ...(oldestWithoutNote !== undefined && { oldestWithoutNote }),
      };
    });
  }

  /** Of a damaged file: the newest row that can be read, from the end or, when that is gone, from the beginning. */
  #readTailLeniently(): LogTail {
    const newest = attempt(() => this.rows.newest());
    const frontier = (newest && soundFrontier(newest)) ?? this.#lastReadable();
    const noted = attempt(() => this.rows.newestWithNote(frontier.size));
    return {
      frontier,
      ...(noted?.note instanceof Uint8Array && { newestNote: { size: noted.size, note: plain(noted.note) } }),
    };
  }

  #lastReadable(): Frontier {
    let last = EMPTY_FRONTIER;
    for (;;) {
      const row = attempt(() => this.rows.headsFrom(last.size, 1)[0]);
      const frontier = row === undefined ? undefined : soundFrontier(row);
      if (frontier === undefined) return last;
      last = frontier;
    }
  }
}

function soundFrontier(row: CommitHead): Frontier | undefined {
  return isSoundHead(row) ? decodeFrontier(row.size, row.frontier) : undefined;
}

function attempt<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}

function attach(path: string, crypto: EvidenceCrypto, mode: LogOpenMode): Attached {
  return guarded(path, () => {
    const connection = openFile(path, mode === 'write' ? 'write' : 'read', mode === 'salvage');
    try {
      if (mode !== 'salvage') checkVersion(connection, path, crypto);
      const meta = new MetaRows(connection, path, crypto, mode === 'salvage');
      if (mode === 'write') {
        assertDurable(connection, path);
        truncateWal(connection, path);
      }
      return { connection, meta, rows: new CommitRows(connection) };
    } catch (error) {
      connection.close();
      throw error;
    }
  });
}

/** A version number that contradicts the one under a check sum is a flipped bit, not another version. */
function checkVersion(connection: Connection, path: string, crypto: EvidenceCrypto): void {
  try {
    checkForm(connection, path);
  } catch (error) {
    if (!(error instanceof LatchkeyError) || error.code !== 'JOURNAL_VERSION') throw error;
    const made = new MetaRows(connection, path, crypto, true).text('schema');
    throw made === String(SCHEMA_VERSION) ? damaged(path, 'its version number was altered') : error;
  }
}

/** What a new file says of itself. */
export function identityRows(identity: LogIdentity): Readonly<Record<string, string | Uint8Array>> {
  return { schema: String(SCHEMA_VERSION), origin: identity.origin, public_key: identity.publicKey };
}

function storedIdentity(meta: MetaRows): LogIdentity | undefined {
  const origin = meta.text('origin');
  const publicKey = meta.bytes('public_key');
  return origin === undefined || publicKey === undefined ? undefined : { origin, publicKey: new Uint8Array(publicKey) };
}

export function checkIdentity(crypto: EvidenceCrypto, path: string, identity: LogIdentity): void {
  const origin = parseOrigin(identity.origin);
  if (!origin.ok) throw damaged(path, origin.detail);
  if (identity.publicKey.length !== 32 || origin.value.tag !== tagOf(crypto, identity.publicKey)) {
    throw damaged(path, `the public key is not that of ${identity.origin}`);
  }
}
