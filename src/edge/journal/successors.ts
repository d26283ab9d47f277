/**
 * Successor statements: the old log's key vouches for the next log's key, and the retained `enrolment` carries the chain.
 *
 * A statement is signed once and stored before it can leave, so a log never gets two successors from us. It is made only
 * after the first comparison with the memory outside, because only that knows the newest log of the chain.
 */
import type { EvidenceCrypto } from '../../evidence/crypto.ts';
import type { Vkey } from '../../evidence/log/note.ts';
import { logVkey } from '../../evidence/log/note.ts';
import { type Envelope, formatEnvelope } from '../../evidence/wire/envelope.ts';
import { ENROLMENT_BYTES_MAX, formatEnrolment, SUCCESSORS_MAX } from '../../evidence/wire/messages.ts';
import { SUCCESSOR_TYPE, successorEnvelope, successorPayload } from '../../evidence/wire/successor.ts';
import type { Signer } from '../contracts/signer.ts';
import type { OpenCause, TreeHead } from './continuity.ts';

export interface StatementRequest {
  readonly gateway: string;
  readonly next: Vkey;
  /** The old log's last known head; absent when unknown. */
  readonly last?: TreeHead;
  readonly cause: OpenCause;
}

/** What is signed, or quoted by the AK: that `next` follows the log `old`. */
export function statementPayload(old: string, request: StatementRequest): Uint8Array {
  const { gateway, next, last, cause } = request;
  return successorPayload({ gateway, old, successor: next, cause, ...(last !== undefined && { last }) });
}

/** Signed by the old log's key. Rejects like `Signer.signEnvelope`. */
export async function makeStatement(crypto: EvidenceCrypto, old: Signer, request: StatementRequest): Promise<Envelope> {
  const payload = statementPayload(old.origin, request);
  const signature = await old.signEnvelope(SUCCESSOR_TYPE, payload);
  return successorEnvelope(payload, logVkey(crypto, old.origin, old.publicKey).keyId, signature);
}

/** The largest of the heads that are known of a log: what left the box, and what its next log's entry 0 said. */
export function largestHead(heads: readonly (TreeHead | undefined)[]): TreeHead | undefined {
  let largest: TreeHead | undefined;
  for (const head of heads) if (head !== undefined && head.size >= (largest?.size ?? 0)) largest = head;
  return largest;
}

const FRAME_BYTES = 64;

/**
 * The retained `enrolment` payload, or undefined when there is nothing to say. `envelopes` are oldest first; the oldest
 * are left out when they do not fit: whoever needs them learned them long ago, and entries 0 name the chain too.
 */
export function enrolmentPayload(envelopes: readonly Envelope[], record: Envelope | undefined): Uint8Array | undefined {
  if (envelopes.length === 0 && record === undefined) return undefined;
  let room = ENROLMENT_BYTES_MAX - FRAME_BYTES - (record === undefined ? 0 : formatEnvelope(record).length);
  const kept: Envelope[] = [];
  for (const envelope of [...envelopes].reverse()) {
    room -= formatEnvelope(envelope).length + 1;
    if (room < 0 || kept.length === SUCCESSORS_MAX) break;
    kept.unshift(envelope);
  }
  return formatEnrolment({ successors: kept, ...(record !== undefined && { record }) });
}
