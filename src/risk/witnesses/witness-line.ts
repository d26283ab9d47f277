/**
 * Everything between the stored logs and one independent witness: pass after pass over the logs whose newest checkpoint it
 * has not cosigned, some submissions at a time.
 *
 * A witness that does not answer is left alone for a while, whatever the logs are; a log that it refuses is left alone for
 * itself. Nothing of the service waits for a witness.
 */
import { Backoff } from '../../base/backoff.ts';
import { type Scheduler, wallText } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import type { Metrics } from '../../base/metrics.ts';
import type { EvidenceCrypto } from '../../evidence/crypto.ts';
import type { Vkey } from '../../evidence/log/note.ts';
import { ALARMS, type AlarmKind, type Alarms } from '../intake/alarms.ts';
import type { CosignatureBook, OwedLog } from './cosignature-book.ts';
import type { WitnessSettings } from './settings.ts';
import { type Result, type Submitted, submit } from './submission.ts';
import type { WitnessLink } from './witness-client.ts';

export interface WitnessLineParts {
  readonly settings: WitnessSettings;
  readonly vkey: Vkey;
  readonly book: Pick<CosignatureBook, 'witness' | 'newestOf' | 'owed' | 'offer' | 'keep'>;
  readonly link: WitnessLink;
  readonly crypto: EvidenceCrypto;
  readonly scheduler: Scheduler;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly alarms: Pick<Alarms, 'raise'>;
  /** Gateways that this receiver looks after; others' are submitted by theirs. */
  readonly isMine: (gateway: string) => boolean;
  readonly random?: () => number;
}

export interface WitnessStatus {
  readonly name: string;
  readonly witness: string;
  /** Newest cosignature of any log, by the witness's clock. */
  readonly newest?: string;
  /** Logs that grew, and were not cosigned in the last pass although they were due. */
  readonly owed: number;
  /** What the last submission came to. */
  readonly last?: { readonly result: Result; readonly detail?: string };
  /** It did not answer, and is not asked before this passed. */
  readonly asked_again_in_s?: number;
}

const PAGE_LOGS = 500;
/** Logs that wait for themselves; beyond, the one that was refused first is tried again. */
const WAITING_MAX = 10_000;
/** Nobody answers, or has no time. */
const AWAY: ReadonlySet<Result> = new Set(['timeout', 'unreachable', 'too_large', 'redirect', 'busy', 'failed']);
const AWAY_BACKOFF = { firstMs: 2_000, maxMs: 300_000 };
const LOG_BACKOFF = { firstMs: 30_000, maxMs: 3_600_000 };

interface Waiting {
  readonly backoff: Backoff;
  readonly untilMs: number;
}

export class WitnessLine {
  readonly #parts: WitnessLineParts;
  readonly #away: Backoff;
  readonly #waiting = new Map<string, Waiting>();
  #awayUntilMs = Number.NEGATIVE_INFINITY;
  #id: number | undefined;
  #newestMs: number | undefined;
  #owed = 0;
  #last: Submitted | undefined;
  /** Logged last, so that one trouble is one line. */
  #said = '';

  constructor(parts: WitnessLineParts) {
    this.#parts = parts;
    this.#away = new Backoff(AWAY_BACKOFF, parts.random);
  }

  /** Every log that is owed a cosignature, once. Rejects when the database does, or with the signal's reason. */
  async pass(signal: AbortSignal): Promise<void> {
    const { settings, scheduler, metrics, isMine } = this.#parts;
    const witness = await this.#row();
    let owed = 0;
    for (let after = ''; ; ) {
      const nowMs = scheduler.wallMs();
      const cosignedBefore = new Date(nowMs - settings.every_s * 1_000);
      const question = { witness, after, cosignedBefore, now: new Date(nowMs), limit: PAGE_LOGS };
      const page = await this.#parts.book.owed(question);
      const mine = page.filter(({ gateway }) => isMine(gateway));
      owed += mine.length - (await this.#submitAll(mine, witness, signal));
      const last = page.at(-1);
      if (page.length < PAGE_LOGS || last === undefined) break;
      after = last.origin;
    }
    this.#owed = owed;
    metrics.gauge('witness_logs_owed', owed, { witness: settings.name });
    this.#sayAge();
  }

  get status(): WitnessStatus {
    const { settings, vkey, scheduler } = this.#parts;
    const waitMs = this.#awayUntilMs - scheduler.monotonicMs();
    const { result, detail } = this.#last ?? {};
    return {
      name: settings.name,
      witness: vkey.name,
      ...(this.#newestMs !== undefined && { newest: wallText(this.#newestMs) }),
      owed: this.#owed,
      ...(result !== undefined && { last: { result, ...(detail !== undefined && { detail }) } }),
      ...(waitMs > 0 && { asked_again_in_s: Math.ceil(waitMs / 1_000) }),
    };
  }

  close(): void {
    this.#parts.link.close();
  }

  async #row(): Promise<number> {
    if (this.#id !== undefined) return this.#id;
    const { book, vkey } = this.#parts;
    const id = await book.witness(vkey);
    this.#newestMs = (await book.newestOf(id))?.getTime();
    this.#id = id;
    return id;
  }

  /** How many of them were cosigned. */
  async #submitAll(logs: readonly OwedLog[], witness: number, signal: AbortSignal): Promise<number> {
    const queue = [...logs];
    let cosigned = 0;
    const worker = async (): Promise<void> => {
      for (let log = queue.shift(); log !== undefined; log = queue.shift()) {
        signal.throwIfAborted();
        if (this.#isAway || this.#waits(log)) continue;
        const submitted = await this.#submit(log, witness, signal);
        this.#note(log, submitted);
        if (submitted.result === 'cosigned') cosigned += 1;
      }
    };
    // All of them have ended before the database may be closed.
    const ended = await Promise.allSettled(Array.from({ length: this.#parts.settings.at_once }, worker));
    for (const each of ended) if (each.status === 'rejected') throw each.reason;
    return cosigned;
  }

  #submit(log: OwedLog, witness: number, signal: AbortSignal): Promise<Submitted> {
    const { book, link, crypto, scheduler, vkey, alarms, settings } = this.#parts;
    const alarm = (kind: AlarmKind, { gateway, origin }: OwedLog): void =>
      alarms.raise(kind, gateway, origin, `${ALARMS[kind]} (${settings.name})`);
    return submit({ book, link, crypto, clock: scheduler, vkey, witness, alarm }, log, signal);
  }

  #note(log: OwedLog, submitted: Submitted): void {
    const { metrics, settings, scheduler, logger } = this.#parts;
    const { result, detail, timestampS, retryAfterMs = 0 } = submitted;
    metrics.count('witness_submissions', 1, { witness: settings.name, result });
    this.#last = submitted;
    const nowMs = scheduler.monotonicMs();
    if (AWAY.has(result)) this.#awayUntilMs = nowMs + Math.max(retryAfterMs, this.#away.nextMs());
    else this.#away.reset();
    if (result === 'cosigned') {
      this.#waiting.delete(log.origin);
      this.#newestMs = Math.max(this.#newestMs ?? 0, (timestampS ?? 0) * 1_000);
      if (this.#said !== '') logger.info({ witness: settings.name }, 'the witness cosigns again');
      this.#said = '';
      return;
    }
    // Also where nobody answered: the next to be tried is another log, should it be this one that it cannot take.
    this.#wait(log.origin, nowMs);
    if (this.#said === result) return;
    this.#said = result;
    logger.warn({ witness: settings.name, origin: log.origin, result, detail }, 'a checkpoint was not cosigned');
  }

  get #isAway(): boolean {
    return this.#parts.scheduler.monotonicMs() < this.#awayUntilMs;
  }

  #waits({ origin }: OwedLog): boolean {
    return this.#parts.scheduler.monotonicMs() < (this.#waiting.get(origin)?.untilMs ?? Number.NEGATIVE_INFINITY);
  }

  #wait(origin: string, nowMs: number): void {
    const backoff = this.#waiting.get(origin)?.backoff ?? new Backoff(LOG_BACKOFF, this.#parts.random);
    this.#waiting.delete(origin);
    const [first] = this.#waiting.keys();
    if (this.#waiting.size >= WAITING_MAX && first !== undefined) this.#waiting.delete(first);
    this.#waiting.set(origin, { backoff, untilMs: nowMs + backoff.nextMs() });
  }

  #sayAge(): void {
    const { metrics, settings, scheduler } = this.#parts;
    if (this.#newestMs === undefined) return;
    const ageMs = Math.max(0, scheduler.wallMs() - this.#newestMs);
    metrics.gauge('witness_cosignature_age_ms', ageMs, { witness: settings.name });
  }
}
