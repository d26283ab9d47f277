/**
 * The answer of whatever reads bytes from outside: a value, or a named reason.
 *
 * Bad input is ordinary, so it is a value and never an exception. `reason` is stable and documented; `detail` says in
 * words what was expected and what was found, and never repeats secrets or personal data.
 */
export type Result<T, R extends string = string> = Accepted<T> | Refused<R>;

export interface Accepted<T> {
  readonly ok: true;
  readonly value: T;
}

export interface Refused<R extends string = string> {
  readonly ok: false;
  readonly reason: R;
  readonly detail: string;
}

export function accept<T>(value: T): Accepted<T> {
  return { ok: true, value };
}

export function refuse<R extends string>(reason: R, detail: string): Refused<R> {
  return { ok: false, reason, detail };
}
