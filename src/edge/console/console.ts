/**
 * People at the box: what a configured person does there with a code from an authenticator, through the control socket.
 *
 * Whoever may open the socket is one factor (or a password at the page), the code is the other. A code counts once, also across a power cut: that it
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
import type { ActAnswer, ActRequest } from '../contracts/console-view.ts';
import type { Doors, OpenOutcome } from '../contracts/doors.ts';
import type { Observer } from '../contracts/observed.ts';
import { AttemptFile, FAILURES_MAX } from './attempts.ts';
import { ACT_ROLES, actorKind } from './roles.ts';
import type { ConsoleSettings, Person } from './settings.ts';
import { TICKET_MS, Tickets } from './tickets.ts';

export const LOCKED_MS = 900_000;
const TARGET_CHARS_MAX = 64;
const REFUSED_ROLE = { result: 'refused', reason: 'role' } as const;

/** A code of the authenticator, or the ticket that one gave. */
export type Proof = { readonly code: string } | { readonly ticket: string };

export interface ConsoleAct {
  readonly person: string;
  readonly proof: Proof;
  readonly request: ActRequest;
}

export type ElevateAnswer =
  | { readonly result: 'elevated'; readonly ticket: string; readonly for_s: number }
  | { readonly result: 'refused'; readonly reason: string };

/** Of maintenance windows, which custody keeps. */
export interface MaintenanceDesk {
  /** A word when it is refused. */
  begin(actor: Actor, compartments: readonly string[], minutes: number): string | undefined;
  /** False when there is none of that id. */
  end(id: string): boolean;
}

export interface ConsoleParts {
  readonly settings: ConsoleSettings;
  /** In the data directory, beside the journal. */
  readonly attemptsPath: string;
  readonly doors: Doors;
  readonly maintenance: MaintenanceDesk;
  readonly newId: () => Uint8Array;
  readonly appender: Appender;
  readonly observer: Observer;
  readonly scheduler: Scheduler;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

type Factor =
  | { readonly ok: true; readonly person: Person }
  | { readonly ok: false; readonly reason: string; readonly lockedMs?: number };

export class ConsoleRoom {
  readonly #parts: ConsoleParts;
  readonly #attempts: AttemptFile;
  readonly #tickets: Tickets;
  /** Monotonic end of a lockout. */
  readonly #lockedUntil = new Map<string, number>();
  /** One attempt after the other: two at once must not use one code. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(parts: ConsoleParts) {
    this.#parts = parts;
    this.#attempts = new AttemptFile(parts.attemptsPath);
    this.#tickets = new Tickets(parts.scheduler);
    if (this.#attempts.unreadable) parts.logger.error({}, 'what codes were used is unreadable: all are locked out');
    const untilMs = parts.scheduler.monotonicMs() + LOCKED_MS;
    // Whoever was locked out when the daemon ended begins anew: no clock that can be set shortens it.
    for (const { name } of parts.settings.people) {
      if (this.#attempts.of(name).failures >= FAILURES_MAX) this.#lockedUntil.set(name, untilMs);
    }
  }

  /**
   * Does it, if the proof is this person's and counts; a wrong code is an answer. Rejects with KEY_PERMISSIONS and the like
   * when the secret cannot be read, and with JOURNAL_IO when what must last cannot be written.
   */
  async act({ person: name, proof, request }: ConsoleAct, signal: AbortSignal): Promise<ActAnswer> {
    const factor = await this.#prove(name, proof);
    if (!factor.ok) return { result: 'refused', reason: factor.reason };
    return this.#recorded(factor.person, request.verb, targetOf(request), async (actor) => {
      const answer = await this.#do(request, actor, signal);
      return { answer, result: answer.result };
    });
  }

  /** A ticket for whoever shows a code, so that the next acts of some minutes need no further one. */
  async elevate(name: string, code: string): Promise<ElevateAnswer> {
    const factor = await this.#prove(name, { code });
    if (!factor.ok) return { result: 'refused', reason: factor.reason };
    return { result: 'elevated', ticket: this.#tickets.give(name), for_s: TICKET_MS / 1_000 };
  }

  /**
   * Has a walk done by whoever holds this ticket, and recorded with its actor. Rejects with KEY_PERMISSIONS without a ticket
   * or in a role that may not, and with whatever the walk rejects with.
   */
  async walk<T>(
    name: string,
    ticket: string,
    { verb, target }: { readonly verb: 'commission' | 'pair'; readonly target: string },
    work: () => Promise<{ readonly answer: T; readonly result: string }>,
  ): Promise<T> {
    const factor = await this.#prove(name, { ticket });
    if (!factor.ok) throw new LatchkeyError('KEY_PERMISSIONS', `${verb}: expected a second factor that counts`);
    const answer = await this.#recorded<T | ActAnswer>(factor.person, verb, target, work);
    if (isRoleRefusal(answer))
      throw new LatchkeyError('KEY_PERMISSIONS', `${verb}: this person's role does not allow it`);
    return answer as T;
  }

  /** Whatever it comes to is an entry of the journal. */
  async #recorded<T>(
    person: Person,
    verb: keyof typeof ACT_ROLES,
    target: string | undefined,
    work: (actor: Actor) => Promise<{ readonly answer: T; readonly result: string }>,
  ): Promise<T | typeof REFUSED_ROLE> {
    const actor: Actor = { kind: actorKind(person.role), ref: person.name };
    const about = target === undefined ? {} : { target: target.slice(0, TARGET_CHARS_MAX) };
    const acted = (result: string): void =>
      this.#say({ actor, data: { action: verb, result, ...about }, type: 'console.acted' });
    try {
      if (!ACT_ROLES[verb].includes(person.role)) {
        acted(REFUSED_ROLE.result);
        return REFUSED_ROLE;
      }
      const { answer, result } = await work(actor);
      acted(result);
      return answer;
    } catch (error) {
      acted('failed');
      throw error;
    }
  }

  async #do(request: ActRequest, actor: Actor, signal: AbortSignal): Promise<ActAnswer> {
    const { doors, newId, maintenance } = this.#parts;
    switch (request.verb) {
      case 'open': {
        const { compartment } = request;
        const asked = { id: newId(), compartment, actor, cause: 'console', method: 'totp' } as const;
        return answerOf(await doors.open(asked, signal));
      }
      case 'stop_pick':
        await doors.stopPick(actor);
        return { result: 'stopped' };
      case 'resume':
        await doors.resume(actor);
        return { result: 'resumed' };
      case 'recount':
        return { result: 'counted', compartments: await doors.recount(actor) };
      case 'maintain': {
        const reason = maintenance.begin(actor, request.compartments, request.minutes);
        return reason === undefined ? { result: 'opened' } : { result: 'refused', reason };
      }
      case 'end_maintenance':
        return maintenance.end(request.id) ? { result: 'closed' } : { result: 'refused', reason: 'unknown_window' };
    }
  }

  async #prove(name: string, proof: Proof): Promise<Factor> {
    const person = this.#parts.settings.people.find((each) => each.name === name);
    // One answer for both, so that nobody learns who is configured.
    if (person === undefined) return this.#refuse('unknown_person_or_code');
    if ('ticket' in proof) {
      return this.#tickets.isOf(name, proof.ticket) ? { ok: true, person } : { ok: false, reason: 'second_factor' };
    }
    const factor = await this.#inTurn(() => this.#check(person, proof.code));
    return factor.ok ? factor : this.#refuse(factor.reason, person, factor.lockedMs);
  }

  async #check(person: Person, code: string): Promise<Factor> {
    const { scheduler, observer } = this.#parts;
    const { name, totp_file } = person;
    if (totp_file === undefined) return { ok: false, reason: 'unknown_person_or_code' };
    const nowMs = scheduler.monotonicMs();
    const untilMs = this.#lockedUntil.get(name);
    if (untilMs !== undefined && nowMs < untilMs) return { ok: false, reason: 'locked', lockedMs: untilMs - nowMs };
    const before = this.#attempts.of(name);
    const checker: CodeChecker = await openCodeChecker(totp_file);
    const step = checker.stepOf(code, observer.observe().wallMs);
    if (step !== undefined && step > before.lastStep) {
      await this.#attempts.set(name, { lastStep: step, failures: 0 });
      this.#lockedUntil.delete(name);
      return { ok: true, person };
    }
    // After a lockout each further wrong code locks again.
    const failures = Math.min(before.failures + 1, FAILURES_MAX);
    await this.#attempts.set(name, { lastStep: before.lastStep, failures });
    const reason = step === undefined ? 'wrong_code' : 'used_code';
    if (failures < FAILURES_MAX) return { ok: false, reason };
    this.#lockedUntil.set(name, nowMs + LOCKED_MS);
    return { ok: false, reason, lockedMs: LOCKED_MS };
  }

  #refuse(reason: string, person?: Person, lockedMs?: number): Factor {
    const { metrics, logger } = this.#parts;
    metrics.count('console_refused', 1, { reason });
    logger.warn({ person: person?.name ?? '', reason }, 'an act at the box was refused');
    // While somebody is locked out nothing is looked at, and a flood of tries must not fill the log.
    if (person?.totp_file !== undefined && reason !== 'locked') {
      const actor: Actor = { kind: actorKind(person.role), ref: person.name };
      const attempts = this.#attempts.of(person.name).failures;
      const locked = lockedMs === undefined ? {} : { locked_ms: Math.round(lockedMs) };
      this.#say({ actor, data: { attempts, ...locked, method: 'totp', reason }, type: 'access.refused' });
    }
    const shown = reason === 'wrong_code' || reason === 'used_code' ? 'unknown_person_or_code' : reason;
    return { ok: false, reason: shown };
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

function targetOf(request: ActRequest): string | undefined {
  if (request.verb === 'open') return request.compartment;
  if (request.verb === 'maintain') return request.compartments.length === 0 ? 'all' : request.compartments.join(' ');
  return request.verb === 'end_maintenance' ? request.id : undefined;
}

function isRoleRefusal(answer: unknown): boolean {
  return answer === REFUSED_ROLE;
}

function answerOf(outcome: OpenOutcome): ActAnswer {
  switch (outcome.kind) {
    case 'opened':
      return { result: 'opened', tookMs: outcome.tookMs };
    case 'unverified':
      return { result: 'unverified', reason: outcome.reason };
    case 'refused':
      return { result: 'refused', reason: outcome.reason };
  }
}
