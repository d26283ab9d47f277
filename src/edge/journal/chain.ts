/**
 * The chain of logs as the outside knows it: statements that are here or were retained, those still owed, and the keys
 * that may go because nothing waits for them any more.
 */

import { Backoff } from '../../base/backoff.ts';
import type { Scheduler, Timer } from '../../base/clock.ts';
import { LatchkeyError } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import type { EvidenceCrypto } from '../../evidence/crypto.ts';
import { parseOrigin } from '../../evidence/log/origin.ts';
import { isAttestedStatement } from '../../evidence/wire/attested-successor.ts';
import { verifyEnrolmentRecord } from '../../evidence/wire/enrolment.ts';
import { type Envelope, formatEnvelope } from '../../evidence/wire/envelope.ts';
import type { OwnEnrolment } from '../contracts/own-enrolment.ts';
import { isSettled, type KeyHolder, type OwedStatement, owedStatements, type TreeHead } from './continuity.ts';
import type { HeldLog } from './held-log.ts';
import type { JournalSettings } from './journal-settings.ts';
import type { LogKeeper } from './log-keeper.ts';
import { foundBody } from './own-entries.ts';
import {
  parseEnvelopes,
  type RetainedMemory,
  type Statement,
  type StoredStatements,
  spellEnvelopes,
  verifyChain,
} from './retained-memory.ts';
import { enrolmentPayload, largestHead, makeStatement, statementPayload } from './successors.ts';

/** Under this name the statements are kept beside the other rooms' states. */
export const OWN_STATE = 'enrolment';

export interface ChainOptions {
  readonly crypto: EvidenceCrypto;
  readonly operatorDomain: string;
  readonly gatewayId: string;
  readonly logger: Logger;
  readonly scheduler: Scheduler;
  readonly settings: JournalSettings;
  /** Of a box that was enrolled. */
  readonly enrolment?: OwnEnrolment;
}

export class Chain {
  readonly #options: ChainOptions;
  readonly #keeper: LogKeeper;
  #statements: readonly Statement[];
  #heads: ReadonlyMap<string, readonly TreeHead[]> = new Map();
  #unproved: readonly Envelope[] = [];
  #record: Envelope | undefined;
  #compared = false;
  readonly #warned = new Set<string>();
  readonly #backoff: Backoff;
  #retry: Timer | undefined;

  constructor(options: ChainOptions, keeper: LogKeeper) {
    this.#options = options;
    this.#keeper = keeper;
    const { retryFirstMs, retryMaxMs } = options.settings;
    this.#backoff = new Backoff({ firstMs: retryFirstMs, maxMs: retryMaxMs });
    keeper.signal.addEventListener('abort', () => this.#retry?.cancel(), { once: true });
    this.#record = options.enrolment?.record;
    const { own, seen } = this.stored();
    this.#statements = verifyChain(options.crypto, [...seen, ...own], keeper.set.vkeys(), this.ak).statements;
  }

  /** AK of this box's enrolment. */
  get ak(): Uint8Array | undefined {
    return this.#options.enrolment?.attesting?.ak;
  }

  /** What is known to be true of successors, oldest first. */
  get statements(): readonly Envelope[] {
    return this.#statements.map(({ envelope }) => envelope);
  }

  stored(): StoredStatements {
    const { saved, set } = this.#keeper;
    const own = set.logs.map(({ record }) => record.statement ?? '').join('\n');
    return { own: parseEnvelopes(own), seen: parseEnvelopes(saved.get(OWN_STATE) ?? '') };
  }

  get isCompared(): boolean {
    return this.#compared;
  }

  /** What the comparison read, before anything of it has consequences. */
  learn(memory: RetainedMemory): void {
    this.#statements = memory.statements;
    this.#heads = memory.heads;
    this.#unproved = memory.unproved;
    this.#record = this.#newerRecord(memory.record);
    this.#keeper.seenOutside = [...memory.vkeys.keys()];
  }

  /** From now on statements are made, also for logs that open later. */
  async compared(): Promise<void> {
    this.#compared = true;
    await this.makeOwed();
  }

  /**
   * Makes the statements that are owed and can be signed. Each is stored before it can leave, and a log is not published
   * before its own, unless nobody can ever make it. What waits for a key that is locked, or for the disk, is tried again
   * with back-off.
   */
  async makeOwed(): Promise<void> {
    if (!this.#compared) return;
    try {
      await this.#makeAll();
    } finally {
      this.#tryAgain();
    }
  }

  async #makeAll(): Promise<void> {
    for (const owed of this.#owed()) {
      const next = this.#keeper.set.find(owed.next);
      if (next === undefined) continue;
      if (owed.named !== undefined && next.record.foundPredecessor !== owed.old) {
        this.#keeper.say(foundBody(owed.old, largestHead(this.#heads.get(owed.old) ?? [])));
        next.record.setFoundPredecessor(owed.old);
      }
      await this.#make(owed, next);
    }
    await this.#attestAll();
    const waiting = new Set(this.#owed().map(({ next }) => next));
    for (const log of this.#keeper.set.logs) log.isVouched ||= !waiting.has(log.origin) || this.#isHopeless(log);
    this.#keeper.saved.set(OWN_STATE, spellEnvelopes(this.#statements.map(({ envelope }) => envelope)));
    this.#keeper.changed();
  }

  #tryAgain(): void {
    this.#retry?.cancel();
    this.#retry = undefined;
    const { logs } = this.#keeper.set;
    const isWaiting = logs.some((log) => (log.size > 0 && !log.isVouched) || this.#unattested(log) !== undefined);
    if (!isWaiting) this.#backoff.reset();
    if (!isWaiting || this.#keeper.signal.aborted) return;
    this.#retry = this.#options.scheduler.after(this.#backoff.nextMs(), () => {
      this.#retry = undefined;
      this.#keeper.inBackground('statements about logs', () => this.makeOwed());
    });
  }

  payload(): Uint8Array | undefined {
    if (!this.#compared) return undefined;
    const proved = this.#statements.map(({ envelope }) => envelope);
    // With nothing of our own to say, what is retained stays as it is.
    if (proved.length === 0 && this.#record === undefined) return undefined;
    return enrolmentPayload([...this.#unproved, ...proved], this.#record);
  }

  /** Destroys the keys of logs that are finished: every entry receipted there or as carried, and no statement owed. */
  async settle(): Promise<void> {
    if (!this.#compared) return;
    const { set } = this.#keeper;
    const holders = new Map(set.logs.map((log) => [log.origin, this.#holderOf(log)]));
    const needed = new Set(this.#owed().map(({ old }) => old));
    for (const log of set.logs) {
      const owes = needed.has(log.origin) && !log.keyLost;
      if (log.settled || owes || !isSettled(log.origin, holders)) continue;
      log.setSettled();
      await set.destroyKey(log.origin);
      this.#options.logger.info({ log: log.name }, 'a log is finished: its key was destroyed');
    }
    for (const { origin, signer } of [...set.lost, ...set.unreadable]) {
      if (signer === undefined) continue;
      const next = this.#statements.find(({ old }) => old === origin)?.next;
      const isAccepted = next !== undefined && (set.find(next)?.receiptedSize ?? 0) > 0;
      if (isAccepted && !needed.has(origin)) await set.destroyKey(origin);
    }
  }

  /** A restored disk may hold an older record than the one outside; what no service of ours signed does not count. */
  #newerRecord(retained: Envelope | undefined): Envelope | undefined {
    const { enrolment: own, crypto } = this.#options;
    if (own === undefined || retained === undefined) return own?.record ?? retained ?? this.#record;
    const verified = verifyEnrolmentRecord(crypto, retained, own.service);
    return verified.ok && verified.value.issued > own.issued ? retained : own.record;
  }

  /** The statement for a log that the AK has not quoted yet. */
  #unattested(log: HeldLog): Envelope | undefined {
    if (this.#options.enrolment?.attesting === undefined || log.record.statement === undefined) return undefined;
    const envelopes = parseEnvelopes(log.record.statement);
    return envelopes.some(isAttestedStatement) ? undefined : envelopes[0];
  }

  /** The enrolled AK quotes each statement that was made here: a consumer that believes the enrolment keeps its level. */
  async #attestAll(): Promise<void> {
    for (const log of this.#keeper.set.logs) {
      const statement = this.#unattested(log);
      if (statement === undefined) continue;
      try {
        const attested = await this.#attest(statement.payload);
        if (attested === undefined) return;
        log.record.setStatement(`${formatEnvelope(statement)}\n${formatEnvelope(attested)}`);
        this.#add(attested);
      } catch (error) {
        if (!(error instanceof LatchkeyError)) throw error;
        this.#options.logger.warn({ log: log.name, reason: error.message }, 'a successor statement waits for the TPM');
        return;
      }
    }
  }

  async #attest(payload: Uint8Array): Promise<Envelope | undefined> {
    return await this.#options.enrolment?.attesting?.attest(payload);
  }

  #add(envelope: Envelope): void {
    const known = this.#keeper.set.vkeys();
    for (const { successor } of this.#statements) known.set(successor.successor.name, successor.successor);
    const added = verifyChain(this.#options.crypto, [envelope], known, this.ak).statements;
    this.#statements = [...this.#statements, ...added];
  }

  #owed(): readonly OwedStatement[] {
    const logs = this.#keeper.set.logs
      .filter((log) => log.size > 0)
      .map(({ origin, record }) => {
        const after = record.opening?.after?.log;
        return { origin, ...(after !== undefined && this.#isOfThisGateway(after, origin) && { after }) };
      });
    return owedStatements(logs, this.#statements);
  }

  async #make(owed: OwedStatement, next: HeldLog): Promise<void> {
    const { crypto, gatewayId, logger } = this.#options;
    const { set } = this.#keeper;
    const opening = next.record.opening;
    const signer = await set.signerOf(owed.old);
    const attesting = this.#options.enrolment?.attesting;
    if (opening === undefined || (signer === undefined && attesting === undefined)) {
      if (!this.#warned.has(owed.next)) {
        const { old, next: named } = owed;
        logger.warn({ old, next: named }, 'no key here can vouch for a log: accept it at the consumer by name');
      }
      this.#warned.add(owed.next);
      return;
    }
    const old = set.find(owed.old);
    const last = largestHead([
      ...(this.#heads.get(owed.old) ?? []),
      opening.after?.log === owed.old ? opening.after.head : undefined,
      old?.state.kind === 'closed' ? this.#keeper.afterOf(old).head : undefined,
    ]);
    try {
      const request = { gateway: gatewayId, next: next.vkey, cause: opening.cause, ...(last && { last }) };
      const envelope =
        signer === undefined
          ? await this.#attest(statementPayload(owed.old, request))
          : await makeStatement(crypto, signer, request);
      if (envelope === undefined) return;
      next.record.setStatement(formatEnvelope(envelope));
      this.#add(envelope);
    } catch (error) {
      if (!(error instanceof LatchkeyError)) throw error;
      if (error.code === 'KEY_LOST' && old !== undefined) {
        old.keyLost = true;
        old.signer = undefined;
      }
      logger.warn({ old: owed.old, code: error.code, reason: error.message }, 'a successor statement waits');
    }
  }

  /** Nobody will ever be able to sign the statement that a log is owed: its predecessor's key is not here. */
  #isHopeless(log: HeldLog): boolean {
    const old = this.#owed().find(({ next }) => next === log.origin)?.old;
    const held = old === undefined ? undefined : this.#keeper.set.find(old);
    return held === undefined || held.keyLost || held.settled;
  }

  #isOfThisGateway(...origins: readonly string[]): boolean {
    const { operatorDomain, gatewayId } = this.#options;
    return origins.every((origin) => {
      const parsed = parseOrigin(origin);
      return parsed.ok && parsed.value.domain === operatorDomain && parsed.value.gateway === gatewayId;
    });
  }

  #holderOf(log: HeldLog): KeyHolder {
    const { origin, state, size, receiptedSize } = log;
    const target = this.#keeper.set.logs.findLast(({ record }) => {
      return record.carryEnd !== undefined && record.opening?.carry.some((source) => source.log === origin) === true;
    });
    const end = target?.record.carryEnd;
    return {
      origin,
      state,
      size,
      receiptedSize,
      ...(target && end !== undefined && { carriedTo: { origin: target.origin, end } }),
    };
  }
}
