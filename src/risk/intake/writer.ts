/**
 * Makes accepted ranges durable, then receipts them: one group at a time, so that whatever came during one fsync shares
 * the next. The order is the promise: stored, then the cosigned tree noted, then the cosignature made and sent.
 */
import { Backoff } from '../../base/backoff.ts';
import type { Scheduler, Timer } from '../../base/clock.ts';
import { LatchkeyError, messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import type { Metrics } from '../../base/metrics.ts';
import type { EvidenceCrypto } from '../../evidence/crypto.ts';
import type { LogIntake } from './log-intake.ts';
import type { CosignChange, ForkProof, IntakeStore, RangeAppend, TrustRecord } from './store.ts';

export interface QueuedRange {
  readonly log: LogIntake;
  readonly range: RangeAppend;
  readonly bytes: number;
  /** Both sides, should the store find that it does not meet what follows. */
  readonly proof: () => Promise<ForkProof>;
}

export interface WriterEvents {
  /** A tree that may be cosigned: durable, noted. Called also to send the newest receipt again. */
  receiptable(log: LogIntake): void;
  /** A range met a later segment with another tree; both sides are kept. */
  forked(log: LogIntake): void;
  /** The store holds something else than we thought: load the log again. */
  conflict(log: LogIntake): Promise<void>;
  contradicted(log: LogIntake): void;
  /** The store cannot hold what a range of this log says. */
  refused(log: LogIntake): void;
  /** Another receiver answers for this gateway now: nothing that is known of it here counts. */
  fenced(gateway: string): void;
  /** A group is done: there is room again. */
  stored(): void;
  down(error: LatchkeyError): void;
  /** The store is back: load everything again. */
  up(): Promise<void>;
}

export interface WriterParts {
  readonly crypto: EvidenceCrypto;
  readonly store: IntakeStore;
  readonly scheduler: Scheduler;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/** What waits at the moment is stored together, up to here: a take-over waits for a group, and so does each receipt. */
const GROUP_BYTES_MAX = 8_388_608;
const GROUP_RANGES_MAX = 1_000;
const REOPEN = { firstMs: 1_000, maxMs: 60_000 };

export class Writer {
  readonly #parts: WriterParts;
  readonly #events: WriterEvents;
  readonly #reopen = new Backoff(REOPEN);
  #queue: (QueuedRange & { readonly order: number })[] = [];
  #due = new Set<LogIntake>();
  /** Small durable writes that must not run beside a group. */
  #errands: (() => Promise<void>)[] = [];
  #running: Promise<void> | undefined;
  #timer: Timer | undefined;
  #down: LatchkeyError | undefined;
  #closed = false;
  #bytes = 0;
  /** Order of the newest range that was queued. */
  #order = 0;
  #waiters: { readonly order: number; readonly resolve: () => void }[] = [];
  #storing = false;

  constructor(parts: WriterParts, events: WriterEvents) {
    this.#parts = parts;
    this.#events = events;
  }

  /** Bytes that wait for the disk. */
  get bytes(): number {
    return this.#bytes;
  }

  get failure(): LatchkeyError | undefined {
    return this.#down;
  }

  enqueue(queued: QueuedRange): void {
    if (this.#down !== undefined || this.#closed) return;
    this.#order += 1;
    this.#queue.push({ ...queued, order: this.#order });
    this.#bytes += queued.bytes;
    this.#start();
  }

  /** The log's newest receipt is wanted, made anew when more is durable. */
  receiptDue(log: LogIntake): void {
    this.#due.add(log);
    this.#start();
  }

  /** Resolves when everything queued before the call is durable, or given up because the store is down. */
  settled(): Promise<void> {
    if (this.#queue.length === 0 && !this.#storing) return Promise.resolve();
    return new Promise((resolve) => this.#waiters.push({ order: this.#order, resolve }));
  }

  /** Resolves false when the record is not kept: the store is down, or another receiver answers for this gateway. */
  async saveTrust(gateway: string, record: TrustRecord): Promise<boolean> {
    const answer = await this.#errand(() => this.#parts.store.saveTrust(gateway, record));
    if (answer === 'fenced') this.#events.fenced(gateway);
    return answer === 'stored';
  }

  async keepFork(origin: string, fork: ForkProof): Promise<'kept' | 'known' | 'full' | 'fenced' | undefined> {
    return this.#errand(() => this.#parts.store.keepFork(origin, fork));
  }

  /** Nothing of this gateway is stored or receipted from here on, but for a group that is under way. */
  forget(gateway: string): void {
    this.#unqueue((log) => log.gateway === gateway);
    for (const log of this.#due) if (log.gateway === gateway) this.#due.delete(log);
    if (!this.#storing) this.#tellWaiters();
  }

  /** Takes nothing more; resolves when what was queued is durable and receipted, or given up. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#timer?.cancel();
    while (this.#running !== undefined) await this.#running;
  }

  #errand<T>(work: () => Promise<T>): Promise<T | undefined> {
    if (this.#down !== undefined) return Promise.resolve(undefined);
    return new Promise((resolve, reject) => {
      this.#errands.push(async () => {
        try {
          resolve(this.#down === undefined ? await work() : undefined);
        } catch (error) {
          resolve(undefined);
          if (!(error instanceof LatchkeyError)) reject(error);
          throw error;
        }
      });
      this.#start();
    });
  }

  #start(): void {
    if (this.#running !== undefined || this.#down !== undefined) return;
    this.#running = this.#run().finally(() => {
      this.#running = undefined;
      if (this.#hasWork()) this.#start();
    });
  }

  #hasWork(): boolean {
    return this.#down === undefined && (this.#queue.length > 0 || this.#due.size > 0 || this.#errands.length > 0);
  }

  async #run(): Promise<void> {
    // One turn of the loop, so that what arrived together is stored together.
    await new Promise((resolve) => setImmediate(resolve));
    while (this.#hasWork()) {
      try {
        for (let errand = this.#errands.shift(); errand !== undefined; errand = this.#errands.shift()) await errand();
        await this.#storeGroup();
        await this.#receiptGroup();
      } catch (error) {
        if (!(error instanceof LatchkeyError)) throw error;
        this.#giveUp(error);
      }
    }
  }

  async #storeGroup(): Promise<void> {
    const group: QueuedRange[] = [];
    let bytes = 0;
    this.#storing = this.#queue.length > 0;
    while (this.#queue.length > 0 && bytes < GROUP_BYTES_MAX && group.length < GROUP_RANGES_MAX) {
      const next = this.#queue.shift();
      if (next === undefined) break;
      group.push(next);
      bytes += next.bytes;
    }
    if (group.length === 0) return;
    const { store, metrics, scheduler } = this.#parts;
    const fromMs = scheduler.monotonicMs();
    const answers = await store.append(group.map((queued) => queued.range));
    metrics.gauge('intake_store_ms', scheduler.monotonicMs() - fromMs);
    metrics.count('intake_store_groups');
    this.#bytes -= bytes;
    const conflicts = new Set<LogIntake>();
    const fenced = new Set<string>();
    for (const [i, { log, range, proof }] of group.entries()) {
      if (answers[i] === 'stored') {
        log.stored(range.before.size, range.after, range.note);
        metrics.count('intake_entries_stored', range.rows.length);
        this.#due.add(log);
        continue;
      }
      if (answers[i] === 'fenced') {
        fenced.add(log.gateway);
        continue;
      }
      if (answers[i] === 'fork') {
        await store.keepFork(log.origin, await proof());
        this.#events.forked(log);
      }
      if (answers[i] === 'refused') this.#events.refused(log);
      conflicts.add(log);
    }
    for (const gateway of fenced) this.#events.fenced(gateway);
    for (const log of conflicts) await this.#startOver(log);
    this.#storing = false;
    this.#tellWaiters();
    this.#events.stored();
  }

  /** What is queued for this log continues a tree that is not the store's. */
  async #startOver(log: LogIntake): Promise<void> {
    this.#unqueue((each) => each === log);
    await this.#events.conflict(log);
  }

  #unqueue(isMeant: (log: LogIntake) => boolean): void {
    const queued = this.#queue.filter((each) => isMeant(each.log));
    this.#queue = this.#queue.filter((each) => !isMeant(each.log));
    this.#bytes -= queued.reduce((sum, each) => sum + each.bytes, 0);
  }

  /** Between groups: whoever waits for ranges that are no longer queued goes on. */
  #tellWaiters(): void {
    const oldest = this.#queue[0]?.order ?? Number.POSITIVE_INFINITY;
    const ready = this.#waiters.filter((waiter) => waiter.order < oldest);
    this.#waiters = this.#waiters.filter((waiter) => waiter.order >= oldest);
    for (const waiter of ready) waiter.resolve();
  }

  async #receiptGroup(): Promise<void> {
    const due = [...this.#due];
    this.#due.clear();
    const changes: (CosignChange & { readonly log: LogIntake })[] = [];
    const ready: LogIntake[] = [];
    for (const log of due) {
      await this.#compare(log);
      const next = log.nextCosigned(this.#parts.crypto);
      if (next === undefined) continue;
      // Who woke up after another had taken over must not send an older receipt over a newer one.
      if (next.size === log.cosigned?.size && this.#parts.store.isShared !== true) ready.push(log);
      else changes.push({ log, origin: log.origin, expected: log.cosigned, next });
    }
    if (changes.length > 0) {
      const answers = await this.#parts.store.cosign(changes);
      for (const [i, { log, next }] of changes.entries()) {
        if (answers[i] === 'stored') {
          log.cosigned = next;
          ready.push(log);
        } else if (answers[i] === 'fenced') this.#events.fenced(log.gateway);
        else await this.#startOver(log);
      }
    }
    for (const log of ready) this.#events.receiptable(log);
  }

  /** Before the first receipt of this start: what is held must be what was receipted. */
  async #compare(log: LogIntake): Promise<void> {
    const last = log.cosigned;
    if (log.receiptState !== 'behind' || last === undefined || log.receiptableSize < last.size) return;
    log.compareCosigned(this.#parts.crypto, await this.#parts.store.frontierAt(log.origin, last.size));
    if ((log.receiptState as string) === 'contradicted') this.#events.contradicted(log);
  }

  /** Nothing is receipted any more; what was queued comes again. */
  #giveUp(error: LatchkeyError): void {
    this.#down = error;
    this.#queue = [];
    this.#due.clear();
    this.#bytes = 0;
    const errands = this.#errands;
    this.#errands = [];
    for (const errand of errands) void errand();
    this.#events.down(error);
    // Whoever waits goes on, and finds the store down.
    this.#storing = false;
    this.#tellWaiters();
    this.#tryLater();
  }

  #tryLater(): void {
    if (this.#closed) return;
    this.#timer = this.#parts.scheduler.after(this.#reopen.nextMs(), () => void this.#tryAgain());
  }

  async #tryAgain(): Promise<void> {
    try {
      await this.#parts.store.reopen();
      this.#down = undefined;
      await this.#events.up();
      this.#reopen.reset();
      if (this.#hasWork()) this.#start();
    } catch (error) {
      if (!(error instanceof LatchkeyError)) throw error;
      this.#down = error;
      this.#parts.logger.error({ error: messageOf(error), code: error.code }, 'the store is still down');
      this.#tryLater();
    }
  }
}
