/**
 * Access at work: what is typed or scanned at a device becomes one door that opens, or a refusal that says nothing.
 *
 * The order is the promise. An attempt is counted before its code is looked at; a use is counted, with the opening that
 * it is for, before anybody hears of it; `access.granted` is durable before the door is asked for. Power that goes
 * anywhere in between leaves a code that was used up at most once, and a door that opened at most once.
 */
import { randomBytes } from 'node:crypto';
import type { Scheduler, Timer } from '../../base/clock.ts';
import { explain } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import type { Metrics } from '../../base/metrics.ts';
import type { SecretText } from '../../base/secret-text.ts';
import type { Actor, ParcelRef } from '../../evidence/event/event.ts';
import type { Appender } from '../contracts/appender.ts';
import type { Doors, OpenOutcome } from '../contracts/doors.ts';
import type { Observed, Observer } from '../contracts/observed.ts';
import type { KeypadReading, ReadingSink, ScanReading } from '../contracts/reading.ts';
import type { Errand } from '../contracts/visit.ts';
import type { AccessStore, StoreCounts } from './access-store.ts';
import { Attempts, type Begun } from './attempts.ts';
import { type Credential, chosenOf, meantOf, type Refusal, reachOf, refusalOf } from './credential.ts';
import { recogniseScan } from './scanned-code.ts';
import { type Session, Sessions } from './sessions.ts';
import type { AccessSettings } from './settings.ts';
import type { CodeVerifier } from './verifier.ts';
import { AccessWords, type GrantWords } from './words.ts';

const TICK_MS = 60_000;
/** Attempts that wait for the one before; more are not looked at. */
const WAITING_MAX = 4;
const RECORD_LIMIT_MS = 10_000;

export interface DueHere {
  readonly compartment: string;
  readonly parcel: ParcelRef;
  readonly kind: Errand;
}

export interface AccessParts {
  readonly settings: AccessSettings;
  readonly store: AccessStore;
  readonly verifier: CodeVerifier;
  readonly doors: Pick<Doors, 'open'>;
  /** What is assigned to this actor now. */
  readonly dueFor: (actor: Actor) => readonly DueHere[];
  /** The reference by which events name what this scan holds. */
  readonly parcelOf: (reading: ScanReading) => ParcelRef | undefined;
  /** Shows the person at the device how it ended. */
  readonly signal: (device: string, word: 'granted' | 'refused') => void;
  readonly appender: Appender;
  readonly observer: Observer;
  readonly scheduler: Scheduler;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

export interface AccessStatus extends StoreCounts {
  readonly devices: readonly { readonly name: string; readonly locked_s: number }[];
}

interface Attempt {
  readonly device: string;
  readonly observed: Observed;
  readonly method: 'code_keypad' | 'code_scan';
  readonly code: SecretText;
}

/** A door that may be opened now. */
interface Right {
  readonly credential: Credential;
  readonly compartment: string;
  readonly method: string;
  readonly about?: { readonly parcel: ParcelRef; readonly kind: Errand };
}

export class AccessRoom {
  readonly #parts: AccessParts;
  readonly #attempts: Attempts;
  readonly #sessions: Sessions;
  readonly #words: AccessWords;
  readonly #ending = new AbortController();
  readonly #running = new Set<Promise<void>>();
  #last: Promise<void> = Promise.resolve();
  #waiting = 0;
  #timer: Timer | undefined;

  constructor(parts: AccessParts) {
    this.#parts = parts;
    this.#attempts = new Attempts(parts.store, parts.settings.lockout);
    this.#sessions = new Sessions(parts.settings.session_s * 1_000);
    this.#words = new AccessWords(parts.appender);
  }

  /** Says what an earlier run left under way: whether those doors opened is not known here, and the uses stay counted. */
  start(): void {
    const { logger, observer, store } = this.#parts;
    const observed = observer.observe();
    if (store.setAside !== undefined) {
      logger.error({ file: store.setAside }, 'the store of access credentials was damaged and set aside: all are lost');
      this.#words.lost(observed);
    }
    for (const opening of store.openings()) {
      this.#words.cut(observed, opening);
      store.finish(opening.intent, false);
    }
    this.#arm();
  }

  /** Takes no more attempts, and waits for what is under way. */
  async stop(): Promise<void> {
    this.#timer?.cancel();
    this.#ending.abort(new Error('the gateway stops'));
    await Promise.all(this.#running);
  }

  /** Something that was begun has not ended yet. */
  get isBusy(): boolean {
    return this.#running.size > 0;
  }

  status(): AccessStatus {
    const { settings, store } = this.#parts;
    const devices = settings.devices.map(({ name }) => {
      return { name, locked_s: Math.ceil(this.#attempts.lockedMs(name) / 1_000) };
    });
    return { ...store.counts(), devices };
  }

  /** Takes what is access's out of the readings; the rest goes on to `next`. */
  sink(next: ReadingSink): ReadingSink {
    return (reading) => {
      if (reading.kind === 'keypad') this.#typed(reading);
      else if (reading.kind === 'scan') this.#scanned(reading, next);
      else next(reading);
    };
  }

  #typed({ device, entry, observed }: KeypadReading): void {
    const right = this.#chosen(device, observed, entry);
    if (right !== undefined) this.#track(() => this.#open(device, right, observed, undefined));
    else this.#try({ device, observed, method: 'code_keypad', code: entry });
  }

  #scanned(reading: ScanReading, next: ReadingSink): void {
    const { device, observed } = reading;
    const found = recogniseScan(reading, this.#parts.settings.scanned);
    if (found.kind === 'code') {
      this.#try({ device, observed, method: 'code_scan', code: found.code });
      return;
    }
    const isHere = this.#served(device) !== undefined;
    if (found.kind === 'damaged') {
      this.#parts.metrics.count('access_refused', 1, { reason: 'damaged' });
      // What may be part of a credential is only counted where anybody could scan anything, over and over.
      if (isHere) this.#words.refused(observed, { device, method: 'code_scan', attempts: 0, reason: 'damaged' });
      this.#parts.signal(device, 'refused');
      return;
    }
    const right = this.#scannedParcel(reading);
    const hidden = isHere && reading.quarantined !== undefined && { hidden: true as const };
    next({ ...reading, ...hidden, ...(right !== undefined && { meant: right.compartment }) });
    if (right !== undefined) this.#track(() => this.#open(device, right, observed, undefined));
  }

  /** A door that was chosen at a keypad, by whoever's credential was granted there. */
  #chosen(device: string, observed: Observed, entry: SecretText): Right | undefined {
    const session = this.#sessions.at(device, observed.upMs);
    const compartment = session && chosenOf(session.reach, entry.reveal());
    if (session === undefined || compartment === undefined) return undefined;
    const { credential } = session;
    // What was assigned when the session began may have been taken back since.
    const due = this.#parts.dueFor(credential.actor);
    const stands = reachOf(credential, due, (name) => name === compartment).length > 0;
    return stands ? this.#rightOf(session, compartment) : undefined;
  }

  /** A parcel that is assigned to whoever's credential was granted at this scanner. */
  #scannedParcel(reading: ScanReading): Right | undefined {
    const session = this.#sessions.at(reading.device, reading.observed.upMs);
    const parcel = session && this.#parts.parcelOf(reading);
    if (session === undefined || parcel === undefined) return undefined;
    const due = this.#parts
      .dueFor(session.credential.actor)
      .find((each) => each.parcel.ref === parcel.ref && session.reach.includes(each.compartment));
    if (due === undefined) return undefined;
    return { ...this.#rightOf(session, due.compartment), about: { parcel: due.parcel, kind: due.kind } };
  }

  #rightOf({ credential, method }: Session, compartment: string): Right {
    return { credential, compartment, method };
  }

  #served(device: string): ((compartment: string) => boolean) | undefined {
    const found = this.#parts.settings.devices.find(({ name }) => name === device);
    if (found === undefined) return undefined;
    return (compartment) => found.compartments?.includes(compartment) ?? true;
  }

  /** One after the other: two that come at once could not both be counted before they are looked at. */
  #try(attempt: Attempt): void {
    if (this.#ending.signal.aborted) return;
    if (this.#waiting >= WAITING_MAX) {
      this.#parts.metrics.count('access_refused', 1, { reason: 'busy' });
      this.#parts.signal(attempt.device, 'refused');
      return;
    }
    this.#waiting += 1;
    const before = this.#last;
    this.#last = this.#track(async () => {
      await before;
      this.#waiting -= 1;
      if (!this.#ending.signal.aborted) await this.#judge(attempt);
    });
  }

  async #judge(attempt: Attempt): Promise<void> {
    const { code, device, method, observed } = attempt;
    const { dueFor, store, verifier } = this.#parts;
    const served = this.#served(device);
    const lockedMs = this.#attempts.lockedMs(device);
    if (lockedMs > 0) return this.#refuse(attempt, 'locked', { lockedMs });
    const begun = this.#attempts.begin(device);
    const credential = store.find(await verifier.of(code));
    const refusal: Refusal | undefined =
      credential === undefined
        ? 'unknown_code'
        : served === undefined
          ? 'not_here'
          : refusalOf(credential, store.moment());
    if (credential === undefined || served === undefined || refusal !== undefined)
      return this.#refuse(attempt, refusal ?? 'not_here', { begun, credential: credential?.id });
    const due = dueFor(credential.actor);
    const reach = reachOf(credential, due, served);
    if (reach.length === 0) {
      const reason = credential.compartments.length === 0 ? 'nothing_assigned' : 'not_here';
      return this.#refuse(attempt, reason, { begun, credential: credential.id });
    }
    const compartment = meantOf(reach, due);
    if (compartment !== undefined) {
      // Whoever was let in here before chooses no door with this person before the device.
      this.#sessions.end(device);
      const right = { credential, compartment, method };
      // Only until it is recorded: the door may take its time, and somebody else may be waiting.
      return await this.#open(device, right, observed, begun);
    }
    await this.#beginSession(device, { credential, reach, method }, observed, begun);
  }

  /** Several doors are meant: the next scan or entry says which. */
  async #beginSession(device: string, session: Session, observed: Observed, begun: Begun): Promise<void> {
    const { id: credential, actor } = session.credential;
    this.#parts.store.setGuards(this.#attempts.forgiven(begun));
    const words: GrantWords = { device, actor, credential, method: session.method, attempts: begun.attempts };
    if (!(await this.#recorded(() => this.#words.granted(observed, words)))) return this.#sayRefused(device);
    this.#sessions.begin(device, session, observed.upMs);
    this.#sayGranted(device);
  }

  async #open(device: string, right: Right, observed: Observed, begun: Begun | undefined): Promise<void> {
    const { compartment, credential, method } = right;
    const { store } = this.#parts;
    const intent = new Uint8Array(randomBytes(16));
    const guards = begun === undefined ? new Map() : this.#attempts.forgiven(begun);
    const attempts = begun?.attempts ?? 0;
    if (!store.use({ intent, credential: credential.id, compartment }, guards)) {
      const reason = refusalOf(store.get(credential.id) ?? credential, store.moment()) ?? 'used';
      this.#words.refused(observed, { device, method, attempts, reason, credential: credential.id });
      return this.#sayRefused(device);
    }
    const { actor, id } = credential;
    const words: GrantWords = { device, actor, credential: id, method, attempts, compartment };
    if (!(await this.#recorded(() => this.#words.granted(observed, words)))) {
      // Nobody asked for the door yet: that is certain, and so the use is given back.
      store.finish(intent, true);
      return this.#sayRefused(device);
    }
    if (store.get(id)?.isRevoked !== false) {
      // Taken back while it was written down: whoever was told so relies on it.
      store.finish(intent, true);
      this.#words.refused(observed, { device, method, attempts, reason: 'revoked', credential: id, compartment });
      return this.#sayRefused(device);
    }
    this.#sayGranted(device);
    this.#track(() => this.#ask(device, right, intent, attempts));
  }

  async #ask(device: string, right: Right, id: Uint8Array, attempts: number): Promise<void> {
    const { compartment, credential, method, about } = right;
    const { doors, metrics, observer, store } = this.#parts;
    const { actor } = credential;
    const request = { id, compartment, actor, cause: 'access', method, ...(about !== undefined && { about }) } as const;
    const outcome: OpenOutcome = await doors.open(request, this.#ending.signal);
    metrics.count('access_openings', 1, { outcome: outcome.kind });
    if (outcome.kind === 'refused') {
      const reason = `door_${outcome.reason}`;
      const words = { device, method, attempts, reason, credential: credential.id, compartment };
      this.#words.refused(observer.observe(), words);
      this.#sayRefused(device);
    }
    // A refused request sent nothing: whoever holds the code may come again.
    store.finish(id, outcome.kind === 'refused');
  }

  /** True when the entry is durable. */
  async #recorded(say: () => 'queued' | 'refused'): Promise<boolean> {
    const { appender, logger } = this.#parts;
    if (say() === 'refused') return false;
    try {
      await appender.flush(AbortSignal.timeout(RECORD_LIMIT_MS));
      return true;
    } catch (error) {
      logger.warn({ reason: explain(error) }, 'access is refused: it cannot be recorded');
      return false;
    }
  }

  #refuse(
    { device, method, observed }: Attempt,
    reason: Refusal | 'locked',
    more: { readonly begun?: Begun; readonly lockedMs?: number; readonly credential?: string | undefined },
  ): void {
    const { begun, credential } = more;
    const lockedMs = more.lockedMs ?? begun?.locksMs ?? 0;
    this.#parts.metrics.count('access_refused', 1, { reason });
    this.#words.refused(observed, { device, method, attempts: begun?.attempts ?? 0, reason, lockedMs, credential });
    this.#parts.signal(device, 'refused');
  }

  #sayGranted(device: string): void {
    this.#parts.metrics.count('access_granted', 1);
    this.#parts.signal(device, 'granted');
  }

  #sayRefused(device: string): void {
    this.#parts.metrics.count('access_refused', 1, { reason: 'not_opened' });
    this.#parts.signal(device, 'refused');
  }

  /** A store that fails opens nothing, and ends nothing either. */
  #track(work: () => Promise<void>): Promise<void> {
    const done = work()
      .catch((error: unknown) => {
        this.#parts.metrics.count('access_refused', 1, { reason: 'failed' });
        this.#parts.logger.error({ reason: explain(error) }, 'access is refused: its store does not answer');
      })
      .finally(() => this.#running.delete(done));
    this.#running.add(done);
    return done;
  }

  #arm(): void {
    this.#timer = this.#parts.scheduler.after(TICK_MS, () => {
      try {
        this.#parts.store.tick();
      } catch (error) {
        this.#parts.logger.warn({ reason: explain(error) }, 'the clock of access could not be written down');
      }
      this.#arm();
    });
  }
}
