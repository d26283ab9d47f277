/**
 * The logs of one data directory: a database each under `journal/`, what was set aside under `journal/quarantine/`, and
 * the keys. Finds them at the start, opens and closes them, sets damaged ones aside; what that means is decided above.
 */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { withTimeout } from '../../base/abort.ts';
import type { Scheduler } from '../../base/clock.ts';
import { LatchkeyError } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import type { Metrics } from '../../base/metrics.ts';
import type { EvidenceCrypto } from '../../evidence/crypto.ts';
import { logVkey, type Vkey } from '../../evidence/log/note.ts';
import { parseOrigin } from '../../evidence/log/origin.ts';
import { logName } from '../../evidence/wire/topics.ts';
import { makeDirectory } from '../../platform/durable-file.ts';
import type { KeyStore, Signer } from '../contracts/signer.ts';
import type { ReceiptKeyRole } from './continuity.ts';
import { HeldLog } from './held-log.ts';
import { LogDatabase } from './log-database.ts';
import type { Opening } from './log-record.ts';
import { NextKey, numberOf as originNumber } from './next-key.ts';
import { followOrphans, listSetAside, type SetAside, salvage, setAside } from './quarantine.ts';
import type { FoundName } from './start-plan.ts';

export interface LogSetOptions {
  readonly dataDir: string;
  readonly operatorDomain: string;
  readonly gatewayId: string;
  readonly keyStore: KeyStore;
  readonly receiptKeys: readonly ReceiptKeyRole[];
  readonly crypto: EvidenceCrypto;
  readonly scheduler: Scheduler;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/** A file that cannot be opened now, or not by this version: it stays as it is, and the log is looked for again at the next start. */
export interface LeftAlone extends GoneLog {
  /** `<number>-<tag>`. */
  readonly name: string;
  readonly code: 'JOURNAL_IO' | 'JOURNAL_VERSION';
  /** What was found, for a person. */
  readonly reason: string;
}

const DATABASE = /^([1-9][0-9]{0,15}-[0-9a-f]{8})\.db$/;
/** An opening waits so long for a key; one that comes later is used all the same. */
const KEY_WAIT_MS = 10_000;

/** A log of which only the key is left, or a file that cannot be read. */
export interface GoneLog extends FoundName {
  readonly signer?: Signer;
}

export class LogSet {
  readonly directory: string;
  readonly #options: LogSetOptions;
  readonly #logs = new Map<string, HeldLog>();
  readonly #lost = new Map<string, GoneLog>();
  readonly #unreadable = new Map<string, GoneLog>();
  readonly #leftAlone = new Map<string, LeftAlone>();
  readonly #nextKey: NextKey;
  readonly #asked = new Map<string, Promise<void>>();

  private constructor(options: LogSetOptions) {
    this.#options = options;
    this.#nextKey = new NextKey(options);
    this.directory = join(options.dataDir, 'journal');
  }

  /** Finds and opens everything. Rejects with JOURNAL_IO, JOURNAL_FULL, JOURNAL_VERSION, KEY_PERMISSIONS. */
  static async open(options: LogSetOptions): Promise<LogSet> {
    const set = new LogSet(options);
    await makeDirectory(set.directory);
    const orphans = followOrphans(set.directory);
    if (orphans > 0) options.logger.warn({ orphans }, 'moved a WAL after its database, which was set aside before');
    const origins = await options.keyStore.list();
    try {
      await set.#openDatabases(origins);
      await set.#reviewKeys(origins);
    } catch (error) {
      set.close();
      throw error;
    }
    return set;
  }

  /** By number, oldest first. */
  get logs(): readonly HeldLog[] {
    return [...this.#logs.values()].sort((a, b) => a.number - b.number);
  }

  /** Keys whose database is gone. */
  get lost(): readonly GoneLog[] {
    return [...this.#lost.values()];
  }

  get unreadable(): readonly GoneLog[] {
    return [...this.#unreadable.values()];
  }

  /** Files of ended logs that could not be opened: they keep their keys and wait for a start that can. */
  get leftAlone(): readonly LeftAlone[] {
    return [...this.#leftAlone.values()];
  }

  find(origin: string): HeldLog | undefined {
    return this.#logs.get(origin);
  }

  findByName(name: string): HeldLog | undefined {
    return this.logs.find((log) => log.name === name);
  }

  setAside(): readonly SetAside[] {
    return listSetAside(this.directory);
  }

  /** Whether this disk ever had that log: as a database, a key, a file set aside, or a name in an entry 0. */
  knows(origin: string): boolean {
    if (this.#logs.has(origin) || this.#gone().some((each) => each.origin === origin)) return true;
    return this.logs.some(({ record }) => {
      const opening = record.opening;
      return opening?.after?.log === origin || opening?.carry.some(({ log }) => log === origin) === true;
    });
  }

  /** Keys of all logs that are known here. */
  vkeys(): Map<string, Vkey> {
    const vkeys = new Map(this.logs.map((log) => [log.origin, log.vkey]));
    for (const { origin, signer } of this.#gone()) {
      if (signer !== undefined) vkeys.set(origin, logVkey(this.#options.crypto, origin, signer.publicKey));
    }
    return vkeys;
  }

  /** The signer of any log whose key is here; undefined when it is lost, locked or destroyed. */
  async signerOf(origin: string): Promise<Signer | undefined> {
    const log = this.#logs.get(origin);
    if (log === undefined) {
      const gone = this.#gone().find((each) => each.origin === origin);
      return gone === undefined ? undefined : (gone.signer ?? (await this.#tryKey(origin)).signer);
    }
    await this.openKey(log);
    return log.signer;
  }

  /**
   * Asks the key store for the log's key, unless it is here or known to be lost. A key store that is silent is not waited
   * for longer than `KEY_WAIT_MS`: entries need no key.
   */
  async openKey(log: HeldLog): Promise<void> {
    if (log.signer !== undefined || log.keyLost || log.settled) return;
    const asked = this.#asked.get(log.origin) ?? this.#askFor(log);
    await this.#bounded(asked).catch((error: unknown) => {
      if (!(error instanceof LatchkeyError) || error.code !== 'TIMED_OUT') throw error;
      this.#options.logger.warn({ log: log.name, reason: error.message }, 'the key of a log is not here');
    });
  }

  #askFor(log: HeldLog): Promise<void> {
    const asked = this.#open(log).finally(() => this.#asked.delete(log.origin));
    this.#asked.set(log.origin, asked);
    return asked;
  }

  async #open(log: HeldLog): Promise<void> {
    try {
      log.signer = await this.#options.keyStore.open(log.origin);
    } catch (error) {
      if (!(error instanceof LatchkeyError) || error.code === 'KEY_PERMISSIONS') throw error;
      if (error.code === 'KEY_LOST') log.keyLost = true;
      this.#options.logger.warn({ log: log.name, code: error.code }, 'the key of a log is not here');
    }
  }

  #bounded<T>(work: Promise<T>): Promise<T> {
    return withTimeout(this.#options.scheduler, KEY_WAIT_MS, 'opening the key of a log', work);
  }

  /** The log's key goes: nothing of it needs a signature any more. */
  async destroyKey(origin: string): Promise<void> {
    await this.#options.keyStore.destroy(origin);
    const log = this.#logs.get(origin);
    if (log !== undefined) log.signer = undefined;
    this.#lost.delete(origin);
    // The file stays, and its name is known; only the key is gone.
    const unreadable = this.#unreadable.get(origin);
    if (unreadable !== undefined) this.#unreadable.set(origin, { origin, number: unreadable.number });
  }

  /** The key of the next log; `above` are origins seen elsewhere. Rejects like `KeyStore.create`. */
  prepare(above: readonly string[], { fresh = false, late = false } = {}): Promise<Signer> {
    const here = [...this.#logs.values(), ...this.#gone()].map(({ number }) => number);
    return this.#nextKey.take({ above: [...above.map(originNumber), ...here], fresh, late });
  }

  /** Why the key of that log is lost. */
  lostBy(origin: string): 'key_lost' | 'tpm_cleared' {
    return this.#options.keyStore.isCleared?.(origin) === true ? 'tpm_cleared' : 'key_lost';
  }

  /** Resolves when no key is being made, or when that takes too long. */
  async keysIdle(): Promise<void> {
    await this.#bounded(this.#nextKey.idle()).catch(() => undefined);
  }

  /** The next log's database, empty but for its record. The caller writes entry 0. */
  async create(signer: Signer, opening: Opening, saved: ReadonlyMap<string, string>): Promise<HeldLog> {
    const { origin, publicKey } = signer;
    const { crypto, receiptKeys } = this.#options;
    const path = this.#pathOf(origin);
    // A crash may have left the file without its record: it is empty then, and as good as new.
    const database = existsSync(path)
      ? LogDatabase.open(path, crypto, 'write')
      : LogDatabase.create(path, { origin, publicKey }, crypto);
    const log = new HeldLog(database, receiptKeys);
    log.signer = signer;
    log.record.setOpening(opening, saved);
    this.#logs.set(origin, log);
    await this.#nextKey.used();
    return log;
  }

  /**
   * Sets a damaged log's database aside and answers with what still verifies of it, as a log that gets no new note;
   * undefined when nothing can be read. Throws JOURNAL_IO or JOURNAL_FULL.
   */
  quarantine(log: HeldLog): HeldLog | undefined {
    if (log.salvaged) {
      // Damaged further while it lay aside: decided anew from what is left, nothing more of it is sent.
      log.setState({ kind: 'breached', cause: 'quarantined', sendEnd: log.receiptedSize });
      return log;
    }
    log.database.close();
    const { path } = log.database;
    // A try before this one may have moved it already.
    const file = existsSync(path) ? setAside(path) : this.setAside().findLast(({ name }) => name === log.name);
    this.#logs.delete(log.origin);
    if (file === undefined) return undefined;
    const rest = this.#adopt(file, { origin: log.origin, publicKey: log.vkey.publicKey });
    if (rest === undefined) this.#rememberUnreadable(log.origin, log.signer);
    else if (log.signer !== undefined) rest.signer = log.signer;
    return rest;
  }

  /** Bytes that all logs use, those set aside left out. */
  usedBytes(): number {
    return this.logs.reduce((sum, log) => sum + log.database.usedBytes(), 0);
  }

  close(): void {
    for (const log of this.#logs.values()) log.database.close();
    this.#logs.clear();
  }

  async #openDatabases(origins: readonly string[]): Promise<void> {
    const { crypto, receiptKeys, logger } = this.#options;
    const names = readdirSync(this.directory).flatMap((file) => DATABASE.exec(file)?.[1] ?? []);
    const newest = Math.max(0, ...names.map(numberOf));
    for (const name of names) {
      const path = join(this.directory, `${name}.db`);
      try {
        const log = new HeldLog(LogDatabase.open(path, crypto, 'write'), receiptKeys);
        this.#logs.set(log.origin, log);
      } catch (error) {
        // Without the newest log nobody can say what was recorded last: that is a stop. The others can wait.
        if (numberOf(name) < newest && (await this.#leaveAlone(name, origins, error))) continue;
        if (!(error instanceof LatchkeyError) || error.code !== 'JOURNAL_DAMAGED') throw error;
        logger.error({ log: name, found: error.message }, 'a log is damaged and was set aside');
        setAside(path);
      }
    }
    for (const file of newestOfEach(listSetAside(this.directory))) {
      if (this.findByName(file.name) !== undefined) continue;
      const origin = origins.find((each) => each.endsWith(`/${file.name}`));
      const signer = origin === undefined ? undefined : (await this.#tryKey(origin)).signer;
      const identity = signer === undefined ? undefined : { origin: signer.origin, publicKey: signer.publicKey };
      try {
        if (this.#adopt(file, identity) === undefined)
          this.#rememberUnreadable(origin ?? this.#originOf(file.name), signer);
      } catch (error) {
        if (numberOf(file.name) < newest && (await this.#leaveAlone(file.name, origins, error))) continue;
        throw error;
      }
    }
  }

  /** True when the failure is one that leaves the file to a later start. */
  async #leaveAlone(name: string, origins: readonly string[], error: unknown): Promise<boolean> {
    if (!(error instanceof LatchkeyError)) return false;
    const { code, message: reason } = error;
    if (code !== 'JOURNAL_IO' && code !== 'JOURNAL_VERSION') return false;
    const known = origins.find((each) => each.endsWith(`/${name}`));
    const origin = known ?? this.#originOf(name);
    const signer = known === undefined ? undefined : (await this.#tryKey(known)).signer;
    this.#leftAlone.set(origin, { origin, name, number: numberOf(name), code, reason, ...(signer && { signer }) });
    this.#options.metrics.count('journal_left_alone', 1, { code });
    this.#options.logger.error({ log: name, code, reason }, 'an ended log cannot be opened: its file is left as it is');
    return true;
  }

  #gone(): readonly GoneLog[] {
    return [...this.#lost.values(), ...this.#unreadable.values(), ...this.#leftAlone.values()];
  }

  #adopt(
    file: SetAside,
    identity: { readonly origin: string; readonly publicKey: Uint8Array } | undefined,
  ): HeldLog | undefined {
    const log = salvage(this.#options.crypto, file, this.#options.receiptKeys, identity);
    if (log !== undefined) this.#logs.set(log.origin, log);
    return log;
  }

  async #reviewKeys(origins: readonly string[]): Promise<void> {
    for (const log of this.#logs.values()) {
      // A crash may have come between the decision and the deed.
      if (log.settled && origins.includes(log.origin)) await this.#options.keyStore.destroy(log.origin);
      await this.openKey(log);
    }
    await this.#setUnbegunApart();
    const marked = await this.#nextKey.marked();
    for (const origin of origins) {
      const isKnown = this.#logs.has(origin) || this.#gone().some((each) => each.origin === origin);
      const parsed = parseOrigin(origin);
      if (isKnown || this.#nextKey.isSpare(origin) || !parsed.ok) continue;
      const { number } = parsed.value;
      const { signer, isLost } = await this.#tryKey(origin);
      if (isLost) continue;
      if (number === marked) await this.#nextKey.adopt(origin, signer);
      else this.#lost.set(origin, { origin, number, ...(signer && { signer }) });
    }
    const isMarkIdle = marked !== undefined && !origins.some((origin) => this.#nextKey.isSpare(origin));
    if (isMarkIdle) await this.#nextKey.used();
  }

  /** A database whose record was never written is no log yet: its key is used for the next one. */
  async #setUnbegunApart(): Promise<void> {
    for (const log of this.logs) {
      if (!log.isOpen || log.size > 0 || log.record.opening !== undefined || log.keyLost) continue;
      this.#logs.delete(log.origin);
      log.database.close();
      await this.#nextKey.adopt(log.origin, log.signer);
    }
  }

  /** An opening that was cut off and is not needed any more. A key that was made ahead stays. */
  async dropSpare(): Promise<void> {
    if (this.#options.keyStore.kind !== 'tpm') await this.#nextKey.drop();
  }

  /** `isLost`: not merely refused or silent for now. */
  async #tryKey(origin: string): Promise<{ readonly signer?: Signer; readonly isLost: boolean }> {
    try {
      return { signer: await this.#bounded(this.#options.keyStore.open(origin)), isLost: false };
    } catch (error) {
      const code = error instanceof LatchkeyError ? error.code : undefined;
      if (code === 'KEY_LOST' || code === 'KEY_LOCKED' || code === 'TIMED_OUT') return { isLost: code === 'KEY_LOST' };
      throw error;
    }
  }

  #rememberUnreadable(origin: string, signer: Signer | undefined): void {
    const parsed = parseOrigin(origin);
    const number = parsed.ok ? parsed.value.number : 0;
    this.#unreadable.set(origin, { origin, number, ...(signer !== undefined && { signer }) });
  }

  #originOf(name: string): string {
    return `${this.#options.operatorDomain}/${this.#options.gatewayId}/${name}`;
  }

  #pathOf(origin: string): string {
    const parsed = parseOrigin(origin);
    if (!parsed.ok) throw new LatchkeyError('INTERNAL', parsed.detail);
    return join(this.directory, `${logName(parsed.value)}.db`);
  }
}

function numberOf(name: string): number {
  return Number(name.split('-')[0]);
}

function newestOfEach(files: readonly SetAside[]): readonly SetAside[] {
  return [...new Map(files.map((file) => [file.name, file])).values()];
}
