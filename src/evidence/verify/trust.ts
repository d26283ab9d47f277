/**
 * Which log keys count for a verdict: those that the policy names, and those for which a believed log's key vouches in
 * a successor statement. A statement also says where the old log ended, and so permits batches without a signature.
 */
import { hex } from '../../base/bytes.ts';
import type { EvidenceCrypto } from '../crypto.ts';
import { type VouchedSuccessor, verifyVouchedSuccessor } from '../wire/attested-successor.ts';
import type { Envelope } from '../wire/envelope.ts';
import { parseSuccessor, type Successor } from '../wire/successor.ts';
import { enrolledLogs, type SourcedLog, type TrustSource } from './enrolled.ts';
import { type CheckpointRef, isLogVkey, type PolicyLog, type TrustPolicy } from './policy.ts';

/** A log that a verified successor names as ended: by a statement, or by entry 0 of the log that went on. */
export interface ClosedLog {
  readonly origin: string;
  /** Its last checkpoint, when the successor knew it. */
  readonly last?: CheckpointRef;
}

export interface BelievedLog extends PolicyLog {
  readonly keyFrom: TrustSource;
  readonly tpmFrom?: TrustSource;
  readonly record?: SourcedLog['record'];
  readonly closed?: ClosedLog;
  /** Origin of the log whose key vouched for this one; absent when the policy names it. */
  readonly vouchedBy?: string;
  /** The enrolled AK quoted the statement: the level of that enrolment goes on. */
  readonly attested?: true;
  /** Two statements name different successors of one log, and the policy does not decide between them. */
  readonly disputed?: true;
}

export interface Believed {
  readonly logs: ReadonlyMap<string, BelievedLog>;
  /** Statements that name a believed log as old and do not verify. */
  readonly badStatements: number;
  /** Records of a service of the policy that do not verify, or are of a version that is not known. */
  readonly badRecords: readonly string[];
}

/** Names of the logs that statements call the successor, by old log: more than one is a dispute. */
type SuccessorsSeen = Map<string, Set<string>>;

/** Longest chain of successors that is followed. */
const CHAIN_MAX = 1_000;

export function believedLogs(
  crypto: EvidenceCrypto,
  policy: TrustPolicy,
  more: {
    readonly statements?: readonly Envelope[];
    readonly closed?: readonly ClosedLog[];
    /** Enrolment records and summaries; a service of the policy must have signed them. */
    readonly records?: readonly Envelope[];
  } = {},
): Believed {
  const enrolled = enrolledLogs(crypto, policy, more.records ?? []);
  const logs = new Map<string, BelievedLog>(enrolled.logs);
  let open = [...policy.successors, ...(more.statements ?? [])];
  const seen: SuccessorsSeen = new Map();
  let badStatements = 0;
  for (let round = 0; round < CHAIN_MAX && open.length > 0; round += 1) {
    const waiting: Envelope[] = [];
    const byKeyid = logsByKeyid(crypto, logs);
    for (const statement of open) {
      const believed = verifyByAny(crypto, statement, logs, byKeyid);
      if (believed === 'waits') waiting.push(statement);
      else if (believed === 'bad') badStatements += 1;
      else apply(logs, seen, believed);
    }
    if (waiting.length === open.length) break;
    open = waiting;
  }
  spreadDisputes(logs);
  for (const closed of more.closed ?? []) {
    const log = logs.get(closed.origin);
    if (log !== undefined && log.closed === undefined) logs.set(closed.origin, { ...log, closed });
  }
  return { logs, badStatements, badRecords: enrolled.refused };
}

/** Names of logs by what a statement of theirs carries: their key id, or their AK's. */
function logsByKeyid(
  crypto: EvidenceCrypto,
  logs: ReadonlyMap<string, BelievedLog>,
): ReadonlyMap<string, readonly string[]> {
  const found = new Map<string, string[]>();
  for (const [origin, { vkey, ak }] of logs) {
    for (const keyid of [hex(vkey.keyId), ...(ak === undefined ? [] : [hex(crypto.sha256(ak))])]) {
      const names = found.get(keyid);
      if (names === undefined) found.set(keyid, [origin]);
      else names.push(origin);
    }
  }
  return found;
}

function verifyByAny(
  crypto: EvidenceCrypto,
  statement: Envelope,
  logs: ReadonlyMap<string, BelievedLog>,
  byKeyid: ReadonlyMap<string, readonly string[]>,
): VouchedSuccessor | 'waits' | 'bad' {
  const claimed = parseSuccessor(statement);
  // A fleet has thousands of logs and statements: each is put only to those that could have an answer.
  const some = claimed.ok && [claimed.value.old, ...(byKeyid.get(statement.signatures[0]?.keyid ?? '') ?? [])];
  let answer: 'waits' | 'bad' = 'waits';
  for (const origin of new Set(some || logs.keys())) {
    const log = logs.get(origin);
    // Whoever stole the key could name himself.
    if (log === undefined || log.revokedAt !== undefined) continue;
    const verified = verifyVouchedSuccessor(crypto, statement, log);
    if (verified.ok && isLogVkey(crypto, verified.value.statement.successor)) return verified.value;
    // Only the log whose key id it carries can call it false.
    if (verified.ok || verified.reason !== 'key') answer = 'bad';
  }
  return answer;
}

function apply(logs: Map<string, BelievedLog>, seen: SuccessorsSeen, vouched: VouchedSuccessor): void {
  const { old, last, successor } = vouched.statement;
  const log = logs.get(old);
  if (log === undefined) return;
  if (log.closed?.last === undefined) {
    logs.set(old, { ...log, closed: { origin: old, ...(last !== undefined && { last }) } });
  }
  const named = seen.get(old) ?? new Set<string>();
  seen.set(old, named.add(successor.name));
  // What the policy names itself, it has decided.
  const known = logs.get(successor.name);
  if (known === undefined) logs.set(successor.name, { vkey: successor, vouchedBy: old, keyFrom: 'successor' });
  if (vouched.signed === 'ak') inherit(logs, log, successor);
  for (const name of named) {
    const next = logs.get(name);
    if (named.size > 1 && next?.vouchedBy === old) logs.set(name, { ...next, disputed: true });
  }
}

/** What the policy says of the old log's TPM holds of the new one too, which that TPM has named; so the AK goes on. */
function inherit(logs: Map<string, BelievedLog>, old: BelievedLog, { name }: Successor['successor']): void {
  const next = logs.get(name);
  const isOwn = old.vouchedBy === undefined || old.attested === true;
  if (next === undefined || next.vouchedBy !== old.vkey.name || !isOwn) return;
  const { enrolment, ak, counter, tpmClass, record } = old;
  logs.set(name, {
    ...next,
    attested: true,
    ...(old.tpmFrom !== undefined && { tpmFrom: 'successor' }),
    ...(record !== undefined && { record }),
    ...(enrolment !== undefined && { enrolment }),
    ...(ak !== undefined && { ak }),
    ...(counter !== undefined && { counter }),
    ...(tpmClass !== undefined && { tpmClass }),
  });
}

/** Whom a disputed log vouches for is disputed too. A map keeps its order, and a successor stands after its voucher. */
function spreadDisputes(logs: Map<string, BelievedLog>): void {
  for (const [origin, log] of logs) {
    const voucher = log.vouchedBy === undefined ? undefined : logs.get(log.vouchedBy);
    if (voucher?.disputed === true) logs.set(origin, { ...log, disputed: true });
  }
}

/** Any origin, wherever it stands in a text. */
const ORIGINS = /[a-z0-9][a-z0-9.-]*\/[a-z0-9-]{1,64}\/[1-9][0-9]{0,8}-[0-9a-f]{8}/g;

/**
 * Whether bytes that cannot be read speak of a believed log: then they are refuted as what they pretend to be. Looks at
 * the first megabyte.
 */
export function mentionsBelieved(bytes: Uint8Array, logs: ReadonlyMap<string, BelievedLog>): boolean {
  const text = new TextDecoder('utf-8').decode(bytes.subarray(0, 1_048_576));
  for (const [origin] of text.matchAll(ORIGINS)) if (logs.has(origin)) return true;
  return false;
}
