/** A log of nine entries, and batches of it as no gateway would make them. */
import { utf8 } from '../../../src/base/bytes.ts';
import { type BatchTrust, verifyBatch } from '../../../src/evidence/batch/verify-batch.ts';
import type { EvidenceCrypto } from '../../../src/evidence/crypto.ts';
import { nodeCrypto } from '../../../src/platform/node-crypto.ts';
import { noteText, TestLog, TestWitness } from '../../support/test-log.ts';

export const log = new TestLog().append(...Array.from({ length: 9 }, (_, i) => utf8(`{"n":${i}}`)));
export const witness = new TestWitness('store.example/w1');

/** `accepted`, or the reason of the refusal. */
export function reason(
  bytes: Uint8Array,
  trust: Partial<BatchTrust> = {},
  crypto: EvidenceCrypto = nodeCrypto,
): string {
  const verified = verifyBatch(crypto, bytes, { vkey: log.vkey, ...trust });
  return verified.ok ? 'accepted' : verified.reason;
}

/** A signed batch with a header of our own making. */
export function signedHeader(header: string, leaves: readonly string[] = ['{"n":0}']): Uint8Array {
  return log.finish(utf8([header, ...leaves].map((line) => `${line}\n`).join('')));
}

export function headerOf(changes: Readonly<Record<string, unknown>>): string {
  const {
    checkpoint,
    count,
    first,
    left,
    log: origin,
    size,
    v,
    ...more
  } = {
    v: 1,
    log: log.origin,
    first: 0,
    count: 1,
    size: 1,
    checkpoint: noteText(log.note(1)),
    left: undefined,
    ...changes,
  };
  // In JCS order; further members are put where their name belongs.
  const members = { checkpoint, count, first, left, log: origin, size, v, ...more };
  return JSON.stringify(Object.fromEntries(Object.entries(members).sort(([a], [b]) => (a < b ? -1 : 1))));
}
