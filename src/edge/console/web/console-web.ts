/**
 * The page's server: files out of a table, and the endpoints, each behind the same questions in the same order: is it asked
 * of us, by a page of ours, within its rate, by somebody who is signed in, in a role that may, with a second factor.
 *
 * Whoever floods it holds up nobody but whoever else looks at the page: it runs in a thread of its own, and the daemon is
 * asked few things at a time. Logged is who signed in, never a password, a code, a token or a body.
 */
import { Hono } from 'hono';
import type { Scheduler, Timer } from '../../../base/clock.ts';
import { explain, LatchkeyError } from '../../../base/errors.ts';
import type { Logger } from '../../../base/logger.ts';
import { isOwnHost, isOwnOrigin } from '../../../platform/http/browser-guard.ts';
import { RateLimit } from '../../../platform/http/rate-limit.ts';
import { type HttpServer, readBody, startHttp } from '../../../platform/http/server.ts';
import { cookieOf, isCsrf, SessionStore } from '../../../platform/http/sessions.ts';
import { SignInLimit } from '../../../platform/http/sign-in-limit.ts';
import { answerFile, type StaticFiles } from '../../../platform/http/static-files.ts';
import type { ConsoleWebSettings, Person } from '../settings.ts';
import type { Daemon } from './daemon.ts';
import { ENDPOINTS, type Endpoint } from './endpoints.ts';
import { Gate } from './gate.ts';
import { Live } from './live.ts';
import { People } from './people.ts';
import { type Problem, type ProblemCode, problem, problemResponse } from './problems.ts';
import { type Answer, refusal, SESSION_COOKIE, type Service, type SignedIn, ticketOf } from './service.ts';

const BODY_BYTES_MAX = 16_384;
const SESSIONS = { perPerson: 8, together: 256 } as const;
const SIGN_IN_RATES = { perAddress: 10, perBrowser: 10, together: 60 } as const;
/** Of one person, whatever its addresses. */
const PERSON_PER_MINUTE = 300;
const LOOK_EVERY_MS = 1_000;
const LOOK_AT_PASSWORDS_MS = 5_000;
export const CSP =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const HEADERS = {
  'content-security-policy': CSP,
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'permissions-policy': 'camera=(), geolocation=(), microphone=()',
  'cache-control': 'no-store',
} as const;
const STRICT_TRANSPORT = { 'strict-transport-security': 'max-age=31536000' } as const;

export interface ConsoleWebParts {
  readonly settings: ConsoleWebSettings;
  readonly people: readonly Person[];
  /** Empty where the page was not built. */
  readonly files: StaticFiles;
  readonly daemon: Daemon;
  readonly scheduler: Scheduler;
  readonly logger: Logger;
}

type Env = { Bindings: { readonly address: string } };

/** Rejects as `startHttp` does. */
export async function serveConsole(parts: ConsoleWebParts): Promise<HttpServer> {
  const web = new ConsoleWeb(parts);
  const server = await startHttp({
    settings: parts.settings,
    handle: (request, address) => web.handle(request, address),
    tooMany: () => web.refuse(problem('too_many_requests')),
    clock: parts.scheduler,
    logger: parts.logger,
  });
  return {
    ...server,
    close: () => {
      web.stop();
      return server.close();
    },
  };
}

export class ConsoleWeb {
  readonly #service: Service;
  readonly #parts: ConsoleWebParts;
  readonly #people: RateLimit;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #app: Hono<Env>;
  #timer: Timer | undefined;
  #passwordsAtMs = 0;

  constructor(parts: ConsoleWebParts) {
    const { settings, scheduler, daemon, logger } = parts;
    const live = new Live(daemon, settings, scheduler, logger);
    const ages = { ageMs: settings.session_s * 1_000, idleMs: settings.idle_s * 1_000 };
    const sessions = new SessionStore<SignedIn>(scheduler, { ...ages, ...SESSIONS }, (session) => live.end(session));
    const people = new People(parts.people, new SignInLimit(scheduler, SIGN_IN_RATES), logger);
    const gates = { reads: new Gate(2, 8), acts: new Gate(2, 4), walks: new Gate(2, 0) };
    const isSecure = settings.tls !== undefined;
    this.#service = { settings, daemon, people, sessions, live, ...gates, clock: scheduler, logger, isSecure };
    this.#parts = parts;
    this.#people = new RateLimit(scheduler, PERSON_PER_MINUTE);
    this.#headers = isSecure ? { ...HEADERS, ...STRICT_TRANSPORT } : HEADERS;
    this.#app = this.#routes();
    this.#look();
  }

  async handle(request: Request, address: string): Promise<Response> {
    const host = request.headers.get('host') ?? undefined;
    if (!isOwnHost(host, this.#parts.settings)) return this.refuse(problem('wrong_host', 'see console.web.names'));
    return this.#app.fetch(request, { address });
  }

  refuse(found: Problem): Response {
    return problemResponse(found, this.#headers);
  }

  stop(): void {
    this.#timer?.cancel();
    this.#service.live.stop();
  }

  /** Sessions end by the clock, also those whose pages only listen. */
  #look(): void {
    this.#timer = this.#parts.scheduler.after(LOOK_EVERY_MS, () => {
      this.#service.sessions.sweep();
      this.#lookAtPasswords();
      this.#look();
    });
  }

  /** Whoever has another password since, or none, signs in anew: so somebody who stole the one before is put out. */
  #lookAtPasswords(): void {
    const { sessions, people, clock } = this.#service;
    if (clock.monotonicMs() - this.#passwordsAtMs < LOOK_AT_PASSWORDS_MS) return;
    this.#passwordsAtMs = clock.monotonicMs();
    const secrets = new Map<string, string | undefined>();
    sessions.endWhere(({ person, value }) => {
      if (!secrets.has(person)) secrets.set(person, people.secretOf(person));
      return secrets.get(person) !== value.secret;
    });
  }

  #routes(): Hono<Env> {
    const app = new Hono<Env>();
    for (const endpoint of ENDPOINTS) {
      app.on(endpoint.method, endpoint.path, async (c) => {
        return this.#response(await this.#answer(endpoint, c.req.raw, c.env.address));
      });
    }
    for (const { path, method } of ENDPOINTS) {
      app.all(path, () => this.refuse(problem('method_not_allowed', `expected ${method}`, { allow: method })));
    }
    app.all('*', (c) => this.#file(c.req.raw));
    app.onError((error) => this.#failed(error));
    return app;
  }

  #file(request: Request): Response {
    const { pathname } = new URL(request.url);
    if (pathname.startsWith('/api/')) return this.refuse(problem('no_such_path'));
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      return this.refuse(problem('method_not_allowed', 'expected GET', { allow: 'GET, HEAD' }));
    }
    const file = this.#parts.files.get(pathname);
    if (file !== undefined) return answerFile(file, request, this.#headers);
    if (this.#parts.files.size > 0) return this.refuse(problem('no_such_path'));
    return new Response('the page is not built: run "npm run build"\n', {
      status: 503,
      headers: { ...this.#headers, 'content-type': 'text/plain; charset=utf-8' },
    });
  }

  async #answer(endpoint: Endpoint, request: Request, address: string): Promise<Answer> {
    const isPost = endpoint.method === 'POST';
    if (isPost && !isOwnOrigin(request.headers)) return no('wrong_origin');
    const query = new URL(request.url).searchParams;
    if (endpoint.access === 'public') {
      const read = await readJson(request);
      return read.ok ? endpoint.run({ request, address, query, body: read.body }, this.#service) : no(read.code);
    }
    const { sessions } = this.#service;
    const session = sessions.find(cookieOf(request.headers.get('cookie'), SESSION_COOKIE));
    if (session === undefined) return no('unauthenticated');
    if (isPost && !isCsrf(session, request.headers.get('x-latchkey-csrf') ?? undefined)) return no('csrf');
    if (!this.#people.allow(session.person)) return no('too_many_requests');
    if (!endpoint.access.includes(session.value.role)) return no('role');
    if (endpoint.factor && ticketOf(this.#service, session) === undefined) return no('second_factor');
    const read = isPost ? await readJson(request) : ({ ok: true, body: undefined } as const);
    if (!read.ok) return no(read.code);
    if (endpoint.isDeed) sessions.touch(session);
    return endpoint.run({ request, address, query, body: read.body, session }, this.#service);
  }

  #response(answer: Answer): Response {
    if (answer.kind === 'problem') return this.refuse(answer.problem);
    if (answer.kind === 'stream') {
      return new Response(answer.stream, { headers: { ...this.#headers, 'content-type': answer.type } });
    }
    const headers = new Headers({ ...this.#headers, 'content-type': 'application/json' });
    for (const cookie of answer.cookies ?? []) headers.append('set-cookie', cookie);
    return new Response(`${JSON.stringify(answer.value)}\n`, { headers });
  }

  #failed(error: unknown): Response {
    if (!(error instanceof LatchkeyError) || error.code === 'INTERNAL') {
      this.#service.logger.error({ error: explain(error) }, 'a request of the console could not be answered');
      return this.refuse(problem('internal', 'the log of the daemon says more'));
    }
    const isAway = error.code === 'SOCKET_REFUSED' || error.code === 'TIMED_OUT';
    return this.refuse(problem(isAway ? 'daemon' : 'refused', explain(error)));
  }
}

function no(code: ProblemCode): Answer {
  return refusal(problem(code));
}

type Read =
  | { readonly ok: true; readonly body: unknown }
  | { readonly ok: false; readonly code: 'unsupported_media_type' | 'too_large' | 'malformed' };

/** A form of another page can send no such type without asking first. */
async function readJson(request: Request): Promise<Read> {
  const type = request.headers.get('content-type')?.split(';')[0]?.trim().toLowerCase();
  if (type !== 'application/json') return { ok: false, code: 'unsupported_media_type' };
  const bytes = await readBody(request, BODY_BYTES_MAX);
  if (bytes === undefined) return { ok: false, code: 'too_large' };
  try {
    return { ok: true, body: JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)) };
  } catch {
    return { ok: false, code: 'malformed' };
  }
}
