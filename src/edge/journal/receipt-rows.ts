/** The newest receipt of each key, as settings of its log: `receipt/<key id>` holds the size, a newline and the note. */
import { assert } from '../../base/assert.ts';
import { concatBytes, utf8, utf8Text } from '../../base/bytes.ts';
import type { MetaRows } from './meta-rows.ts';

export interface StoredReceipt {
  /** Eight hex digits: key id of the cosigning key. */
  readonly keyId: string;
  readonly size: number;
  readonly note: Uint8Array;
}

const RECEIPT_KEY = /^receipt\/([0-9a-f]{8})$/;
const NEWLINE = 0x0a;

export function receiptRow({ keyId, size, note }: StoredReceipt): Readonly<Record<string, Uint8Array>> {
  const key = `receipt/${keyId}`;
  assert(RECEIPT_KEY.test(key), `a key id is eight hex digits, not ${keyId}`);
  return { [key]: concatBytes(utf8(`${size}\n`), note) };
}

/** In the order of key ids. */
export function readReceipts(meta: MetaRows): readonly StoredReceipt[] {
  return meta.keys().flatMap((key) => {
    const keyId = RECEIPT_KEY.exec(key)?.[1];
    const bytes = meta.bytes(key);
    if (keyId === undefined || bytes === undefined) return [];
    const end = bytes.indexOf(NEWLINE);
    return [{ keyId, size: Number(utf8Text(bytes.subarray(0, end))), note: new Uint8Array(bytes.subarray(end + 1)) }];
  });
}
