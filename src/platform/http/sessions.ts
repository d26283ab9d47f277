/**
 * Sessions of people in browsers, in memory: a random token in a cookie, of which only the hash is kept here; an end by age
 * and one by idleness, on a clock that nobody can set; a bounded number for each person and in all.
 */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { base64url, utf8 } from '../../base/bytes.ts';
import type { Clock } from '../../base/clock.ts';

const TOKEN_BYTES = 32;
const TOKEN = /^[A-Za-z0-9_-]{43}$/;

export interface SessionLimits {
  /** The longest that one lasts. */
  readonly ageMs: number;
  /** The longest without anything that `touch` was called for. */
  readonly idleMs: number;
  /** The oldest of a person gives way to a further one. */
  readonly perPerson: number;
  readonly together: number;
}

export interface Session<T> {
  readonly person: string;
  /** Comes back in a header of whatever changes something. */
  readonly csrf: string;
  value: T;
}

interface Held<T> extends Session<T> {
  readonly key: string;
  readonly startedMs: number;
  touchedMs: number;
}

export class SessionStore<T> {
  readonly #clock: Clock;
  readonly #limits: SessionLimits;
  readonly #onEnd: (session: Session<T>) => void;
  /** By the token's hash, oldest first. */
  readonly #held = new Map<string, Held<T>>();

  constructor(clock: Clock, limits: SessionLimits, onEnd: (session: Session<T>) => void = () => undefined) {
    this.#clock = clock;
    this.#limits = limits;
    this.#onEnd = onEnd;
  }

  get size(): number {
    return this.#held.size;
  }

  /** The token is in the answer alone: nobody finds it here. */
  begin(person: string, value: T): { readonly token: string; readonly session: Session<T> } {
    this.sweep();
    const ofPerson = [...this.#held.values()].filter((held) => held.person === person);
    for (const held of ofPerson.slice(0, Math.max(0, ofPerson.length + 1 - this.#limits.perPerson))) this.#end(held);
    for (const held of this.#held.values()) {
      if (this.#held.size < this.#limits.together) break;
      this.#end(held);
    }
    const token = base64url(Uint8Array.from(randomBytes(TOKEN_BYTES)));
    const csrf = base64url(Uint8Array.from(randomBytes(TOKEN_BYTES)));
    const nowMs = this.#clock.monotonicMs();
    const session: Held<T> = { key: keyOf(token), person, csrf, value, startedMs: nowMs, touchedMs: nowMs };
    this.#held.set(session.key, session);
    return { token, session };
  }

  /** Undefined for what is no token, and for one whose session is over. */
  find(token: string | undefined): Session<T> | undefined {
    if (token === undefined || !TOKEN.test(token)) return undefined;
    const held = this.#held.get(keyOf(token));
    if (held === undefined) return undefined;
    if (this.#leftMs(held) > 0) return held;
    this.#end(held);
    return undefined;
  }

  /** Somebody did something: idleness begins anew. */
  touch(session: Session<T>): void {
    const held = this.#own(session);
    if (held !== undefined) held.touchedMs = this.#clock.monotonicMs();
  }

  expiresInMs(session: Session<T>): number {
    const held = this.#own(session);
    return held === undefined ? 0 : Math.max(0, this.#leftMs(held));
  }

  end(session: Session<T>): void {
    const held = this.#own(session);
    if (held !== undefined) this.#end(held);
  }

  /** Ends those whose time is over. */
  sweep(): void {
    for (const held of this.#held.values()) if (this.#leftMs(held) <= 0) this.#end(held);
  }

  /** Ends those of which that is so. */
  endWhere(isOver: (session: Session<T>) => boolean): void {
    for (const held of [...this.#held.values()]) if (isOver(held)) this.#end(held);
  }

  #own(session: Session<T>): Held<T> | undefined {
    const held = session as Held<T>;
    return this.#held.get(held.key) === held ? held : undefined;
  }

  #leftMs({ startedMs, touchedMs }: Held<T>): number {
    const nowMs = this.#clock.monotonicMs();
    return Math.min(startedMs + this.#limits.ageMs, touchedMs + this.#limits.idleMs) - nowMs;
  }

  #end(held: Held<T>): void {
    this.#held.delete(held.key);
    this.#onEnd(held);
  }
}

/** Whether the header says what the session was given. */
export function isCsrf(session: Pick<Session<unknown>, 'csrf'>, said: string | undefined): boolean {
  const expected = utf8(session.csrf);
  const found = utf8(said ?? '');
  return expected.length === found.length && timingSafeEqual(expected, found);
}

/** Looked up by its hash, so that how long that takes says nothing of a token. */
function keyOf(token: string): string {
  return createHash('sha256').update(token).digest('base64url');
}

/** The value of a cookie of the request, or undefined; the first where a name comes twice. */
export function cookieOf(header: string | null | undefined, name: string): string | undefined {
  for (const pair of (header ?? '').split(';')) {
    const at = pair.indexOf('=');
    if (at > 0 && pair.slice(0, at).trim() === name) return pair.slice(at + 1).trim();
  }
  return undefined;
}

export interface CookieAttributes {
  readonly path: string;
  readonly maxAgeS: number;
  readonly isSecure: boolean;
}

/** HttpOnly and SameSite=Strict always: no script reads it, no other site sends it. */
export function setCookie(name: string, value: string, { path, maxAgeS, isSecure }: CookieAttributes): string {
  const secure = isSecure ? '; Secure' : '';
  return `${name}=${value}; Path=${path}; Max-Age=${Math.floor(maxAgeS)}; HttpOnly; SameSite=Strict${secure}`;
}
