/**
 * Small durable values of a log's owner, each with a check sum over key and value: SQLite checks its pages' form, not
 * their content, and nothing else signs these.
 */
import { assert } from '../../base/assert.ts';
import { concatBytes, equalBytes, utf8, utf8Text } from '../../base/bytes.ts';
import type { EvidenceCrypto } from '../../evidence/crypto.ts';
import { type Connection, damaged } from './sqlite-file.ts';

export const META_VALUE_BYTES_MAX = 65_536;
const SUM_BYTES = 8;

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

  /** In one transaction. Undefined deletes. */
  set(values: Readonly<Record<string, string | Uint8Array | undefined>>): void {
    const rows = Object.entries(values).map(([key, value]) => {
      const bytes = typeof value === 'string' ? utf8(value) : value;
      assert((bytes?.length ?? 0) <= META_VALUE_BYTES_MAX, `${key} is longer than ${META_VALUE_BYTES_MAX} bytes`);
      return { key, bytes };
    });
    this.#connection.transaction(() => {
      for (const { key, bytes } of rows) {
        if (bytes === undefined) this.#delete.run(key);
        else this.#upsert.run(key, bytes, this.#sum(key, bytes));
      }
    })();
    for (const { key, bytes } of rows) {
      if (bytes === undefined) this.#values.delete(key);
      else this.#values.set(key, bytes);
    }
  }

  #sum(key: string, value: Uint8Array): Uint8Array {
    return this.#crypto.sha256(concatBytes(utf8(key), Uint8Array.of(0), value)).subarray(0, SUM_BYTES);
  }
}

function isSound(row: MetaRow): boolean {
  return typeof row.key === 'string' && row.value instanceof Uint8Array && row.sum instanceof Uint8Array;
}
