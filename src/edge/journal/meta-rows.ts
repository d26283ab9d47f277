/**
 * Small durable values of a log's owner, each with a check sum over key and value: SQLite checks its pages' form, not
 * their content, and nothing else signs these. One more row names all keys, because a flipped bit in a page's count
 * makes rows vanish without a trace.
 */
import { assert } from '../../base/assert.ts';
import { concatBytes, equalBytes, utf8, utf8Text } from '../../base/bytes.ts';
import type { EvidenceCrypto } from '../../evidence/crypto.ts';
import { type Connection, damaged } from './sqlite-file.ts';

export const META_VALUE_BYTES_MAX = 65_536;
const SUM_BYTES = 8;
/** The row that names the others, one a line. */
const KEYS_KEY = 'keys';

interface MetaRow {
  readonly key: string;
  readonly value: Uint8Array;
  readonly sum: Uint8Array;
}

export class MetaRows {
  readonly #connection: Connection;
  readonly #crypto: EvidenceCrypto;
  readonly #values = new Map<string, Uint8Array>();
  readonly #upsert;
  readonly #delete;

  /** Reads all of it. A row that fails its check sum is JOURNAL_DAMAGED, or passed over when `lenient`. */
  constructor(connection: Connection, path: string, crypto: EvidenceCrypto, lenient: boolean) {
    this.#connection = connection;
    this.#crypto = crypto;
    this.#upsert = connection.prepare<[string, Uint8Array, Uint8Array]>(
      'INSERT INTO meta (key, value, sum) VALUES (?, ?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value, sum = excluded.sum',
    );
    this.#delete = connection.prepare<[string]>('DELETE FROM meta WHERE key = ?');
    for (const row of connection.prepare<[], MetaRow>('SELECT key, value, sum FROM meta').all()) {
      if (!isSound(row) || !equalBytes(row.sum, this.#sum(row.key, row.value))) {
        if (lenient) continue;
        throw damaged(path, 'a stored setting does not fit its check sum');
      }
      this.#values.set(row.key, row.value);
    }
    const named = this.text(KEYS_KEY);
    this.#values.delete(KEYS_KEY);
    if (lenient || (named === undefined && this.#values.size === 0)) return;
    if (named !== this.keys().join('\n')) throw damaged(path, 'a stored setting is missing');
  }

  bytes(key: string): Uint8Array | undefined {
    return this.#values.get(key);
  }

  text(key: string): string | undefined {
    const bytes = this.#values.get(key);
    return bytes === undefined ? undefined : utf8Text(bytes);
  }

  keys(): readonly string[] {
    return [...this.#values.keys()].sort();
  }

  /** In one transaction, with what `also` writes in it. Undefined deletes. */
  set(values: Readonly<Record<string, string | Uint8Array | undefined>>, also?: () => void): void {
    const rows = Object.entries(values).map(([key, value]) => {
      const bytes = typeof value === 'string' ? utf8(value) : value;
      assert(/^[a-z][a-z0-9_/]*$/.test(key) && key !== KEYS_KEY, `${key} is no name of a setting`);
      assert((bytes?.length ?? 0) <= META_VALUE_BYTES_MAX, `${key} is longer than ${META_VALUE_BYTES_MAX} bytes`);
      return { key, bytes };
    });
    const isSameSet = rows.every(({ key, bytes }) => this.#values.has(key) === (bytes !== undefined));
    const named = isSameSet ? undefined : this.#namesWith(rows);
    this.#connection.transaction(() => {
      for (const { key, bytes } of rows) {
        if (bytes === undefined) this.#delete.run(key);
        else this.#put(key, bytes);
      }
      if (named !== undefined) this.#put(KEYS_KEY, utf8(named));
      also?.();
    })();
    for (const { key, bytes } of rows) {
      if (bytes === undefined) this.#values.delete(key);
      else this.#values.set(key, bytes);
    }
  }

  #namesWith(rows: readonly { readonly key: string; readonly bytes: Uint8Array | undefined }[]): string {
    const keys = new Set(this.#values.keys());
    for (const { key, bytes } of rows) {
      if (bytes === undefined) keys.delete(key);
      else keys.add(key);
    }
    return [...keys].sort().join('\n');
  }

  #put(key: string, bytes: Uint8Array): void {
    this.#upsert.run(key, bytes, this.#sum(key, bytes));
  }

  #sum(key: string, value: Uint8Array): Uint8Array {
    return this.#crypto.sha256(concatBytes(utf8(key), Uint8Array.of(0), value)).subarray(0, SUM_BYTES);
  }
}

function isSound(row: MetaRow): boolean {
  return typeof row.key === 'string' && row.value instanceof Uint8Array && row.sum instanceof Uint8Array;
}
