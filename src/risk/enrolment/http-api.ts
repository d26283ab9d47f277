/**
 * The service over HTTP:
 *
 *     POST /v1/enrolments                    authorization: Bearer <token>; request -> 200 challenge
 *     POST /v1/enrolments/<gateway>/<id>     answer -> 200 outcome (202 while a person must look)
 *     GET  /v1/enrolments/<gateway>/<id>     200 outcome, 202 while it waits
 *     POST /v1/successors                    a successor statement's envelope -> 200, 202 when it is contested
 *
 * Every refusal is `{"error":{"reason","detail"}}` with the status of its reason.
 */
import { type Context, Hono } from 'hono';
import { explain, LatchkeyError } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import type { Result } from '../../base/result.ts';
import { ENVELOPE_BYTES_MAX } from '../../evidence/wire/envelope.ts';
import { readBody } from '../../platform/http/server.ts';
import { BODY_BYTES_MAX, type Challenge, type Outcome } from './messages.ts';
import { type EnrolRefusal, REFUSALS, statusOf } from './reasons.ts';
import { bodyText, type EnrolmentService, type SuccessorOutcome } from './service.ts';

const HEADERS = { 'content-type': 'application/json', 'cache-control': 'no-store' };
const STEP = '/v1/enrolments/:gateway/:id';

type Body = Challenge | Outcome | SuccessorOutcome;

export function enrolmentApi(service: EnrolmentService, logger: Logger): (request: Request) => Promise<Response> {
  const app = new Hono();
  app.post('/v1/enrolments', (c) => withBody(c, BODY_BYTES_MAX, (body) => service.begin(tokenOf(c), body)));
  app.post(STEP, (c) =>
    withBody(c, BODY_BYTES_MAX, (body) => service.answer(c.req.param('gateway'), c.req.param('id'), body)),
  );
  app.get(STEP, async (c) => answer(await service.outcome(c.req.param('gateway'), c.req.param('id'))));
  app.post('/v1/successors', (c) => withBody(c, ENVELOPE_BYTES_MAX, (body) => service.successor(body)));
  app.notFound(() => failure(404, 'not_found', 'no such path, or not with this method'));
  app.onError((error) => {
    logger.error({ error: explain(error) }, 'a request could not be answered');
    return error instanceof LatchkeyError
      ? failure(503, 'unavailable', 'the service cannot store anything now; try again later')
      : failure(500, 'internal', 'a defect; the log of the service says more');
  });
  return async (request) => app.fetch(request);
}

export function tooManyRequests(): Response {
  return refusal('too_many_requests');
}

async function withBody(
  c: Context,
  bytesMax: number,
  ask: (body: Uint8Array) => Promise<Result<Body, EnrolRefusal>>,
): Promise<Response> {
  const body = await readBody(c.req.raw, bytesMax);
  return body === undefined ? refusal('too_large') : answer(await ask(body));
}

function tokenOf(c: Context): string | undefined {
  return /^Bearer (\S+)$/i.exec(c.req.header('authorization') ?? '')?.[1];
}

function answer(result: Result<Body, EnrolRefusal>): Response {
  if (!result.ok) return refusal(result.reason);
  const waits = 'state' in result.value && ['pending', 'contested'].includes(result.value.state);
  return new Response(bodyText(result.value), { status: waits ? 202 : 200, headers: HEADERS });
}

function refusal(reason: EnrolRefusal): Response {
  return failure(statusOf(reason), reason, REFUSALS[reason][1]);
}

function failure(status: number, reason: string, detail: string): Response {
  const close = status === 413 ? { connection: 'close' } : {};
  return new Response(`${JSON.stringify({ error: { reason, detail } })}\n`, {
    status,
    headers: { ...HEADERS, ...close },
  });
}
