/**
 * The journal: the signed log of everything this gateway observed, and the outbox from which it leaves.
 *
 * One directory, one process, at any time exactly one open log. What may happen to a log is in continuity.ts; this file
 * puts the parts together and is the only one that other rooms see.
 */
import { join } from 'node:path';
import { assert } from '../../base/assert.ts';
import { hex } from '../../base/bytes.ts';
import type { Scheduler } from '../../base/clock.ts';
import { LatchkeyError, messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import type { Metrics } from '../../base/metrics.ts';
import type { Result } from '../../base/result.ts';
import type { EvidenceCrypto } from '../../evidence/crypto.ts';
import type { JsonObject } from '../../evidence/event/event.ts';
import { formatVkey, parseVkey } from '../../evidence/log/note.ts';
import type { Envelope } from '../../evidence/wire/envelope.ts';
import { makeDirectory } from '../../platform/durable-file.ts';
import { type FileLock, lockFile } from '../../platform/file-lock.ts';
import type { AnchorStore } from '../contracts/anchor-store.ts';
import type { Appender } from '../contracts/appender.ts';
import type { Observer } from '../contracts/observed.ts';
import type { Outbox } from '../contracts/outbox.ts';
import type { OwnEnrolment } from '../contracts/own-enrolment.ts';
import type { KeyStore, ReplySigner } from '../contracts/signer.ts';
import { ANCHOR_STATE } from './anchor-state.ts';
import { JournalAnchors } from './anchors.ts';
import { Chain, OWN_STATE } from './chain.ts';
import { type CheckReport, checkLog } from './check-log.ts';
import { DiskRoom, withRoom } from './disk-room.ts';
import type { EraseReport } from './erase.ts';
import { type ExportOptions, type ExportRefusal, type ExportSummary, exportLog } from './export-log.ts';
import type { HeldLog } from './held-log.ts';
import { type EraseRequest, eraseInJournal } from './journal-erasure.ts';
import type { JournalSettings } from './journal-settings.ts';
import { type JournalStatus, statusOf } from './journal-status.ts';
import { LogKeeper } from './log-keeper.ts';
import { LogSet } from './log-set.ts';
import { JournalOutbox } from './outbox.ts';
import { leftAloneBody } from './own-entries.ts';
import { formatRunBefore, type PreviousEnd, previousEnd, RUN_STATE, runBefore } from './previous-end.ts';
import { Retention } from './retention.ts';
import { signReply } from './sign-reply.ts';
import { startLogs } from './start.ts';
import type { RowsVerdict } from './stored-tree.ts';
import { verifyAhead, verifyReceipted } from './verify-ahead.ts';

export interface JournalOptions {
  /** Holds `lock`, `journal/` and `keys/`. */
  readonly dataDir: string;
  readonly operatorDomain: string;
  readonly gatewayId: string;
  readonly keyStore: KeyStore;
  /** C2SP vkeys (type 4) whose receipts are believed. */
  readonly receiptKeys: readonly { readonly vkey: string; readonly role: 'store' | 'advisory' }[];
  readonly crypto: EvidenceCrypto;
  readonly scheduler: Scheduler;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly settings: JournalSettings;
  readonly observer: Observer;
  /** The gateway's members of a log's entry 0 (`journal.opened`): `version`, and settings, start, kernel_boot. */
  readonly about: () => JsonObject;
  /** Of a gateway with a TPM: its anchor counter; undefined while the TPM is away. Without it there are no anchors. */
  readonly readCounter?: () => Promise<number | undefined>;
  /** Of a box that was enrolled: its record is retained outside, and its AK quotes successor statements. */
  readonly enrolment?: OwnEnrolment;
  /** Fires when the opening is to be given up: it then rejects with the reason and leaves what a crash would leave. */
  readonly signal?: AbortSignal;
}

export type JournalExport = Pick<ExportOptions, 'from' | 'to' | 'write' | 'signal' | 'progress'> & {
  /** The open log by default. */
  readonly origin?: string;
};

export interface Rotation {
  /** `size` is that of its last note. */
  readonly old: { readonly origin: string; readonly vkey: string; readonly size: number };
  readonly next: { readonly origin: string; readonly vkey: string };
  /** The old key has vouched for the new one; otherwise it does after the first comparison with the broker. */
  readonly isVouched: boolean;
}

export interface Journal {
  readonly appender: Appender;
  readonly outbox: Outbox;
  /** Of a gateway with a TPM. */
  readonly anchors: AnchorStore | undefined;
  /** How the run before this one ended; undefined at the first start, or when nothing of it can be read. */
  readonly previousEnd: PreviousEnd | undefined;
  /** This run looks at no device: the next one is told how the run before this one ended. To be called at its end. */
  keepPreviousEnd(): void;
  /** Nothing of an earlier run was here: no log, no file that was set aside, no key. */
  readonly isFirstStart: boolean;
  /** Start number of this run in the open log. */
  boot(): number;
  /** The open log's origin. Throws JOURNAL_IO while the next one cannot be opened. */
  origin(): string;
  /** The same, undefined while the next one cannot be opened. */
  openOrigin(): string | undefined;
  status(): JournalStatus;
  /**
   * Ends the open log in good order and opens the next. Rejects with JOURNAL_IO, JOURNAL_FULL or KEY_LOCKED (it stays open
   * then), and with the reason of a signal that fires before its turn has come.
   */
  rotate(signal?: AbortSignal): Promise<Rotation>;
  /** Reduces a person's receipted entries to their leaf hashes, in all logs, or only says which they are. */
  erase(request: EraseRequest): Promise<EraseReport>;
  /** The log of that origin, or the open one, for reading. Throws JOURNAL_MISSING. */
  log(origin?: string): HeldLog;
  /** A log, or a range of it, as batches. Rejects with JOURNAL_MISSING, JOURNAL_DAMAGED for a breached log, KEY_LOCKED. */
  export(request: JournalExport): Promise<Result<ExportSummary, ExportRefusal>>;
  /** Checks a log of the running journal without SQLite's own page check, which would block. */
  check(origin: string | undefined, signal: AbortSignal, progress?: (size: number) => void): Promise<CheckReport>;
  /** A room's small state (at most 1 MiB of text): durable within 200 ms, and taken along into later logs. */
  saveState(name: string, text: string): void;
  loadState(name: string): string | undefined;
  readonly signReply: ReplySigner;
  /** Successor statements of this gateway's logs, verified, oldest first. */
  statements(): readonly Envelope[];
  /** Resolves when everything up to now was verified, appended or handed on; for tests and orderly ends. */
  settled(): Promise<void>;
  /** Commits what is queued, stops and gives the lock back. Rejects when something could not be recorded. */
  close(): Promise<void>;
}

/**
 * Opens the journal of a data directory, or makes it. Rejects with JOURNAL_BUSY when another process holds it, with
 * KEY_PERMISSIONS, and with JOURNAL_IO or JOURNAL_FULL when not even a new log can be opened. Damage does not stop it.
 */
export async function openJournal(options: JournalOptions): Promise<Journal> {
  const { dataDir, scheduler, settings, logger, metrics } = options;
  await makeDirectory(dataDir);
  const receiptKeys = options.receiptKeys.map(({ vkey, role }) => {
    const parsed = parseVkey(vkey);
    if (!parsed.ok || parsed.value.type !== 4) {
      throw new LatchkeyError('CONFIG_INVALID', `expected the vkey of a receipt key (type 4), found ${vkey}`);
    }
    return { vkey: parsed.value, role, keyId: hex(parsed.value.keyId) };
  });
  const lock = lockFile(join(dataDir, 'lock'), 'JOURNAL_BUSY', `the journal in ${dataDir}`);
  let set: LogSet | undefined;
  const directory = join(dataDir, 'journal');
  await makeDirectory(directory);
  const usedBytes = lastGood(() => set?.usedBytes() ?? 0);
  const room = new DiskRoom({ directory, settings, scheduler, logger, metrics, usedBytes });
  try {
    room.start();
    set = await withRoom(room, () => LogSet.open({ ...options, receiptKeys }));
    const keeper = new LogKeeper({ ...options, receiptKeys, room }, set);
    const giveUp = (): void => keeper.abort(options.signal?.reason);
    options.signal?.throwIfAborted();
    options.signal?.addEventListener('abort', giveUp, { once: true });
    const anchors = anchorsOf(options, keeper);
    const chain = new Chain(options, keeper);
    const before = set.logs.findLast((log) => log.size > 0);
    const last = before === undefined ? undefined : previousEnd(before);
    const isFirstStart = before === undefined && set.lost.length === 0 && set.setAside().length === 0;
    await withRoom(room, () => startLogs(options, keeper));
    options.signal?.removeEventListener('abort', giveUp);
    const ended = runBefore(last, keeper.saved.get(RUN_STATE));
    for (const { name, code } of set.leftAlone) keeper.say(leftAloneBody(name, code));
    keeper.whenOpened = () => keptGoing(logger, () => chain.makeOwed());
    const outbox = new JournalOutbox({ ...options, receiptKeys }, keeper, chain);
    const retention = new Retention({ ...options, room, logs: () => keeper.set.logs.filter((log) => !log.salvaged) });
    retention.start();
    return new OpenJournal({ options, lock, room, retention, keeper, anchors, chain, outbox, ended, isFirstStart });
  } catch (error) {
    set?.close();
    room.stop();
    lock.release();
    throw error;
  }
}

interface Parts {
  readonly options: JournalOptions;
  readonly lock: FileLock;
  readonly room: DiskRoom;
  readonly retention: Retention;
  readonly keeper: LogKeeper;
  readonly anchors: JournalAnchors | undefined;
  readonly chain: Chain;
  readonly outbox: Outbox;
  readonly ended: PreviousEnd | undefined;
  readonly isFirstStart: boolean;
}

class OpenJournal implements Journal {
  readonly #parts: Parts;
  readonly #verified: Promise<void>;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#verified = this.#verifyAll();
  }

  get appender(): Appender {
    return this.#parts.keeper.front;
  }

  get outbox(): Outbox {
    return this.#parts.outbox;
  }

  get anchors(): AnchorStore | undefined {
    return this.#parts.anchors;
  }

  get previousEnd(): PreviousEnd | undefined {
    return this.#parts.ended;
  }

  get isFirstStart(): boolean {
    return this.#parts.isFirstStart;
  }

  keepPreviousEnd(): void {
    const { ended, keeper } = this.#parts;
    if (ended !== undefined) keeper.saved.set(RUN_STATE, formatRunBefore(this.origin(), this.boot(), ended));
  }

  boot(): number {
    return this.log().record.boot;
  }

  origin(): string {
    return this.log().origin;
  }

  openOrigin(): string | undefined {
    return this.#parts.keeper.current?.origin;
  }

  status(): JournalStatus {
    const { keeper, room, chain } = this.#parts;
    const { set, current, writer, front } = keeper;
    return {
      logs: set.logs.map(statusOf),
      ...(current !== undefined && { open: current.origin }),
      writer: writer?.state ?? 'none',
      room: room.level,
      waiting: front.waiting,
      compared: chain.isCompared,
      setAside: set.setAside().map(({ name, nth }) => `${name}.${nth}`),
      gone: [...set.lost, ...set.unreadable].map(({ origin }) => origin),
      leftAlone: set.leftAlone.map(({ name, reason }) => ({ name, reason })),
    };
  }

  rotate(signal?: AbortSignal): Promise<Rotation> {
    const { keeper, anchors } = this.#parts;
    const rotation = () =>
      keeper.exclusive(async () => {
        signal?.throwIfAborted();
        const old = this.log();
        await keeper.rotate('command');
        const next = this.log();
        return {
          old: { origin: old.origin, vkey: formatVkey(old.vkey), size: old.noteSize },
          next: { origin: next.origin, vkey: formatVkey(next.vkey) },
          isVouched: next.record.statement !== undefined,
        };
      });
    return anchors === undefined ? rotation() : anchors.atRest(rotation);
  }

  erase(request: EraseRequest): Promise<EraseReport> {
    return eraseInJournal(this.#parts.keeper, request);
  }

  log(origin?: string): HeldLog {
    const { keeper } = this.#parts;
    const log = origin === undefined ? keeper.current : keeper.set.find(origin);
    if (log !== undefined) return log;
    if (origin === undefined) throw new LatchkeyError('JOURNAL_IO', 'no log is open: the next one waits for the disk');
    throw new LatchkeyError('JOURNAL_MISSING', `no log ${origin} is here`);
  }

  async export(request: JournalExport): Promise<Result<ExportSummary, ExportRefusal>> {
    const { keeper } = this.#parts;
    const { origin, ...range } = request;
    const log = this.log(origin);
    if (log.state.kind === 'breached') {
      throw new LatchkeyError('JOURNAL_DAMAGED', `nothing of ${log.name} leaves any more; its file stays as it is`);
    }
    await keeper.set.openKey(log);
    const signer = log.signer;
    if (signer === undefined && !log.keyLost && !log.settled) {
      throw new LatchkeyError('KEY_LOCKED', `the key of ${log.origin} is not available`);
    }
    return await exportLog({ ...range, database: log.database, signer, isOpen: log.isOpen });
  }

  check(origin: string | undefined, signal: AbortSignal, progress?: (size: number) => void): Promise<CheckReport> {
    const { crypto } = this.#parts.options;
    const { database } = this.log(origin);
    return checkLog(database, { crypto, signal, pages: false, ...(progress !== undefined && { progress }) });
  }

  saveState(name: string, text: string): void {
    assert(![OWN_STATE, ANCHOR_STATE, RUN_STATE].includes(name), `${name} is the journal's own state`);
    this.#parts.keeper.saved.set(name, text);
  }

  loadState(name: string): string | undefined {
    return this.#parts.keeper.saved.get(name);
  }

  readonly signReply: ReplySigner = async (make) => signReply(this.log(), this.#parts.keeper.set, make);

  statements(): readonly Envelope[] {
    return this.#parts.chain.statements;
  }

  async settled(): Promise<void> {
    await this.#verified;
    await this.#parts.keeper.exclusive(() => Promise.resolve());
  }

  async close(): Promise<void> {
    const { keeper, room, retention, lock } = this.#parts;
    try {
      await retention.stop();
      await keeper.close();
    } finally {
      room.stop();
      lock.release();
    }
  }

  /** Oldest first, as they are sent; then what is receipted of the open log. What does not fit its tree is set aside. */
  async #verifyAll(): Promise<void> {
    const { keeper } = this.#parts;
    for (const log of keeper.set.logs) {
      if (log.verifiedSize === Number.MAX_SAFE_INTEGER || (!log.isOpen && !log.isOwing)) continue;
      await this.#verify(log, () => verifyAhead(log, keeper.signal, () => keeper.changed()));
    }
    const { current } = keeper;
    if (current !== undefined && current.verifiedFrom > 0) {
      await this.#verify(current, () => verifyReceipted(current, keeper.signal));
    }
  }

  async #verify(log: HeldLog, run: () => Promise<RowsVerdict>): Promise<void> {
    const { keeper, options } = this.#parts;
    try {
      const verdict = await run();
      if (verdict.ok) return;
      const { reason, index, detail } = verdict;
      options.logger.error({ log: log.name, reason, index, detail }, 'the rows of a log do not fit its tree');
      await keeper.exclusive(() => keeper.quarantine(log));
    } catch (error) {
      if (keeper.signal.aborted || keeper.set.find(log.origin) !== log) return;
      options.logger.error({ log: log.name, reason: messageOf(error) }, 'a log could not be verified; it is not sent');
    }
  }
}

function anchorsOf(options: JournalOptions, keeper: LogKeeper): JournalAnchors | undefined {
  const { readCounter } = options;
  if (readCounter === undefined) return undefined;
  const anchors = new JournalAnchors({ ...options, readCounter }, keeper);
  keeper.counterAtOpening = (known) => anchors.atOpening(known);
  return anchors;
}

async function keptGoing(logger: Logger, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof LatchkeyError)) throw error;
    logger.warn({ reason: error.message }, 'statements about logs wait for the disk or a key');
  }
}

/** The newest answer, or the one before while a file cannot be asked. */
function lastGood(ask: () => number): () => number {
  let last = 0;
  return () => {
    try {
      last = ask();
    } catch (error) {
      if (!(error instanceof LatchkeyError)) throw error;
    }
    return last;
  };
}
