/** The entries of batches and exports that verify under a policy: what does not verify is not read. */
import { readFileSync } from 'node:fs';
import { LatchkeyError, messageOf } from '../base/errors.ts';
import { frameBatch, parseHead } from '../evidence/batch/batch.ts';
import { parsePolicy, type TrustPolicy } from '../evidence/verify/policy.ts';
import { BatchSplitter } from '../evidence/verify/split-batches.ts';
import type { LogFinding } from '../evidence/verify/verdict.ts';
import { verifyBytes } from '../evidence/verify/verify-file.ts';
import { nodeCrypto } from '../platform/node-crypto.ts';

export interface VerifiedEntry {
  readonly origin: string;
  readonly n: number;
  /** The exact event line. */
  readonly leaf: Uint8Array;
  readonly level: LogFinding['level'];
}

export function policyIn(file: string): TrustPolicy {
  const policy = parsePolicy(nodeCrypto, readInput(file));
  if (!policy.ok)
    throw new LatchkeyError('INPUT_UNREADABLE', `${file} is no trust policy; try "latchkey config check ${file}"`);
  return policy.value;
}

/** Throws INPUT_UNREADABLE for a file that does not verify, or is a bundle. */
export function verifiedEntries(file: string, policy: TrustPolicy): readonly VerifiedEntry[] {
  const bytes = readInput(file);
  const verdict = verifyBytes(bytes, { cryptos: [nodeCrypto], policy });
  if (verdict.outcome !== 'verified' || verdict.kind === 'bundle') {
    const why =
      verdict.kind === 'bundle'
        ? 'a bundle answers one question; give an export'
        : `${verdict.reason}: ${verdict.detail ?? ''}`;
    throw new LatchkeyError('INPUT_UNREADABLE', `${file}: expected a batch or an export that verifies, found ${why}`);
  }
  const entries: VerifiedEntry[] = [];
  const splitter = new BatchSplitter();
  const take = (batch: Uint8Array): void => {
    for (const entry of entriesOf(batch, verdict.logs)) entries.push(entry);
  };
  splitter.push(bytes, take);
  if (splitter.rest().length > 0) take(splitter.rest());
  return entries;
}

function entriesOf(batch: Uint8Array, logs: readonly LogFinding[]): readonly VerifiedEntry[] {
  const frame = frameBatch(batch);
  const head = frame.ok ? parseHead(frame.value.header) : frame;
  if (!frame.ok || !head.ok) return [];
  const { origin, first } = head.value;
  const log = logs.find((one) => one.origin === origin);
  if (log === undefined) return [];
  return frame.value.leaves.map((leaf, at) => {
    const n = first + at;
    const level = n >= log.end - log.tail ? (log.tailLevel ?? log.level) : log.level;
    return { origin, n, leaf, level };
  });
}

export function readInput(file: string): Uint8Array {
  try {
    return readFileSync(file);
  } catch (error) {
    throw new LatchkeyError('INPUT_UNREADABLE', `cannot read ${file}: ${messageOf(error)}`);
  }
}
