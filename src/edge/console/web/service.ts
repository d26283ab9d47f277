/** What an endpoint of the page's server works with, and what it is given of one request. */
import type { Clock } from '../../../base/clock.ts';
import type { Logger } from '../../../base/logger.ts';
import type { Session, SessionStore } from '../../../platform/http/sessions.ts';
import type { ConsoleRole, SessionView } from '../../contracts/console-view.ts';
import type { ConsoleWebSettings, Person } from '../settings.ts';
import type { Daemon } from './daemon.ts';
import type { Gate } from './gate.ts';
import type { Live } from './live.ts';
import type { People } from './people.ts';
import type { Problem } from './problems.ts';

export const SESSION_COOKIE = 'latchkey_session';
export const BROWSER_COOKIE = 'latchkey_browser';

export interface SignedIn {
  readonly role: ConsoleRole;
  readonly hasFactor: boolean;
  /** The hash of the password that it began with. */
  readonly secret: string;
  /** What the daemon gave for a code, and until when. */
  ticket?: { readonly text: string; readonly untilMs: number } | undefined;
}

export interface Service {
  readonly settings: ConsoleWebSettings;
  readonly daemon: Daemon;
  readonly people: People;
  readonly sessions: SessionStore<SignedIn>;
  readonly live: Live;
  /** How many questions the daemon is asked at a time. */
  readonly reads: Gate;
  readonly acts: Gate;
  readonly walks: Gate;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly isSecure: boolean;
}

export interface Call {
  readonly request: Request;
  readonly address: string;
  /** Of a POST: what its body holds, as JSON. */
  readonly body: unknown;
  readonly query: URLSearchParams;
}

export interface SessionCall extends Call {
  readonly session: Session<SignedIn>;
}

export type Answer =
  | { readonly kind: 'json'; readonly value: unknown; readonly cookies?: readonly string[] }
  | { readonly kind: 'stream'; readonly type: string; readonly stream: ReadableStream<Uint8Array> }
  | { readonly kind: 'problem'; readonly problem: Problem };

export function json(value: unknown, cookies: readonly string[] = []): Answer {
  return { kind: 'json', value, cookies };
}

export function refusal(problem: Problem): Answer {
  return { kind: 'problem', problem };
}

export function sessionView({ sessions, clock }: Service, session: Session<SignedIn>): SessionView {
  return {
    person: session.person,
    role: session.value.role,
    csrf: session.csrf,
    expiresInS: Math.floor(sessions.expiresInMs(session) / 1_000),
    elevatedForS: Math.ceil(Math.max(0, (session.value.ticket?.untilMs ?? 0) - clock.monotonicMs()) / 1_000),
  };
}

export function signedIn(person: Person, secret: string): SignedIn {
  return { role: person.role, hasFactor: person.totp_file !== undefined, secret };
}

/** The ticket that still counts, or undefined. */
export function ticketOf({ clock }: Service, { value }: Session<SignedIn>): string | undefined {
  return value.ticket !== undefined && value.ticket.untilMs > clock.monotonicMs() ? value.ticket.text : undefined;
}
