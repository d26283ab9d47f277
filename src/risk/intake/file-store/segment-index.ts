/**
 * Where commits begin in a segment file: one record of 24 bytes for about every 64 KiB. Derived and never synced: a
 * record that does not fit the file is not used, and a lost index costs one pass over the file.
 */
import { appendFile, readFile, rm, truncate } from 'node:fs/promises';
import { FILE_MODE } from '../../../platform/durable-file.ts';

const RECORD_BYTES = 24;
export const INDEX_STEP_BYTES = 65_536;

export interface IndexRecord {
  /** Index of the commit's first entry. */
  readonly first: number;
  /** Arrival position of its first row. */
  readonly position: number;
  /** Byte in the segment file at which the commit begins. */
  readonly offset: number;
}

function formatRecord(record: IndexRecord): Uint8Array {
  const bytes = Buffer.alloc(RECORD_BYTES);
  bytes.writeBigUInt64BE(BigInt(record.first), 0);
  bytes.writeBigUInt64BE(BigInt(record.position), 8);
  bytes.writeBigUInt64BE(BigInt(record.offset), 16);
  return bytes;
}

/** The records that make sense in a file of `fileBytes`: ascending in every member, as far as they do. */
export async function readIndex(path: string, fileBytes: number): Promise<readonly IndexRecord[]> {
  const bytes = await readFile(path).catch(() => Buffer.alloc(0));
  const records: IndexRecord[] = [];
  for (let at = 0; at + RECORD_BYTES <= bytes.length; at += RECORD_BYTES) {
    const record = {
      first: Number(bytes.readBigUInt64BE(at)),
      position: Number(bytes.readBigUInt64BE(at + 8)),
      offset: Number(bytes.readBigUInt64BE(at + 16)),
    };
    const last = records.at(-1);
    const ascends = last === undefined || (record.first > last.first && record.position > last.position);
    if (!ascends || record.offset < (last?.offset ?? 0) + INDEX_STEP_BYTES || record.offset >= fileBytes) break;
    records.push(record);
  }
  return records;
}

/** Adds records after the first `known`, so that a torn record does not shift what follows. Failure costs speed only. */
export async function appendIndex(path: string, known: number, records: readonly IndexRecord[]): Promise<void> {
  try {
    await truncate(path, known * RECORD_BYTES).catch(() => rm(path, { force: true }));
    await appendFile(path, Buffer.concat(records.map(formatRecord)), { mode: FILE_MODE });
  } catch {
    // The next opening reads further than it would have to.
  }
}
