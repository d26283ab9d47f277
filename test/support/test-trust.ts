/** Policies for tests, as the operator would write them. */

import { utf8 } from '../../src/base/bytes.ts';
import { pae } from '../../src/evidence/batch/pae.ts';
import { formatVkey, type Vkey } from '../../src/evidence/log/note.ts';
import { parsePolicy, type TrustPolicy } from '../../src/evidence/verify/policy.ts';
import type { Envelope } from '../../src/evidence/wire/envelope.ts';
import { formatEnvelope } from '../../src/evidence/wire/envelope.ts';
import { SUCCESSOR_TYPE, successorEnvelope, successorPayload } from '../../src/evidence/wire/successor.ts';
import { nodeCrypto } from '../../src/platform/node-crypto.ts';
import type { TestLog, TestWitness } from './test-log.ts';

export function policyText(
  logs: readonly TestLog[],
  more: { readonly witnesses?: readonly object[]; readonly [name: string]: unknown } = {},
): string {
  return JSON.stringify({ v: 1, logs: logs.map((log) => ({ vkey: formatVkey(log.vkey) })), ...more });
}

export function policyOf(logs: readonly TestLog[], more: Parameters<typeof policyText>[1] = {}): TrustPolicy {
  const policy = parsePolicy(nodeCrypto, utf8(policyText(logs, more)));
  if (!policy.ok) throw new Error(JSON.stringify(policy.problems));
  return policy.value;
}

export function witnessMember(witness: TestWitness, ...roles: readonly string[]): object {
  return { vkey: formatVkey(witness.vkey), roles };
}

export interface StatementOptions {
  readonly cause?: string;
  /** The old log's size that the statement names; absent: no size and root. */
  readonly size?: number;
  readonly root?: Uint8Array;
}

/** A successor statement of `old` for the log of `next`. */
export function statement(old: TestLog, next: Vkey, options: StatementOptions = {}): Envelope {
  const { size } = options;
  const last = size === undefined ? {} : { last: { size, root: options.root ?? old.checkpoint(size).root } };
  const gateway = old.origin.split('/')[1] ?? '';
  const cause = options.cause ?? 'rotation';
  const payload = successorPayload({ gateway, old: old.origin, successor: next, cause, ...last });
  return successorEnvelope(payload, old.vkey.keyId, old.key.sign(pae(SUCCESSOR_TYPE, payload)));
}

export function envelopeJson(envelope: Envelope): unknown {
  return JSON.parse(formatEnvelope(envelope));
}
