/**
 * Which logs of a gateway are believed, and by which key. Pure: everything is derived anew from the policy, the stored
 * records and the sizes held, so that a changed policy takes effect at once and nothing is believed by accident.
 *
 * A log is believed because the policy names it, because an enrolment service of the policy signed a record about it,
 * because the key of a believed log vouches for it in a successor statement, or (when switched on) because its key came
 * first. Two successors of one log, or a log that grew beyond the
 * size at which it was handed over, freeze both branches: nobody here can know which one is the gateway.
 */
import type { EvidenceCrypto } from '../../evidence/crypto.ts';
import { parseVkey, type Vkey } from '../../evidence/log/note.ts';
import { parseOrigin } from '../../evidence/log/origin.ts';
import { enrolledLogs, type SourcedLog } from '../../evidence/verify/enrolled.ts';
import { type CheckpointRef, isLogVkey, type TrustPolicy } from '../../evidence/verify/policy.ts';
import { type VouchedSuccessor, verifyVouchedSuccessor } from '../../evidence/wire/attested-successor.ts';
import { type Envelope, parseEnvelopeText } from '../../evidence/wire/envelope.ts';
import { parseSuccessor } from '../../evidence/wire/successor.ts';
import type { TrustRecord } from './store.ts';

/** The part of a trust policy that intake believes. */
export type IntakePolicy = Pick<TrustPolicy, 'logs' | 'successors' | 'services'>;

export const NO_POLICY: IntakePolicy = { logs: new Map(), successors: [] };

export type TrustedBy = 'policy' | 'record' | 'successor' | 'first_use';

export interface TrustedLog {
  readonly origin: string;
  readonly vkey: Vkey;
  readonly by: TrustedBy;
  /** Set: nothing of it is accepted any more. */
  readonly frozen?: 'second_successor' | 'grew_after_successor';
  /** A verified statement names it as ended, at this checkpoint as far as it says. */
  readonly closed?: { readonly last?: CheckpointRef };
  /** The key counts only for trees that agree with this one, and for nothing above it. */
  readonly revokedAt?: CheckpointRef;
  /** AK of its enrolment (SubjectPublicKeyInfo): it may vouch for the next log in place of the log key. */
  readonly ak?: Uint8Array;
}

export interface GatewayTrust {
  readonly logs: ReadonlyMap<string, TrustedLog>;
  /** Logs that entry 0 of a believed log names as its predecessor, with the size at which they ended, if it says so. */
  readonly closedBy: ReadonlyMap<string, number | undefined>;
  /** Stored statements that no believed key vouches for (yet). */
  readonly idleStatements: number;
}

/** Statements are followed no further than this: a longer chain needs a policy that names a later log. */
const CHAIN_MAX = 256;

export interface TrustInput {
  readonly gateway: string;
  readonly policy: IntakePolicy;
  readonly records: readonly TrustRecord[];
  readonly firstUse: boolean;
}

export function deriveTrust(crypto: EvidenceCrypto, input: TrustInput): GatewayTrust {
  const logs = new Map<string, TrustedLog>();
  for (const [origin, { vkey, revokedAt, ak, keyFrom }] of namedLogs(crypto, input)) {
    const by = keyFrom === 'record' ? 'record' : 'policy';
    logs.set(origin, { origin, vkey, by, ...(revokedAt && { revokedAt }), ...(ak && { ak }) });
  }
  if (input.firstUse && logs.size === 0) addFirstUse(crypto, input, logs);
  const used = followSuccessors(crypto, input, logs);
  const statements = input.records.filter((record) => record.kind === 'successor').length;
  const closedBy = new Map<string, number | undefined>();
  for (const record of input.records) {
    if (record.kind === 'closed' && logs.has(record.by)) closedBy.set(record.origin, record.size);
  }
  return { logs, closedBy, idleStatements: statements - used };
}

/** Logs of this gateway that the policy or a record of one of its services names. */
export function namedLogs(
  crypto: EvidenceCrypto,
  { gateway, policy, records }: Pick<TrustInput, 'gateway' | 'policy' | 'records'>,
): ReadonlyMap<string, SourcedLog> {
  const own = new Map([...policy.logs].filter(([origin]) => gatewayOf(origin) === gateway));
  const envelopes = records.flatMap((record) => {
    const envelope = record.kind === 'enrolled' ? parseEnvelopeText(record.record) : undefined;
    return envelope?.ok ? [envelope.value] : [];
  });
  const enrolled = enrolledLogs(crypto, asTrustPolicy({ ...policy, logs: own }), envelopes).logs;
  return new Map([...enrolled].filter(([origin]) => gatewayOf(origin) === gateway));
}

/** Intake judges no witnesses and asks for no level. */
export function asTrustPolicy(policy: IntakePolicy): TrustPolicy {
  return { ...policy, witnesses: [], leastLevel: 'A0' };
}

function addFirstUse(crypto: EvidenceCrypto, input: TrustInput, logs: Map<string, TrustedLog>): void {
  for (const record of input.records) {
    if (record.kind !== 'first_use') continue;
    const vkey = soundLogVkey(crypto, input.gateway, record.vkey);
    if (vkey !== undefined) logs.set(vkey.name, { origin: vkey.name, vkey, by: 'first_use' });
  }
}

/** Follows statements from believed logs until nothing new is found. Returns how many stored ones were used. */
function followSuccessors(crypto: EvidenceCrypto, input: TrustInput, logs: Map<string, TrustedLog>): number {
  const stored = input.records.filter((record) => record.kind === 'successor');
  const envelopes = stored.map((record) => parseEnvelopeText(record.statement));
  const statements = [...envelopes.map((each) => (each.ok ? each.value : undefined)), ...input.policy.successors];
  const byOld = new Map<string, Envelope[]>();
  for (const envelope of statements) {
    const claimed = envelope === undefined ? undefined : parseSuccessor(envelope);
    if (envelope === undefined || claimed?.ok !== true) continue;
    byOld.set(claimed.value.old, [...(byOld.get(claimed.value.old) ?? []), envelope]);
  }
  let used = 0;
  const queue = [...logs.keys()];
  for (let old = queue.shift(); old !== undefined && logs.size < CHAIN_MAX; old = queue.shift()) {
    const log = logs.get(old);
    // Whoever stole a revoked key could name himself.
    if (log === undefined || log.revokedAt !== undefined) continue;
    const verified = (byOld.get(old) ?? []).map((envelope) => verifyVouchedSuccessor(crypto, envelope, log));
    const believed = verified.flatMap((each) =>
      each.ok && isLogVkey(crypto, each.value.statement.successor) ? [each.value] : [],
    );
    used += believed.length;
    if (believed.length > 0) queue.push(...applyStatements(log, believed, input.records, logs));
  }
  return Math.min(used, stored.length);
}

/** Returns the logs that are believed now and were not before. */
function applyStatements(
  log: TrustedLog,
  vouched: readonly VouchedSuccessor[],
  records: readonly TrustRecord[],
  logs: Map<string, TrustedLog>,
): readonly string[] {
  const statements = vouched.map(({ statement }) => statement);
  const grew = records.some((record) => record.kind === 'grew' && record.origin === log.origin);
  const successors = new Set(statements.map((each) => each.successor.name));
  const own = successors.size > 1 ? 'second_successor' : grew ? 'grew_after_successor' : undefined;
  const frozen = log.frozen ?? own;
  const freeze = frozen === undefined ? {} : { frozen };
  const ends = statements.flatMap((each) => (each.last === undefined ? [] : [each.last]));
  const last = ends.sort((a, b) => b.size - a.size)[0];
  logs.set(log.origin, { ...log, ...freeze, closed: last === undefined ? {} : { last } });
  const added: string[] = [];
  for (const { successor } of statements) {
    // The policy's own word about a log stands above what its predecessor says.
    if (logs.has(successor.name)) continue;
    const isAttested = vouched.some(({ signed, statement }) => {
      return signed === 'ak' && statement.successor.name === successor.name;
    });
    const ak = isAttested && log.ak !== undefined ? { ak: log.ak } : {};
    logs.set(successor.name, { origin: successor.name, vkey: successor, by: 'successor', ...ak, ...freeze });
    added.push(successor.name);
  }
  return added;
}

/** The vkey of a log of this gateway, out of a text from outside. */
export function soundLogVkey(crypto: EvidenceCrypto, gateway: string, text: string): Vkey | undefined {
  const vkey = parseVkey(text);
  const isSound = vkey.ok && isLogVkey(crypto, vkey.value) && gatewayOf(vkey.value.name) === gateway;
  return isSound ? vkey.value : undefined;
}

function gatewayOf(origin: string): string | undefined {
  const parsed = parseOrigin(origin);
  return parsed.ok ? parsed.value.gateway : undefined;
}
