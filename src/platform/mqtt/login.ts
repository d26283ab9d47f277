/**
 * A login that is made anew for each connection: for a key that signs a short-lived token instead of a password that
 * lies on a disk. Before it expires a new one is made, while the connection stands; only then is it exchanged.
 */
import { assert } from '../../base/assert.ts';
import type { Scheduler, Timer } from '../../base/clock.ts';
import { LatchkeyError } from '../../base/errors.ts';

export interface MqttLogin {
  readonly username: string;
  /** At most 65,535 bytes. */
  readonly password: Uint8Array;
  /** For how long the broker takes it, counted from when it was given; for good when left out. */
  readonly validForMs?: number;
}

/** Asked before each connection and before an expiry. The signal fires when nobody waits any more. May reject. */
export type MqttLoginSource = (signal: AbortSignal) => Promise<MqttLogin>;

/** A login and the time of its making, on the monotonic clock. */
export interface MadeLogin {
  readonly login: MqttLogin;
  readonly madeAtMs: number;
}

/** Between these shares of its life a login is renewed: jitter, or a fleet that started together renews together. */
const RENEW_FROM = 0.6;
const RENEW_SPREAD = 0.2;
/** Also between attempts to renew. A source that gives shorter lives cannot make us spin. */
const RENEW_WAIT_MS_MIN = 100;
/** setTimeout takes 31 bits. */
const RENEW_WAIT_MS_MAX = 2_147_000_000;
/** Attempts to renew between the first one and the expiry, should the key be away. */
const RENEW_TRIES = 20;

export interface LoginKeeperParts {
  readonly source: MqttLoginSource;
  readonly limitMs: number;
  readonly scheduler: Scheduler;
  readonly random: () => number;
  /** A new login is there: connect with it. */
  readonly renewed: (made: MadeLogin) => void;
  readonly failed: (error: unknown) => void;
}

export class LoginKeeper {
  readonly #parts: LoginKeeperParts;
  readonly #asked = new Set<AbortController>();
  #timer: Timer | undefined;
  #closed = false;

  constructor(parts: LoginKeeperParts) {
    this.#parts = parts;
  }

  /** Rejects with TIMED_OUT when the source is silent, with BROKER_UNREACHABLE when closed, or as the source does. */
  make(): Promise<MadeLogin> {
    const { scheduler, limitMs } = this.#parts;
    const stop = new AbortController();
    this.#asked.add(stop);
    const timer = scheduler.after(limitMs, () =>
      stop.abort(new LatchkeyError('TIMED_OUT', `no login for the broker was made in ${limitMs} ms`)),
    );
    const madeAtMs = scheduler.monotonicMs();
    return new Promise<MadeLogin>((resolve, reject) => {
      stop.signal.addEventListener('abort', () => reject(stop.signal.reason), { once: true });
      Promise.resolve()
        .then(() => this.#parts.source(stop.signal))
        .then((login) => resolve({ login, madeAtMs }), reject);
    }).finally(() => {
      timer.cancel();
      this.#asked.delete(stop);
    });
  }

  /** A connection stands with this login: its successor is made in time. */
  watch({ login, madeAtMs }: MadeLogin): void {
    this.unwatch();
    if (login.validForMs === undefined) return;
    assert(login.validForMs > 0 && Number.isFinite(login.validForMs), 'a login is valid for a while, or for good');
    const { scheduler, random } = this.#parts;
    const share = RENEW_FROM + RENEW_SPREAD * random();
    const waitMs = madeAtMs + share * login.validForMs - scheduler.monotonicMs();
    this.#renewIn(waitMs, login.validForMs);
  }

  /** The connection is gone, and with it the need. */
  unwatch(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  close(): void {
    this.#closed = true;
    this.unwatch();
    for (const stop of this.#asked) stop.abort(new LatchkeyError('BROKER_UNREACHABLE', 'the connection was closed'));
  }

  #renewIn(waitMs: number, validForMs: number): void {
    const boundedMs = Math.min(Math.max(waitMs, RENEW_WAIT_MS_MIN), RENEW_WAIT_MS_MAX);
    const timer = this.#parts.scheduler.after(boundedMs, () => {
      this.make().then(
        (made) => {
          if (this.#timer === timer) this.#parts.renewed(made);
        },
        (error: unknown) => {
          if (this.#timer !== timer || this.#closed) return;
          this.#parts.failed(error);
          this.#renewIn((validForMs * (1 - RENEW_FROM)) / RENEW_TRIES, validForMs);
        },
      );
    });
    this.#timer = timer;
  }
}
