/**
 * Keeps exactly one log open, whatever happens to the one before: opens it, carries into it, and ends it for a rotation,
 * a breach, a lost key or a damaged file. One such step at a time.
 */
import { present } from '../../base/assert.ts';
import type { Timer } from '../../base/clock.ts';
import { LatchkeyError, messageOf } from '../../base/errors.ts';
import type { EventBody, JsonObject } from '../../evidence/event/event.ts';
import { logVkey, verifyLogNote } from '../../evidence/log/note.ts';
import type { Observer } from '../contracts/observed.ts';
import { ANCHOR_STATE, type CounterAtOpening, type CounterFound, formatAnchorState } from './anchor-state.ts';
import { AppenderFront } from './appender-front.ts';
import { BlindWindow } from './blind-window.ts';
import { type CarrierOptions, carryInto, countToCarry } from './carrier.ts';
import { type Breach, isBreach, type LogState, type TreeHead } from './continuity.ts';
import type { DiskRoom } from './disk-room.ts';
import type { JournalDraft } from './draft-queue.ts';
import { EventWeights } from './event-weight.ts';
import type { HeldLog } from './held-log.ts';
import { type InsistOptions, insist, insistOnFlush } from './insist.ts';
import type { JournalSettings } from './journal-settings.ts';
import type { Opening, OpeningSource } from './log-record.ts';
import type { LogSet, LogSetOptions } from './log-set.ts';
import { LogWriter, type WriterState } from './log-writer.ts';
import { owedCarry } from './owed-carry.ts';
import { breachBody, openedBody, rotatedBody } from './own-entries.ts';
import { SavedStates } from './saved-states.ts';
import { trustAll } from './verify-ahead.ts';

const KEY_AHEAD_RETRY_MS = 60_000;

export interface LogKeeperOptions extends LogSetOptions {
  readonly settings: JournalSettings;
  readonly observer: Observer;
  readonly room: DiskRoom;
  /** The gateway's members of entry 0: `version`, and what else of it matters. */
  readonly about: () => JsonObject;
}

/** Why a log is opened; what is to be carried into it is found when it is. */
export type NextLog = Omit<Opening, 'carry'>;

interface Running {
  readonly log: HeldLog;
  readonly writer: LogWriter;
  readonly weights: EventWeights;
}

export class LogKeeper {
  readonly set: LogSet;
  readonly front: AppenderFront;
  readonly saved: SavedStates;
  readonly #options: LogKeeperOptions;
  readonly #blind = new BlindWindow();
  readonly #stop = new AbortController();
  readonly #listeners = new Set<() => void>();
  readonly #carrier: CarrierOptions;
  readonly #insist: InsistOptions;
  #running: Running | undefined;
  #ahead: Timer | undefined;
  #turn: Promise<unknown> = Promise.resolve();
  #telling = false;
  /** Called in the same step after a log was opened, gone on with, or found again in a file that was set aside. */
  whenOpened: () => Promise<void> = () => Promise.resolve();
  /** Of a gateway with a TPM: what its anchor counter says when a log opens. */
  counterAtOpening: ((known?: CounterFound) => Promise<CounterAtOpening | undefined>) | undefined;
  /** Origins that were seen outside; their numbers are not used again. */
  seenOutside: readonly string[] = [];

  constructor(options: LogKeeperOptions, set: LogSet) {
    this.#options = options;
    this.set = set;
    this.front = new AppenderFront(this.#blind, (nth) => this.saved.dropped(nth));
    const quiet = () => this.front.waiting === 0;
    const appended = () => this.front.appended;
    this.saved = new SavedStates({ ...options, record: () => this.#running?.log.record, appended, quiet });
    this.#insist = { ...options, signal: this.signal };
    const flush = (writer: LogWriter) => insistOnFlush(this.#insist, writer);
    this.#carrier = { ...options, find: (origin) => set.find(origin), flush };
  }

  get signal(): AbortSignal {
    return this.#stop.signal;
  }

  /** The open log; undefined while none is. */
  get current(): HeldLog | undefined {
    return this.#running?.log;
  }

  get writer(): LogWriter | undefined {
    return this.#running?.writer;
  }

  /** Of the events in the open log. */
  get weights(): EventWeights | undefined {
    return this.#running?.weights;
  }

  /** Calls back soon after something that the uplink sees changed; several changes are one call. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  changed(): void {
    if (this.#telling) return;
    this.#telling = true;
    setImmediate(() => {
      this.#telling = false;
      for (const listener of [...this.#listeners]) listener();
    });
  }

  /** Steps that change which logs there are run one after the other. A step must not wait for another one. */
  exclusive<T>(step: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(step);
    this.#turn = result.catch(() => undefined);
    return result;
  }

  /** For steps that nobody waits for: a failure is logged, and the log stays as it is until something asks again. */
  inBackground(what: string, step: () => Promise<void>): void {
    this.exclusive(step).catch((error: unknown) => {
      if (!this.#stop.signal.aborted) this.#options.logger.error({ reason: messageOf(error), what }, 'a step failed');
    });
  }

  /** At the start: goes on with a log that is open, or finishes opening one. Throws JOURNAL_IO and the like. */
  async goOn(log: HeldLog): Promise<void> {
    await this.#begin(log, []);
  }

  /** Opens the next log and carries into it what is owed. Tries again until it works or the journal is closed. */
  openNext(next: NextLog, released: readonly JournalDraft[]): Promise<void> {
    return insist(this.#insist, 'open the next log', () => this.openOnce(next, released));
  }

  async openOnce(next: NextLog, released: readonly JournalDraft[]): Promise<void> {
    // An earlier try may have come so far.
    const begun = this.set.logs.find((log) => log.isOpen);
    if (begun !== undefined) return this.#begin(begun, released);
    const signer = await this.set.prepare(this.seenOutside, { fresh: isBreach(next.cause), late: true });
    const carry = this.owedCarry(next.after?.log);
    this.#stopSending(carry);
    const anchors = await this.counterAtOpening?.(next.counter);
    const { counter, intentDropped: dropped, state } = anchors ?? {};
    const opening: Opening = {
      ...next,
      ...(counter && { counter }),
      ...(dropped && { intent_dropped: dropped }),
      carry,
    };
    const saved = new Map(this.saved.settle());
    if (state !== undefined) saved.set(ANCHOR_STATE, formatAnchorState(state));
    const log = await this.set.create(signer, opening, saved);
    this.saved.taken(saved);
    trustAll(log);
    this.#options.logger.info({ log: log.name, cause: next.cause, after: next.after?.log }, 'opened a log');
    await this.#begin(log, released);
  }

  owedCarry(named?: string): Opening['carry'] {
    return owedCarry(this.set.logs, named);
  }

  #stopSending(carry: Opening['carry']): void {
    for (const { log: origin, from } of carry) {
      const log = this.set.find(origin);
      if (log?.state.kind === 'closed' && from < log.state.sendEnd) this.mark(log, { ...log.state, sendEnd: from });
    }
  }

  /** Ends the open log in good order and opens the next. Rejects, with the log still open, when it cannot be ended. */
  async rotate(reason: string): Promise<void> {
    const { log, writer } = present(this.#running, 'an open log');
    const next = await this.set.prepare(this.seenOutside);
    this.front.hold();
    try {
      const body = rotatedBody(logVkey(this.#options.crypto, next.origin, next.publicKey), reason);
      writer.append({ observed: this.#options.observer.observe(), body, own: true, urgent: true });
      await writer.flush(this.#stop.signal);
    } catch (error) {
      this.front.resume(writer, log.record.boot, []);
      throw error;
    }
    const released = await this.#release();
    this.mark(log, { kind: 'closed', cause: 'rotation', sendEnd: log.noteSize });
    await this.openNext({ cause: 'rotation', after: this.afterOf(log) }, released);
  }

  /** Marks logs as breached and opens a new one when anything of them is to be carried. */
  async breach(breaches: readonly Breach[], by: OpeningSource): Promise<void> {
    const found = breaches.filter(({ origin }) => this.set.find(origin)?.state.kind !== 'breached');
    for (const breach of found) {
      const log = present(this.set.find(breach.origin), 'a log that was compared');
      const { cause, expected, origin, found: head } = breach;
      this.#options.metrics.count('journal_breaches', 1, { cause });
      this.#options.logger.error(
        { log: origin, cause, expected: expected?.size, found: head.size },
        'the disk contradicts what has left this box: nothing more of that log is sent',
      );
      this.mark(log, { kind: 'breached', cause, sendEnd: log.receiptedSize, ...(expected && { expected }) });
    }
    const own = found.find(({ origin }) => origin === this.current?.origin);
    if (own !== undefined) {
      const { cause, expected, found: head, origin, counter } = own;
      const released = await this.#release();
      const after = { log: origin, ...(expected && { head: expected }) };
      const said = { ...(expected && { expected }), ...(counter && { counter }) };
      await this.openNext({ cause, after, found: head, by, ...said }, released);
    } else if (this.owedCarry().length > 0) await this.rotate('breach');
    for (const breach of found) if (breach !== own) this.say(breachBody(breach, by));
    this.changed();
  }

  /** Sets a damaged log aside. What still verifies goes on being sent in it; the rest is carried. */
  async quarantine(log: HeldLog): Promise<void> {
    if (this.set.find(log.origin) !== log) return;
    this.#options.metrics.count('journal_quarantined');
    this.#options.logger.error({ log: log.name }, 'a log does not fit its tree: it is set aside and kept');
    const isCurrent = log === this.current;
    const after = this.afterOf(log);
    this.#storeMark(log);
    const released = isCurrent ? await this.#release() : [];
    const rest = await insist(this.#insist, 'set a log aside', async () => this.set.quarantine(log));
    if (rest !== undefined && rest.state.kind === 'closed') {
      rest.verifiedFrom = rest.receiptedSize;
      rest.verifiedSize = rest.state.sendEnd;
    }
    if (isCurrent) await this.openNext({ cause: 'quarantined', after }, released);
    else if (this.owedCarry().length > 0) await this.rotate('quarantine');
    else await this.whenOpened();
    this.changed();
  }

  /** The open log's key is gone for good. */
  async loseKey(log: HeldLog): Promise<void> {
    if (log !== this.current) return;
    log.keyLost = true;
    log.signer = undefined;
    const released = await this.#release();
    const cause = this.set.lostBy(log.origin);
    this.mark(log, { kind: 'closed', cause, sendEnd: log.noteSize });
    await this.openNext({ cause, after: this.afterOf(log) }, released);
    this.changed();
  }

  /** An own entry in the open log. */
  say(body: EventBody): void {
    this.writer?.append({ observed: this.#options.observer.observe(), body, own: true, urgent: true });
  }

  /** Takes effect at once; when the disk does not take it, the next start finds the same reason again. */
  mark(log: HeldLog, state: LogState): void {
    try {
      log.setState(state);
    } catch (error) {
      if (!(error instanceof LatchkeyError)) throw error;
      this.#options.logger.error({ log: log.name, reason: error.message }, "a log's state could not be stored");
    }
  }

  afterOf(log: HeldLog): { readonly log: string; readonly head?: TreeHead } {
    const note = log.newestNote();
    const verified = note === undefined ? undefined : verifyLogNote(this.#options.crypto, note.note, log.vkey);
    if (verified === undefined || !verified.ok) return { log: log.origin };
    const { size, root } = verified.value.checkpoint;
    return { log: log.origin, head: { size, root } };
  }

  /** Ends every wait with this reason. */
  abort(reason: unknown): void {
    this.#stop.abort(reason);
  }

  /** Commits what is queued and closes everything. Rejects when something could not be recorded. */
  async close(): Promise<void> {
    this.front.end();
    this.#stop.abort(new LatchkeyError('JOURNAL_IO', 'the journal is closed'));
    await this.exclusive(async () => {
      this.saved.stop();
      this.#ahead?.cancel();
      await this.set.keysIdle();
      try {
        await this.#running?.writer.close();
        this.saved.save();
      } finally {
        this.set.close();
      }
    });
  }

  async #begin(log: HeldLog, released: readonly JournalDraft[]): Promise<void> {
    const { observer, about } = this.#options;
    const opening = log.record.opening;
    const isNew = log.size === 0;
    if (isNew) trustAll(log);
    await this.set.openKey(log);
    if (!log.isBooted) log.record.setBoot(log.record.boot + 1);
    log.isBooted = true;
    const weights = new EventWeights(log.size);
    const writer = this.#writerOf(log, weights);
    try {
      if (isNew && opening !== undefined) {
        const body = openedBody(log.vkey, opening, about(), countToCarry(this.#carrier, opening));
        writer.append({ observed: observer.observe(), body, own: true, urgent: true });
        await insistOnFlush(this.#insist, writer);
      }
      if (opening !== undefined && log.record.carryEnd === undefined) {
        await carryInto(this.#carrier, log, opening, writer);
      }
    } catch (error) {
      const { state } = writer;
      await writer.release();
      if (state === 'damaged') this.set.quarantine(log);
      throw error;
    }
    this.#running = { log, writer, weights };
    this.front.resume(writer, log.record.boot, released);
    this.#onState(log, writer, writer.state);
    this.#prepareAhead();
    await this.whenOpened();
  }

  /** While the TPM is there: the log after this one must be able to open while it is away. */
  #prepareAhead(): void {
    const { keyStore, scheduler, logger } = this.#options;
    if (keyStore.kind !== 'tpm' || this.signal.aborted) return;
    this.set.prepare(this.seenOutside).catch((error: unknown) => {
      logger.debug({ reason: messageOf(error) }, 'the key of the next log waits');
      this.#ahead?.cancel();
      if (!this.signal.aborted) this.#ahead = scheduler.after(KEY_AHEAD_RETRY_MS, () => this.#prepareAhead());
    });
  }

  #writerOf(log: HeldLog, weights: EventWeights): LogWriter {
    const { observer } = this.#options;
    const writer: LogWriter = new LogWriter({
      ...this.#options,
      database: log.database,
      signer: () => log.signer ?? this.#askForKey(log),
      boot: log.record.boot,
      weights,
      blind: this.#blind,
      observe: () => observer.observe(),
      mayReport: () => this.front.isFedTo(writer),
      saved: (count) => this.saved.group(log.record, count),
      onState: (state) => this.#onState(log, writer, state),
    });
    writer.onCommit(({ appended }) => {
      this.saved.advance(appended);
      this.changed();
    });
    return writer;
  }

  #onState(log: HeldLog, writer: LogWriter, state: WriterState): void {
    this.changed();
    if (state === 'damaged') {
      this.inBackground('quarantine', async () => {
        if (this.writer === writer) await this.quarantine(log);
      });
    } else if (state === 'key_lost') this.inBackground('key lost', () => this.loseKey(log));
  }

  /** The key store is asked anew in the background; the writer tries again by itself. */
  #askForKey(log: HeldLog): undefined {
    const answered = (): void => {
      if (log !== this.current) return;
      if (log.keyLost) this.inBackground('key lost', () => this.loseKey(log));
      else if (log.signer !== undefined) this.writer?.nudge();
    };
    this.set.openKey(log).then(answered, (error: unknown) => {
      this.#options.logger.warn({ log: log.name, reason: messageOf(error) }, 'the key store does not answer');
    });
    return undefined;
  }

  /** How much of a log left decides what may still leave of it; on disk that mark may be late. */
  #storeMark(log: HeldLog): void {
    try {
      log.notePublished(log.publishedSize, true);
    } catch (error) {
      this.#options.logger.warn({ log: log.name, reason: messageOf(error) }, 'the mark of a damaged log is lost');
    }
  }

  /** Nothing more goes to the open log's writer; what it had not stored is handed back. */
  async #release(): Promise<readonly JournalDraft[]> {
    const running = this.#running;
    this.front.hold();
    this.#running = undefined;
    const left = running === undefined ? [] : await running.writer.release();
    // In the next log an anchor would be over another checkpoint; it is made again there.
    return left.filter(({ body, own }) => own !== true || body.type !== 'anchor.made');
  }
}
