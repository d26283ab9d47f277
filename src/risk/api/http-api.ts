/**
 * The API over HTTP: each request is named, its token and role are asked before anything of it is read, then its parts
 * are checked and its endpoint answers within a time. Every refusal is a row of `PROBLEMS`.
 *
 * Logged are the endpoint, the role and the subject, the status and the time: never a path, a body, a token or a header.
 */
import { randomUUID } from 'node:crypto';
import { type Context, Hono } from 'hono';
import { explain, LatchkeyError } from '../../base/errors.ts';
import { type HttpServer, startHttp } from '../../platform/http/server.ts';
import { Admission, tooMany } from './admission.ts';
import type { Answer, ApiService, Endpoint, Origin } from './endpoint.ts';
import { refusal } from './endpoint.ts';
import { ENDPOINTS } from './endpoints.ts';
import { openApiText } from './openapi.ts';
import type { ApiParts } from './parts.ts';
import { type Problem, problem, problemResponse } from './problems.ts';
import { readCall } from './read-call.ts';
import type { Identity } from './tokens.ts';

const OPENAPI_PATH = '/openapi.json';
const HEADERS = {
  'cache-control': 'no-store',
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'cross-origin-resource-policy': 'same-origin',
} as const;
const STRICT_TRANSPORT = { 'strict-transport-security': 'max-age=31536000' } as const;

export interface RiskApi {
  /**
   * `address` names the subscriber that asks; `isOver`: it asks too often, so that only tokens and secrets that are right
   * are answered. Always resolves with an answer.
   */
  handle(request: Request, address: string, isOver?: boolean): Promise<Response>;
  /** For an address that asks too often, of what is beside the endpoints. */
  tooMany(): Response;
}

/** Nothing of it listens yet: `serveRiskApi` does. */
export function createRiskApi(parts: ApiParts): RiskApi {
  const api = new Api(parts);
  return {
    handle: (request, address, isOver = false) => api.handle(request, { address, isOver }),
    tooMany: () => api.tooMany(),
  };
}

/** Rejects as `startHttp` does. */
export function serveRiskApi(parts: ApiParts): Promise<HttpServer> {
  const { handle } = createRiskApi(parts);
  const { settings, clock, logger } = parts;
  return startHttp({
    settings: settings.http,
    handle: (request, address) => handle(request, address),
    tooMany: (request, address) => handle(request, address, true),
    clock,
    logger,
  });
}

interface Asked {
  readonly requestId: string;
  readonly origin: Origin;
}

class Api {
  readonly #service: ApiService;
  readonly #admission: Admission;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #app: Hono<{ Bindings: Asked }>;

  constructor(parts: ApiParts) {
    const { settings } = parts;
    const admission = new Admission(parts);
    this.#admission = admission;
    this.#service = { ...parts, grant: (authorization, form, origin) => admission.grant(authorization, form, origin) };
    this.#headers = settings.http.tls === undefined ? HEADERS : { ...HEADERS, ...STRICT_TRANSPORT };
    this.#app = this.#routes();
  }

  async handle(request: Request, origin: Origin): Promise<Response> {
    const mayBeRight = request.method === 'POST' || request.headers.has('authorization');
    if (origin.isOver && !mayBeRight) return this.tooMany();
    return this.#app.fetch(request, { requestId: randomUUID(), origin });
  }

  tooMany(): Response {
    return this.#problem(tooMany('of this address'), randomUUID());
  }

  #routes(): Hono<{ Bindings: Asked }> {
    const app = new Hono<{ Bindings: Asked }>();
    const document = openApiText(this.#service.beside);
    app.get(OPENAPI_PATH, ({ env }) =>
      env.origin.isOver
        ? this.tooMany()
        : new Response(document, { headers: { ...this.#headers, 'content-type': 'application/json' } }),
    );
    app.all(OPENAPI_PATH, (c) => this.#wrongMethod(['GET'], c.env.requestId));
    for (const endpoint of ENDPOINTS) {
      app.on(endpoint.method, routerPath(endpoint.path), (c) => this.#answer(endpoint, c));
    }
    for (const path of new Set(ENDPOINTS.map((one) => one.path))) {
      const allowed = ENDPOINTS.filter((one) => one.path === path).map(({ method }) => method);
      app.all(routerPath(path), (c) => this.#wrongMethod(allowed, c.env.requestId));
    }
    app.notFound((c) => this.#problem(problem('no_such_path', `GET ${OPENAPI_PATH} lists all paths`), c.env.requestId));
    app.onError((error, c) => this.#failed(error, c.env.requestId));
    return app;
  }

  #wrongMethod(allowed: readonly string[], requestId: string): Response {
    const methods = allowed.join(', ');
    const response = this.#problem(problem('method_not_allowed', `expected ${methods}`), requestId);
    response.headers.set('allow', methods);
    return response;
  }

  async #answer(endpoint: Endpoint, c: Context<{ Bindings: Asked }>): Promise<Response> {
    const { requestId } = c.env;
    const { logger, clock } = this.#service;
    const startMs = clock.monotonicMs();
    const { answer, identity } = await this.#answerOf(endpoint, c);
    const response = this.#response(answer, requestId);
    const who = identity === undefined ? {} : { subject: identity.subject, role: identity.role };
    const tookMs = Math.round(clock.monotonicMs() - startMs);
    logger.debug({ endpoint: endpoint.id, ...who, status: response.status, tookMs, requestId }, 'answered');
    return response;
  }

  async #answerOf(
    endpoint: Endpoint,
    c: Context<{ Bindings: Asked }>,
  ): Promise<{ readonly answer: Answer; readonly identity?: Identity }> {
    const authorization = c.req.header('authorization') ?? '';
    const admitted = await this.#admission.admit(endpoint, authorization, c.env.origin);
    const who = admitted.identity === undefined ? {} : { identity: admitted.identity };
    if (!admitted.ok) return { answer: refusal(admitted.problem), ...who };
    const limit = new Limit();
    const work = (async (): Promise<Answer> => {
      const read = await readCall(endpoint, c.req.raw, c.req.param() as Record<string, string>);
      if (!read.ok) return refusal(read.problem);
      const call = {
        ...read.value,
        ...who,
        authorization,
        origin: c.env.origin,
        get signal() {
          return limit.signal;
        },
      };
      return endpoint.run(call, this.#service);
    })();
    return { answer: await this.#inTime(work, limit), ...who };
  }

  /** What goes on after its time is over can no longer answer; the signal tells it so. */
  async #inTime(work: Promise<Answer>, limit: Limit): Promise<Answer> {
    const limitS = this.#service.settings.answer_timeout_s;
    let timer: NodeJS.Timeout | undefined;
    const over = new Promise<Answer>((resolve) => {
      timer = setTimeout(() => {
        limit.abort(new LatchkeyError('TIMED_OUT', `no answer within ${limitS} s`));
        resolve(refusal(problem('timed_out', `no answer within ${limitS} s; try again`, { retryAfterS: 1 })));
      }, limitS * 1_000);
    });
    try {
      return await Promise.race([work, over]);
    } finally {
      clearTimeout(timer);
      // Nobody waits for it any more.
      work.catch(() => undefined);
    }
  }

  #response(answer: Answer, requestId: string): Response {
    const headers = { ...this.#headers, 'x-request-id': requestId };
    if (answer.kind === 'problem') return this.#problem(answer.problem, requestId);
    if (answer.kind === 'bytes') {
      const body = typeof answer.bytes === 'string' ? answer.bytes : Uint8Array.from(answer.bytes);
      return new Response(body, { headers: { ...headers, 'content-type': answer.type } });
    }
    const type = answer.type ?? 'application/json';
    return new Response(`${JSON.stringify(answer.value)}\n`, {
      status: answer.status ?? 200,
      headers: { ...headers, 'content-type': type },
    });
  }

  #problem(found: Problem, requestId: string): Response {
    return problemResponse(found, requestId, { ...this.#headers, 'x-request-id': requestId });
  }

  #failed(error: unknown, requestId: string): Response {
    this.#service.logger.error({ error: explain(error), requestId }, 'a request could not be answered');
    if (isOperational(error)) {
      const detail =
        'the service cannot store or read anything now; ask again with the same idempotency key: nothing is done twice';
      return this.#problem(problem('unavailable', detail, { retryAfterS: 2 }), requestId);
    }
    return this.#problem(problem('internal', 'the log of the service says more, under this request_id'), requestId);
  }
}

/** A signal is made for whoever asks for it, which few do, and takes longer than much of what is done under it. */
class Limit {
  #controller: AbortController | undefined;
  #reason: LatchkeyError | undefined;

  get signal(): AbortSignal {
    this.#controller ??= new AbortController();
    if (this.#reason !== undefined) this.#controller.abort(this.#reason);
    return this.#controller.signal;
  }

  abort(reason: LatchkeyError): void {
    this.#reason = reason;
    this.#controller?.abort(reason);
  }
}

/** Failures of the database have the five letters and digits of SQLSTATE, those of its connection a word of the system. */
function isOperational(error: unknown): boolean {
  if (error instanceof LatchkeyError) return error.code !== 'INTERNAL';
  const code = typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;
  return typeof code === 'string' && /^(08|53|57|58|40|55|25006)|^E[A-Z]+$/.test(code);
}

function routerPath(path: string): string {
  return path.replaceAll(/\{(\w+)\}/g, ':$1');
}
