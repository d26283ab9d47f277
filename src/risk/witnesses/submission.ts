/**
 * One log and one witness: the checkpoint is offered from the size that the witness knows, and its cosignature is kept. Each
 * answer that does not fit to what is stored here is told apart and named, since it may be what a fork looks like.
 */
import type { Clock } from '../../base/clock.ts';
import type { EvidenceCrypto } from '../../evidence/crypto.ts';
import type { Vkey } from '../../evidence/log/note.ts';
import type { AlarmKind } from '../intake/alarms.ts';
import { addCheckpointBody, cosignatureIn, type LinesRefusal, type Refusal, readAnswer } from './add-checkpoint.ts';
import type { CosignatureBook, OfferedCheckpoint, OwedLog } from './cosignature-book.ts';
import type { NoAnswer, WitnessLink } from './witness-client.ts';

export interface SubmissionParts {
  readonly book: Pick<CosignatureBook, 'offer' | 'keep'>;
  readonly link: Pick<WitnessLink, 'addCheckpoint'>;
  readonly crypto: EvidenceCrypto;
  readonly clock: Pick<Clock, 'wallMs'>;
  readonly vkey: Vkey;
  /** Its row in the book. */
  readonly witness: number;
  readonly alarm: (kind: AlarmKind, log: OwedLog) => void;
}

/**
 * `ahead`: it cosigned more than is stored here. `unprovable`: what is stored here cannot be offered. `conflicts`: it named
 * one size after the other. The others are words of answers (`add-checkpoint.ts`), or of there being none.
 */
export type Result =
  | 'cosigned'
  | 'ahead'
  | 'unprovable'
  | 'conflicts'
  | Refusal
  | NoAnswer['failed']
  | `bad_${LinesRefusal}`;

export interface Submitted {
  readonly result: Result;
  /** What was cosigned, or what the witness says that it knows. */
  readonly size?: number;
  readonly timestampS?: number;
  readonly detail?: string;
  readonly retryAfterMs?: number;
}

/** Sizes that are tried in a row: another service may submit the same log meanwhile. */
const CALLS_MAX = 3;

/** Rejects when the database does, or with the signal's reason. */
export async function submit(parts: SubmissionParts, log: OwedLog, signal: AbortSignal): Promise<Submitted> {
  let oldSize = log.cosignedSize;
  for (let call = 0; call < CALLS_MAX; call += 1) {
    const offered = await parts.book.offer(log.origin, oldSize);
    if (offered === 'unprovable') return { result: 'unprovable' };
    if (offered === 'smaller') {
      parts.alarm('witness_ahead', log);
      return { result: 'ahead', size: oldSize };
    }
    const answered = await ask(parts, log, offered, signal);
    if (typeof answered !== 'number') return answered;
    // Whoever forgot what he cosigned may sign another tree.
    if (answered < log.cosignedSize) parts.alarm('witness_went_back', log);
    oldSize = answered;
  }
  return { result: 'conflicts', size: oldSize, detail: `it named ${CALLS_MAX} sizes in a row` };
}

/** The size from which the witness wants to be asked, or what became of it. */
async function ask(
  parts: SubmissionParts,
  log: OwedLog,
  offered: OfferedCheckpoint,
  signal: AbortSignal,
): Promise<Submitted | number> {
  const { oldSize, size } = offered;
  const given = await parts.link.addCheckpoint(addCheckpointBody(offered), signal);
  if ('failed' in given) return { result: given.failed, detail: given.detail };
  const answer = readAnswer(given);
  if (answer.kind === 'lines') return keep(parts, log, offered, answer.body);
  if (answer.kind === 'refused') {
    const { why, retryAfterMs } = answer;
    if (why !== 'contradicted') return { result: why, ...(retryAfterMs !== undefined && { retryAfterMs }) };
    // Every tree goes on from the empty one.
    return oldSize === 0
      ? { result: 'invalid', detail: 'HTTP 422 for an empty proof' }
      : contradicted(parts, log, oldSize);
  }
  const known = answer.size;
  // "If they don't match, the witness MUST respond with a 409": of two trees of this size it has the other one.
  if (oldSize === size && (known === undefined || known === oldSize)) return contradicted(parts, log, oldSize);
  if (known === undefined || known === oldSize) {
    return { result: 'conflicts', detail: 'HTTP 409 that names no other size than the one it was asked from' };
  }
  return known;
}

async function keep(
  parts: SubmissionParts,
  log: OwedLog,
  { size, text }: OfferedCheckpoint,
  body: Uint8Array,
): Promise<Submitted> {
  const { crypto, vkey, clock, book, witness } = parts;
  const nowMs = clock.wallMs();
  const times = { nowS: Math.floor(nowMs / 1_000), afterS: log.cosignedAtS };
  const found = cosignatureIn(crypto, vkey, text, body, times);
  if (!found.ok) return { result: `bad_${found.reason}`, detail: found.detail };
  await book.keep({ ...log, size }, witness, found.value, new Date(nowMs));
  return { result: 'cosigned', size, timestampS: found.value.timestampS };
}

function contradicted({ alarm }: SubmissionParts, log: OwedLog, size: number): Submitted {
  alarm('witness_contradicts', log);
  return { result: 'contradicted', size };
}
