/** The believed logs of one gateway while intake runs: derived from policy and stored records, anew after each change. */
import type { EvidenceCrypto } from '../../evidence/crypto.ts';
import { isRecord } from '../../evidence/verify/enrolled.ts';
import { isAttestedStatement, verifyVouchedSuccessor } from '../../evidence/wire/attested-successor.ts';
import { type Envelope, formatEnvelope } from '../../evidence/wire/envelope.ts';
import { parseSuccessor } from '../../evidence/wire/successor.ts';
import type { TrustRecord } from './store.ts';
import { deriveTrust, type GatewayTrust, type IntakePolicy, namedLogs, type TrustedLog } from './trust.ts';

/** Records of one gateway: more is no honest history. */
const RECORDS_MAX = 1_024;
/** One in its own entry 0, and one for each log that it carried entry 0 of. */
const CLOSED_BY_ONE_MAX = 32;

export type StatementAnswer =
  /** New and verified: save the record, then `add` it. */
  | { readonly kind: 'new'; readonly record: TrustRecord; readonly old: string }
  | { readonly kind: 'known' }
  /** Its old log is not believed (yet). */
  | { readonly kind: 'idle' }
  | { readonly kind: 'refused'; readonly old: string; readonly reason: string };

export class TrustOfGateway {
  readonly #crypto: EvidenceCrypto;
  readonly #gateway: string;
  readonly #firstUse: boolean;
  #records: readonly TrustRecord[] = [];
  #derived: GatewayTrust = { logs: new Map(), idleStatements: 0, closedBy: new Map() };

  constructor(crypto: EvidenceCrypto, gateway: string, firstUse: boolean) {
    this.#crypto = crypto;
    this.#gateway = gateway;
    this.#firstUse = firstUse;
  }

  load(policy: IntakePolicy, records: readonly TrustRecord[]): void {
    this.#records = records;
    this.derive(policy);
  }

  derive(policy: IntakePolicy): void {
    this.#derived = deriveTrust(this.#crypto, {
      gateway: this.#gateway,
      policy,
      records: this.#records,
      firstUse: this.#firstUse,
    });
  }

  add(policy: IntakePolicy, record: TrustRecord): void {
    this.#records = [...this.#records, record];
    this.derive(policy);
  }

  get isFull(): boolean {
    return this.#records.length >= RECORDS_MAX;
  }

  get logs(): ReadonlyMap<string, TrustedLog> {
    return this.#derived.logs;
  }

  find(origin: string): TrustedLog | undefined {
    return this.#derived.logs.get(origin);
  }

  /** First use is open only while the gateway has no believed log at all. */
  get takesFirstUse(): boolean {
    return this.#firstUse && this.#derived.logs.size === 0;
  }

  /** Whether a batch of this log may lack the signature of a key that is gone. */
  isClosed(origin: string): boolean {
    return this.find(origin)?.closed !== undefined || this.#derived.closedBy.has(origin);
  }

  /** The size at which the next log's entry 0 calls this one closed, if it says so. */
  closedSize(origin: string): number | undefined {
    return this.#derived.closedBy.get(origin);
  }

  /** Whether a log's word that another one is closed is new, and not more than a log may honestly say. */
  takesClosed(record: Extract<TrustRecord, { readonly kind: 'closed' }>): boolean {
    const said = this.#records.filter((each) => each.kind === 'closed' && each.by === record.by);
    const isKnown = said.some(
      (each) => each.kind === 'closed' && each.origin === record.origin && each.size === record.size,
    );
    return !isKnown && said.length < CLOSED_BY_ONE_MAX;
  }

  /** An enrolment record out of a retained `enrolment` message: to be kept when a service of the policy signed it. */
  judgeRecord(
    policy: IntakePolicy,
    envelope: Envelope,
  ): Extract<TrustRecord, { readonly kind: 'enrolled' }> | undefined {
    if (!isRecord(envelope) || (policy.services ?? []).length === 0) return undefined;
    const record = { kind: 'enrolled', record: formatEnvelope(envelope) } as const;
    if (this.#records.some((each) => each.kind === 'enrolled' && each.record === record.record)) return undefined;
    const named = namedLogs(this.#crypto, { gateway: this.#gateway, policy, records: [record] });
    return [...named.values()].some((log) => log.record !== undefined) ? record : undefined;
  }

  /** A statement out of a retained `enrolment` message. */
  judge(envelope: Envelope): StatementAnswer {
    const claimed = parseSuccessor(envelope);
    const log = claimed.ok ? this.find(claimed.value.old) : undefined;
    if (!claimed.ok || log === undefined) return { kind: 'idle' };
    // Who names no AK for a log cannot judge it: the old key's own statement stands beside it.
    if (isAttestedStatement(envelope) && log.ak === undefined) return { kind: 'idle' };
    const { old } = claimed.value;
    const record = { kind: 'successor', old, statement: formatEnvelope(envelope) } as const;
    if (this.#records.some((each) => each.kind === 'successor' && each.statement === record.statement)) {
      return { kind: 'known' };
    }
    const verified = verifyVouchedSuccessor(this.#crypto, envelope, log);
    if (!verified.ok) return { kind: 'refused', old, reason: verified.reason };
    // Two contradicting statements freeze the log; a third changes nothing.
    if (this.find(old)?.frozen === 'second_successor') return { kind: 'known' };
    return { kind: 'new', record, old };
  }
}
