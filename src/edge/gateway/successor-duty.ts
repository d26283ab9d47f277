/**
 * Tells the enrolment service which log follows which, while the gateway runs: each statement until the service took it.
 *
 * Nothing waits for it. The statements lie in the journal; what is remembered here is only which of them the service
 * has, so a state that is lost costs a question more, which the service answers as it did before.
 */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { Backoff } from '../../base/backoff.ts';
import { base64url } from '../../base/bytes.ts';
import type { Scheduler, Timer } from '../../base/clock.ts';
import { explain, LatchkeyError, messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import { formatVkey } from '../../evidence/log/note.ts';
import { isAttestedStatement } from '../../evidence/wire/attested-successor.ts';
import { type Envelope, envelopeBytes } from '../../evidence/wire/envelope.ts';
import { parseSuccessor } from '../../evidence/wire/successor.ts';
import type { StoredEnrolment } from '../keys/enrolment-file.ts';
import { EnrolmentClient } from '../keys/enrolment-service.ts';
import type { EnrolmentServiceSettings } from './enrolment-settings.ts';

/** Under this name the journal remembers what the service has. */
const TOLD_STATE = 'successors_told';

/**
 * `told`: the service has all there is. `waiting`: it is being told, or could not be reached. `refused`: it did not take a
 * statement. `contested`: it has another successor of the same log, and a person there must choose.
 */
export type TellingState = 'told' | 'waiting' | 'refused' | 'contested';

export interface TellingStatus {
  /** Address of the service. */
  readonly service: string;
  readonly state: TellingState;
  /** Statements that the service has not taken. */
  readonly waiting: number;
  /** Why the newest attempt failed. */
  readonly reason?: string;
  /** Since the first attempt that failed. */
  readonly failingForMs?: number;
  readonly nextInMs?: number;
}

export interface SuccessorDutyParts {
  readonly settings: EnrolmentServiceSettings;
  readonly stored: StoredEnrolment;
  readonly journal: {
    statements(): readonly Envelope[];
    loadState(name: string): string | undefined;
    saveState(name: string, text: string): void;
    readonly outbox: { onChange(listener: () => void): () => void };
  };
  readonly scheduler: Scheduler;
  readonly logger: Logger;
}

interface Failure {
  readonly state: TellingState;
  readonly reason: string;
}

export class SuccessorDuty {
  readonly #parts: SuccessorDutyParts;
  readonly #backoff: Backoff;
  readonly #abort = new AbortController();
  readonly #told: Set<string>;
  /** Statements as they were when they were looked at last: most changes of a journal are none of these. */
  #seen: readonly Envelope[] = [];
  #waiting: readonly Envelope[] = [];
  #failure: Failure | undefined;
  #failingSinceMs: number | undefined;
  #timer: Timer | undefined;
  #nextMs = 0;
  #working: Promise<void> | undefined;
  #stopListening: () => void = () => undefined;

  constructor(parts: SuccessorDutyParts) {
    this.#parts = parts;
    const { first_ms: firstMs, max_ms: maxMs } = parts.settings.retry;
    this.#backoff = new Backoff({ firstMs, maxMs });
    this.#told = toldTo(parts.settings.url, parts.journal.loadState(TOLD_STATE));
  }

  start(): void {
    this.#stopListening = this.#parts.journal.outbox.onChange(() => this.#look());
    this.#look();
  }

  async stop(): Promise<void> {
    this.#stopListening();
    this.#timer?.cancel();
    this.#abort.abort(new DOMException('the gateway stops', 'AbortError'));
    await this.#working;
  }

  status(): TellingStatus {
    const { settings, scheduler } = this.#parts;
    const nowMs = scheduler.monotonicMs();
    const isWaiting = this.#waiting.length > 0;
    return {
      service: settings.url,
      state: isWaiting ? (this.#failure?.state ?? 'waiting') : 'told',
      waiting: this.#waiting.length,
      ...(isWaiting && this.#failure !== undefined && { reason: this.#failure.reason }),
      ...(isWaiting && this.#failingSinceMs !== undefined && { failingForMs: nowMs - this.#failingSinceMs }),
      ...(isWaiting && this.#timer !== undefined && { nextInMs: Math.max(0, Math.round(this.#nextMs - nowMs)) }),
    };
  }

  #look(): void {
    const all = this.#parts.journal.statements();
    const isSame = all.length === this.#seen.length && all.every((each, i) => each === this.#seen[i]);
    if (isSame || this.#abort.signal.aborted) return;
    this.#seen = all;
    const before = this.#waiting;
    this.#waiting = successorsFrom(all, this.#parts.stored.record.log.name).filter((each) => !this.#has(each));
    // A statement that is new is told at once, whatever became of others.
    if (this.#waiting.some((each) => !before.includes(each))) this.#begin();
  }

  #has(envelope: Envelope): boolean {
    return this.#told.has(hashOf(envelope));
  }

  #begin(): void {
    if (this.#working !== undefined) return;
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#working = this.#tell().finally(() => {
      this.#working = undefined;
      this.#after();
    });
  }

  #after(): void {
    if (this.#abort.signal.aborted) return;
    if (this.#waiting.length === 0) {
      this.#backoff.reset();
      this.#failingSinceMs = undefined;
      return;
    }
    const { scheduler } = this.#parts;
    if (this.#failure !== undefined) this.#failingSinceMs ??= scheduler.monotonicMs();
    const waitMs = this.#failure === undefined ? 0 : this.#backoff.nextMs();
    this.#nextMs = scheduler.monotonicMs() + waitMs;
    this.#timer = scheduler.after(waitMs, () => {
      this.#timer = undefined;
      this.#begin();
    });
  }

  /** Each that waits, once. Never rejects. */
  async #tell(): Promise<void> {
    const { logger, settings } = this.#parts;
    this.#failure = undefined;
    try {
      const client = await this.#client();
      for (const statement of this.#waiting) {
        const failure = await this.#tellOne(client, statement);
        if (failure === undefined) this.#remember(statement);
        else this.#failure ??= failure;
      }
    } catch (error) {
      if (this.#abort.signal.aborted) return;
      this.#failure = { state: 'waiting', reason: error instanceof LatchkeyError ? explain(error) : messageOf(error) };
    }
    if (this.#failure === undefined) return;
    const { state, reason } = this.#failure;
    const about = { service: settings.url, waiting: this.#waiting.length, state, reason };
    logger.warn(about, 'the enrolment service was not told which log follows which: tried again');
  }

  async #client(): Promise<EnrolmentClient> {
    const { settings, stored } = this.#parts;
    const { url, ca_file: path, service_key: key, timeout_ms: timeoutMs } = settings;
    if (key !== undefined && key !== formatVkey(stored.vkey)) {
      const message = `this box was enrolled by ${stored.vkey.name}, and enrolment.service_key is of another service`;
      throw new LatchkeyError('CONFIG_INVALID', message);
    }
    // Read each time: a certificate that was renewed needs no new start.
    const ca = path === undefined ? undefined : await readFile(path, 'utf8');
    return new EnrolmentClient({ url, timeoutMs, ...(ca !== undefined && { ca }) });
  }

  /** Rejects when the service cannot be reached: the others would not fare better. */
  async #tellOne(client: EnrolmentClient, statement: Envelope): Promise<Failure | undefined> {
    try {
      if (await client.successor(envelopeBytes(statement), this.#abort.signal)) return undefined;
      const reason = 'another log is stated to follow the same one: a person at the service must choose';
      return { state: 'contested', reason };
    } catch (error) {
      if (!(error instanceof LatchkeyError) || error.code !== 'ENROLMENT_REFUSED') throw error;
      return { state: 'refused', reason: error.message };
    }
  }

  #remember(statement: Envelope): void {
    const { settings, journal, logger } = this.#parts;
    this.#told.add(hashOf(statement));
    this.#waiting = this.#waiting.filter((each) => each !== statement);
    const told = this.#seen.map(hashOf).filter((hash) => this.#told.has(hash));
    journal.saveState(TOLD_STATE, JSON.stringify({ service: settings.url, told }));
    logger.info({ ...oldAndNext(statement) }, 'the enrolment service knows which log follows');
  }
}

function toldTo(service: string, text: string | undefined): Set<string> {
  try {
    const found = JSON.parse(text ?? '{}') as { readonly service?: unknown; readonly told?: unknown };
    if (found.service !== service || !Array.isArray(found.told)) return new Set();
    return new Set(found.told.filter((hash) => typeof hash === 'string'));
  } catch {
    // Told again: the service answers as it did before.
    return new Set();
  }
}

function hashOf(envelope: Envelope): string {
  return base64url(Uint8Array.from(createHash('sha256').update(envelopeBytes(envelope)).digest()));
}

/** Statements about the enrolled log and what follows it, in that order; those that the AK quoted come first. */
export function successorsFrom(all: readonly Envelope[], enrolled: string): readonly Envelope[] {
  const found: Envelope[] = [];
  const reached = [enrolled];
  for (const old of reached) {
    const own = all.filter((each) => oldAndNext(each)?.old === old);
    found.push(...own.filter(isAttestedStatement), ...own.filter((each) => !isAttestedStatement(each)));
    for (const each of own) {
      const next = oldAndNext(each)?.next;
      if (next !== undefined && !reached.includes(next)) reached.push(next);
    }
  }
  return found;
}

export function oldAndNext(envelope: Envelope): { readonly old: string; readonly next: string } | undefined {
  const parsed = parseSuccessor(envelope);
  return parsed.ok ? { old: parsed.value.old, next: parsed.value.successor.name } : undefined;
}
