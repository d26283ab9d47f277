/**
 * People at the box: what a configured person does there with a code from an authenticator, through the control socket.
 *
 * Whoever may open the socket is one factor, the code is the other. A code counts once, also across a power cut: that it
 * was used is durable before anything is done for it. Wrong codes lock the person out, and every act has its actor in the
 * journal.
 */
import type { Scheduler } from '../../base/clock.ts';
import { LatchkeyError } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import type { Metrics } from '../../base/metrics.ts';
import type { Actor, EventBody } from '../../evidence/event/event.ts';
import { type CodeChecker, openCodeChecker } from '../../platform/one-time-codes.ts';
import type { Appender } from '../contracts/appender.ts';
import type { Doors, OpenOutcome } from '../contracts/doors.ts';
import type { Observer } from '../contracts/observed.ts';
import { AttemptFile, FAILURES_MAX } from './attempts.ts';
import type { ConsoleSettings, Person } from './settings.ts';

export const LOCKED_MS = 900_000;

export type ConsoleVerb = 'open' | 'stop_pick' | 'resume' | 'recount';

const ADMINISTRATORS_ONLY: ReadonlySet<ConsoleVerb> = new Set(['resume']);

export interface ConsoleAct {
  readonly verb: ConsoleVerb;
  readonly person: string;
  readonly code: string;
  /** Of `open`. */
  readonly compartment?: string;
}

export interface ConsoleAnswer {
  /** `opened`, `unverified`, `refused`, `stopped`, `resumed`, `counted`. */
  readonly result: string;
  readonly reason?: string;
  readonly tookMs?: number;
  readonly compartments?: number;
}

export interface ConsoleParts {
  readonly settings: ConsoleSettings;
  /** In the data directory, beside the journal. */
  readonly attemptsPath: string;
  readonly doors: Doors;
  readonly newId: () => Uint8Array;
  readonly appender: Appender;
  readonly observer: Observer;
  readonly scheduler: Scheduler;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

type Factor = { readonly ok: true } | { readonly ok: false; readonly reason: string; readonly lockedMs?: number };

export class ConsoleRoom {
  readonly #parts: ConsoleParts;
  readonly #attempts: AttemptFile;
  /** Monotonic end of a lockout. */
  readonly #lockedUntil = new Map<string, number>();
  /** One attempt after the other: two at once must not use one code. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(parts: ConsoleParts) {
    this.#parts = parts;
    this.#attempts = new AttemptFile(parts.attemptsPath);
    if (this.#attempts.unreadable) parts.logger.error({}, 'what codes were used is unreadable: all are locked out');
    const untilMs = parts.scheduler.monotonicMs() + LOCKED_MS;
    // Whoever was locked out when the daemon ended begins anew: no clock that can be set shortens it.
    for (const { name } of parts.settings.people) {
      if (this.#attempts.of(name).failures >= FAILURES_MAX) this.#lockedUntil.set(name, untilMs);
    }
  }

  /**
   * Does it, if the code is this person's and new; a wrong code is an answer. Rejects with KEY_PERMISSIONS and the like when
   * the secret cannot be read, and with JOURNAL_IO when what must last cannot be written.
   */
  async act(act: ConsoleAct, signal: AbortSignal): Promise<ConsoleAnswer> {
    const person = this.#parts.settings.people.find(({ name }) => name === act.person);
    // One answer for both, so that nobody learns who is configured.
    if (person === undefined) return this.#refuse('unknown_person_or_code');
    const factor = await this.#inTurn(() => this.#check(person, act.code));
    if (!factor.ok) return this.#refuse(factor.reason, person, factor.lockedMs);
    const actor: Actor = { kind: person.role === 'technician' ? 'technician' : 'operator', ref: person.name };
    const target = act.compartment === undefined ? {} : { target: act.compartment };
    const acted = (result: string): void =>
      this.#say({ actor, data: { action: act.verb, result, ...target }, type: 'console.acted' });
    try {
      const answer: ConsoleAnswer =
        ADMINISTRATORS_ONLY.has(act.verb) && person.role !== 'administrator'
          ? { result: 'refused', reason: 'role' }
          : await this.#do(act, actor, signal);
      acted(answer.result);
      return answer;
    } catch (error) {
      acted('failed');
      throw error;
    }
  }

  async #do({ verb, compartment }: ConsoleAct, actor: Actor, signal: AbortSignal): Promise<ConsoleAnswer> {
    const { doors, newId } = this.#parts;
    switch (verb) {
      case 'open': {
        if (compartment === undefined) throw new LatchkeyError('USAGE', 'open: expected a compartment');
        const request = { id: newId(), compartment, actor, cause: 'console', method: 'totp' } as const;
        return answerOf(await doors.open(request, signal));
      }
      case 'stop_pick':
        await doors.stopPick(actor);
        return { result: 'stopped' };
      case 'resume':
        await doors.resume(actor);
        return { result: 'resumed' };
      case 'recount':
        return { result: 'counted', compartments: await doors.recount(actor) };
    }
  }

  async #check(person: Person, code: string): Promise<Factor> {
    const { scheduler, observer } = this.#parts;
    const { name, totp_file } = person;
    const nowMs = scheduler.monotonicMs();
    const untilMs = this.#lockedUntil.get(name);
    if (untilMs !== undefined && nowMs < untilMs) return { ok: false, reason: 'locked', lockedMs: untilMs - nowMs };
    const before = this.#attempts.of(name);
    const checker: CodeChecker = await openCodeChecker(totp_file);
    const step = checker.stepOf(code, observer.observe().wallMs);
    if (step !== undefined && step > before.lastStep) {
      await this.#attempts.set(name, { lastStep: step, failures: 0 });
      this.#lockedUntil.delete(name);
      return { ok: true };
    }
    // After a lockout each further wrong code locks again.
    const failures = Math.min(before.failures + 1, FAILURES_MAX);
    await this.#attempts.set(name, { lastStep: before.lastStep, failures });
    const reason = step === undefined ? 'wrong_code' : 'used_code';
    if (failures < FAILURES_MAX) return { ok: false, reason };
    this.#lockedUntil.set(name, nowMs + LOCKED_MS);
    return { ok: false, reason, lockedMs: LOCKED_MS };
  }

  #refuse(reason: string, person?: Person, lockedMs?: number): ConsoleAnswer {
    const { metrics, logger } = this.#parts;
    metrics.count('console_refused', 1, { reason });
    logger.warn({ person: person?.name ?? '', reason }, 'an act at the box was refused');
    // While somebody is locked out nothing is looked at, and a flood of tries must not fill the log.
    if (person !== undefined && reason !== 'locked') {
      const actor: Actor = { kind: person.role === 'technician' ? 'technician' : 'operator', ref: person.name };
      const attempts = this.#attempts.of(person.name).failures;
      const locked = lockedMs === undefined ? {} : { locked_ms: Math.round(lockedMs) };
      this.#say({ actor, data: { attempts, ...locked, method: 'totp', reason }, type: 'access.refused' });
    }
    const shown = reason === 'wrong_code' || reason === 'used_code' ? 'unknown_person_or_code' : reason;
    return { result: 'refused', reason: shown };
  }

  #say(body: EventBody): void {
    const { appender, observer } = this.#parts;
    appender.append({ observed: observer.observe(), body, urgent: true });
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(work, work);
    this.#turn = turn.catch(() => undefined);
    return turn;
  }
}

function answerOf(outcome: OpenOutcome): ConsoleAnswer {
  switch (outcome.kind) {
    case 'opened':
      return { result: 'opened', tookMs: outcome.tookMs };
    case 'unverified':
      return { result: 'unverified', reason: outcome.reason };
    case 'refused':
      return { result: 'refused', reason: outcome.reason };
  }
}
