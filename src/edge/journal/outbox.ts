/**
 * The journal as the uplink sees it (`Outbox`): which logs owe something, their batches and notes, and what receipts and
 * the retained messages outside mean for them.
 *
 * Nothing leaves before `compareMemory`, nothing of an earlier run before its rows were verified, nothing of a breached
 * log ever.
 */

import { withTimeout } from '../../base/abort.ts';
import type { Scheduler } from '../../base/clock.ts';
import { LatchkeyError } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import type { Metrics } from '../../base/metrics.ts';
import type { EvidenceCrypto } from '../../evidence/crypto.ts';
import type { Vkey } from '../../evidence/log/note.ts';
import type {
  MemoryVerdict,
  Outbox,
  OutboxBatch,
  OutboxLog,
  ReceiptAnswer,
  RetainedMessage,
} from '../contracts/outbox.ts';
import type { Signer } from '../contracts/signer.ts';
import { type BatchRange, gatherBatch, isSoundRange, sealBatch } from './batch-source.ts';
import type { Chain } from './chain.ts';
import {
  type Breach,
  type Comparison,
  type Contradiction,
  compare,
  contradiction,
  type TreeHead,
} from './continuity.ts';
import type { HeldLog } from './held-log.ts';
import type { LogKeeper } from './log-keeper.ts';
import { judgeReceipt } from './receipts.ts';
import { type RetainedMemory, readMemory } from './retained-memory.ts';

export interface OutboxOptions {
  readonly crypto: EvidenceCrypto;
  readonly scheduler: Scheduler;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** Keys whose receipts are believed, with what each one promises. */
  readonly receiptKeys: readonly { readonly vkey: Vkey; readonly role: 'store' | 'advisory' }[];
}

/** The published mark need not be exact on disk: it only has to be there when the memory outside is not. */
const MARK_EVERY_MS = 1_000;
/** Steps that change logs can wait for the disk or a key for as long as it takes; who only asks what there is does not. */
const STATEMENTS_WAIT_MS = 2_000;

export class JournalOutbox implements Outbox {
  readonly #options: OutboxOptions;
  readonly #keeper: LogKeeper;
  readonly #chain: Chain;
  readonly #markedAtMs = new Map<string, number>();
  /** Statements are being made, or wait for a step that does. */
  #making: Promise<void> | undefined;

  constructor(options: OutboxOptions, keeper: LogKeeper, chain: Chain) {
    this.#options = options;
    this.#keeper = keeper;
    this.#chain = chain;
  }

  logs(): readonly OutboxLog[] {
    const { set, current } = this.#keeper;
    const owing = set.logs.filter((log) => log !== current && log.state.kind === 'closed' && log.isOwing);
    return [...owing, ...(current === undefined ? [] : [current])].map((log) => ({
      origin: log.origin,
      state: log === current ? 'open' : 'closed',
      noteSize: log.sendableSize,
      receiptedSize: log.receiptedSize,
      progressSize: log.progressSize,
    }));
  }

  checkpoint(origin: string): { readonly size: number; readonly note: Uint8Array } | undefined {
    const log = this.#sendable(origin);
    if (log === undefined || log.database.failed()) return undefined;
    const size = log.sendableSize;
    try {
      const note = size === 0 ? undefined : log.noteAt(size);
      return note === undefined ? undefined : { size, note };
    } catch (error) {
      if (!isDamage(error)) throw error;
      this.#keeper.inBackground('quarantine', () => this.#keeper.quarantine(log));
      return undefined;
    }
  }

  async batch(origin: string, first: number, withLeft: boolean): Promise<OutboxBatch | undefined> {
    const log = this.#sendable(origin);
    if (log === undefined) return undefined;
    this.#reopen(log);
    const range = await this.#range(log, first);
    if (range === undefined) return undefined;
    const signer = await this.#signerFor(log);
    if (signer === 'locked') throw new LatchkeyError('KEY_LOCKED', `the key of ${origin} is not available`);
    const batch = await this.#seal(log, range, signer, withLeft);
    // While it was signed the log may have been breached or set aside: then nothing more of it leaves.
    return this.#sendable(origin) === log ? batch : undefined;
  }

  async receipt(name: string, payload: Uint8Array): Promise<ReceiptAnswer> {
    const { crypto, metrics, receiptKeys } = this.#options;
    const log = this.#keeper.set.findByName(name.split('/')[1] ?? '');
    const judged =
      log === undefined
        ? ({ ok: false, reason: 'log', detail: 'no such log' } as const)
        : judgeReceipt(crypto, name, payload, log.vkey, receiptKeys);
    if (log === undefined || (!judged.ok && judged.head === undefined)) {
      metrics.count('journal_receipts_refused', 1, { reason: judged.ok ? 'log' : judged.reason });
      return 'refused';
    }
    if (log.state.kind === 'breached') return 'known';
    this.#reopen(log);
    const head = judged.ok ? judged.value.head : judged.head;
    const found = head === undefined ? undefined : await this.#contradiction(log, head);
    if (found === 'damaged') return 'refused';
    if (found !== undefined) {
      await this.#keeper.exclusive(() => this.#keeper.breach([{ origin: log.origin, ...found }], 'receipt'));
      return 'breach';
    }
    if (!judged.ok) {
      metrics.count('journal_receipts_refused', 1, { reason: judged.reason });
      return 'refused';
    }
    return await this.#believe(log, judged.value.keyId, judged.value.head.size, payload);
  }

  compareMemory(retained: readonly RetainedMessage[]): Promise<MemoryVerdict> {
    return this.#keeper.exclusive(async () => {
      const { set } = this.#keeper;
      const memory = readMemory(this.#options.crypto, retained, set.vkeys(), this.#chain.stored(), this.#chain.ak);
      if (memory.refused > 0) this.#options.metrics.count('journal_memory_refused', memory.refused);
      this.#chain.learn(memory);
      // Receipts that agree count first: what they cover is not carried.
      for (const { name, payload } of memory.receipts) this.#takeAgreeing(name, payload);
      const { breaches, lost } = await this.#compareAll(memory);
      const bySuccessor = breaches.every(({ cause }) => cause === 'superseded');
      await this.#keeper.breach(breaches, bySuccessor ? 'enrolment' : 'checkpoint');
      await this.#chain.compared();
      await this.#chain.settle();
      this.#keeper.changed();
      if (breaches.length > 0) return { kind: 'breached', origins: breaches.map(({ origin }) => origin) };
      if (lost.length > 0) {
        this.#options.metrics.count('journal_memory_lost');
        this.#options.logger.error({ logs: lost }, 'the broker does not hold the checkpoints that it acknowledged');
        return { kind: 'memory_lost', origins: lost };
      }
      return { kind: 'agreed' };
    });
  }

  async enrolment(): Promise<Uint8Array | undefined> {
    // A key that was locked may be back. What comes later is told as a change: its log can be published only then.
    if (this.#keeper.set.logs.some((log) => !log.isVouched)) {
      this.#making ??= this.#keeper
        .exclusive(() => this.#chain.makeOwed())
        .finally(() => {
          this.#making = undefined;
        });
      const { scheduler } = this.#options;
      await withTimeout(scheduler, STATEMENTS_WAIT_MS, 'statements about logs', this.#making).catch(
        (error: unknown) => {
          if (!(error instanceof LatchkeyError) || error.code !== 'TIMED_OUT') throw error;
        },
      );
    }
    return this.#chain.payload();
  }

  async markPublished(origin: string, size: number): Promise<void> {
    const log = this.#keeper.set.find(origin);
    if (log === undefined || size <= log.publishedSize) return;
    const nowMs = this.#options.scheduler.monotonicMs();
    const durably = nowMs - (this.#markedAtMs.get(origin) ?? Number.NEGATIVE_INFINITY) >= MARK_EVERY_MS;
    this.#reopen(log);
    log.notePublished(size, durably);
    if (durably) this.#markedAtMs.set(origin, nowMs);
  }

  onChange(listener: () => void): () => void {
    return this.#keeper.onChange(listener);
  }

  #sendable(origin: string): HeldLog | undefined {
    if (!this.#chain.isCompared) return undefined;
    const log = this.#keeper.set.find(origin);
    return log === undefined || log.state.kind === 'breached' || !log.isVouched ? undefined : log;
  }

  /** The open log's file is reopened by its writer; a closed one has nobody else. */
  #reopen(log: HeldLog): void {
    if (!log.database.failed()) return;
    if (log === this.#keeper.current) {
      this.#keeper.writer?.nudge();
      throw new LatchkeyError('JOURNAL_IO', `${log.name} is being reopened`);
    }
    log.database.reopen();
  }

  /** Never rejects for damage: the log is set aside, and what is left of it is asked for anew. */
  async #range(log: HeldLog, first: number): Promise<BatchRange | undefined> {
    try {
      const range = first < log.sendableSize ? gatherBatch(log, first, log.sendableSize) : undefined;
      if (range === undefined || isSoundRange(log, range)) return range;
    } catch (error) {
      if (!isDamage(error)) throw error;
    }
    await this.#keeper.exclusive(() => this.#keeper.quarantine(log));
    return undefined;
  }

  async #contradiction(log: HeldLog, head: TreeHead): Promise<Contradiction | 'damaged' | undefined> {
    try {
      return contradiction(log.tree, head);
    } catch (error) {
      if (!isDamage(error)) throw error;
      await this.#keeper.exclusive(() => this.#keeper.quarantine(log));
      return 'damaged';
    }
  }

  /** Undefined when the key is gone for good: then a closed log is sent without signatures of batches. */
  async #signerFor(log: HeldLog): Promise<Signer | 'locked' | undefined> {
    if (log.settled) return undefined;
    await this.#keeper.set.openKey(log);
    if (log.signer !== undefined) return log.signer;
    return log.keyLost && !log.isOpen ? undefined : 'locked';
  }

  async #seal(log: HeldLog, range: BatchRange, signer: Signer | undefined, withLeft: boolean): Promise<OutboxBatch> {
    try {
      return await sealBatch(log, range, signer, withLeft);
    } catch (error) {
      if (!(error instanceof LatchkeyError) || error.code !== 'KEY_LOST') throw error;
      log.keyLost = true;
      log.signer = undefined;
      if (!log.isOpen) return await sealBatch(log, range, undefined, withLeft);
      this.#keeper.inBackground('key lost', () => this.#keeper.loseKey(log));
      throw new LatchkeyError('KEY_LOCKED', `the key of ${log.origin} is gone; its log is being closed`);
    }
  }

  async #believe(log: HeldLog, keyId: string, size: number, note: Uint8Array): Promise<ReceiptAnswer> {
    if (size <= log.receiptSize(keyId)) return 'known';
    log.saveReceipt(keyId, size, note);
    this.#keeper.changed();
    if (this.#mayFinish()) await this.#keeper.exclusive(() => this.#chain.settle());
    return 'progress';
  }

  /** Every log on disk. One that cannot be compared is damaged, and compared again as far as it is left. */
  async #compareAll(memory: RetainedMemory): Promise<Comparison> {
    const { set } = this.#keeper;
    const breaches: Breach[] = [];
    const lost: string[] = [];
    for (const { origin } of set.logs) {
      for (let log = set.find(origin); log !== undefined; ) {
        const { state, tree, receiptedSize, publishedSize } = log;
        try {
          const one = compare([{ origin, state, tree, receiptedSize, publishedSize }], memory, (each) =>
            set.knows(each),
          );
          breaches.push(...one.breaches);
          lost.push(...one.lost);
          break;
        } catch (error) {
          if (!isDamage(error)) throw error;
          await this.#keeper.quarantine(log);
          log = set.find(origin);
        }
      }
    }
    return { breaches, lost };
  }

  #takeAgreeing(name: string, payload: Uint8Array): void {
    const { crypto, receiptKeys } = this.#options;
    const log = this.#keeper.set.findByName(name.split('/')[1] ?? '');
    const judged = log === undefined ? undefined : judgeReceipt(crypto, name, payload, log.vkey, receiptKeys);
    if (log === undefined || judged === undefined || !judged.ok) return;
    const { keyId, head } = judged.value;
    if (log.state.kind === 'breached' || !isAgreed(log, head)) return;
    if (head.size > log.receiptSize(keyId)) log.saveReceipt(keyId, head.size, payload);
  }

  /** Whether a receipt can have finished anything but the open log, which never is. */
  #mayFinish(): boolean {
    const { set } = this.#keeper;
    const isGone = [...set.lost, ...set.unreadable].some(({ signer }) => signer !== undefined);
    return isGone || set.logs.some((log) => !log.isOpen && !log.settled);
  }
}

function isDamage(error: unknown): boolean {
  return error instanceof LatchkeyError && error.code === 'JOURNAL_DAMAGED';
}

function isAgreed(log: HeldLog, head: TreeHead): boolean {
  try {
    return contradiction(log.tree, head) === undefined;
  } catch (error) {
    // The comparison comes to it.
    if (isDamage(error)) return false;
    throw error;
  }
}
