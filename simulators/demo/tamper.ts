/**
 * What somebody with write access to the evidence could try: copies of an export that say something else.
 */
import { generateKeyPairSync, sign } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { assert, present } from '../../src/base/assert.ts';
import { concatBytes, utf8 } from '../../src/base/bytes.ts';
import { BATCH_TYPE, batchPayload, finishBatch, parseHead } from '../../src/evidence/batch/batch.ts';
import { pae } from '../../src/evidence/batch/pae.ts';
import { encodeLeaf } from '../../src/evidence/event/leaf.ts';
import type { Vkey } from '../../src/evidence/log/note.ts';
import type { Exported, ExportedBatch } from './exported.ts';

export interface Tampering {
  /** What was done, as a clause. */
  readonly what: string;
  readonly file: string;
}

/** Changes one byte so that a parcel lay in another compartment. */
export function flipOneByte(source: string, exported: Exported, file: string): Tampering {
  const found = exported.events.find(({ event }) => event.type === 'parcel.deposited');
  const { line, event } = present(found ?? exported.events.at(-1), 'an entry to change');
  const member = `"compartment":"${event.compartment ?? ''}"`;
  const text = present(exported.lines[line], 'its line');
  const inLine = event.compartment === undefined ? text.length - 3 : text.indexOf(member) + member.length - 2;
  const before = exported.lines.slice(0, line).reduce((sum, one) => sum + Buffer.byteLength(one) + 1, 0);
  const at = before + Buffer.byteLength(text.slice(0, inLine));
  const bytes = new Uint8Array(readFileSync(source));
  const old = present(bytes[at], 'the byte');
  // Bit 1: `1` becomes `3`, `2` becomes `0`.
  bytes[at] = old ^ 0x02;
  writeFileSync(file, bytes);
  const character = (byte: number): string => JSON.stringify(String.fromCharCode(byte));
  return { what: `byte ${at} changed from ${character(old)} to ${character(old ^ 0x02)} (entry ${event.n})`, file };
}

/** Makes an entry disappear, closes the numbers up, and signs the batch anew with a key of the tamperer's own. */
export function removeEntry(exported: Exported, logKey: Vkey, file: string): Tampering {
  const batchOf = (n: number): ExportedBatch | undefined =>
    exported.batches.find(({ first, count }) => n >= first && n < first + count);
  // A batch has one entry at least, so the removed one must not be alone in its own.
  const candidates = exported.events.filter(({ event }) => (batchOf(event.n)?.count ?? 0) > 1);
  const found = candidates.findLast(({ event }) => event.type === 'parcel.collected') ?? candidates.at(-1);
  const removed = present(found, 'an entry to remove').event;
  const { first, count, headerLine } = present(batchOf(removed.n), 'its batch');
  const head = parseHead(utf8(present(exported.lines[headerLine], 'its header')));
  assert(head.ok, 'an export that verified has readable headers');
  const kept = exported.events
    .filter(({ event }) => event.n >= first && event.n < first + count && event.n !== removed.n)
    .map(({ event }) => encodeLeaf(event.n < removed.n ? event : { ...event, n: event.n - 1 }));
  const payload = batchPayload({ ...head.value, count: count - 1, size: head.value.size - 1 }, kept);
  const { privateKey } = generateKeyPairSync('ed25519');
  const signature = new Uint8Array(sign(null, pae(BATCH_TYPE, payload), privateKey));
  const forged = finishBatch(payload, { keyId: logKey.keyId, signature });
  const before = exported.lines.slice(0, headerLine).map((line) => utf8(`${line}\n`));
  writeFileSync(file, concatBytes(...before, forged));
  return {
    what: `entry ${removed.n} (${removed.type}) removed, numbers closed up, signed anew with another key`,
    file,
  };
}
