/**
 * Webhooks over HTTP, to be mounted into a server's routes:
 *
 *     POST /v1/sources/<name>    a webhook of that source -> 200 {"accepted":true,"duplicate":false}
 *
 * Every refusal is `{"error":{"reason","detail"}}` with the status of its reason; 503 asks the sender to send it again.
 */
import { Hono } from 'hono';
import { messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import { readBody } from '../../platform/http/server.ts';
import { SOURCE_REFUSALS, type SourceRefusal } from './reasons.ts';
import type { SourcesRoom } from './room.ts';

export const SOURCES_PATH = '/v1/sources/:name';
const HEADERS = {
  'content-type': 'application/json',
  'cache-control': 'no-store',
  'x-content-type-options': 'nosniff',
} as const;

export function sourceRoutes(room: Pick<SourcesRoom, 'take' | 'bodyBytesMax'>, logger: Logger): Hono {
  const app = new Hono();
  app.post(SOURCES_PATH, async (c) => {
    const name = c.req.param('name');
    const bytesMax = room.bodyBytesMax(name);
    if (bytesMax === undefined) return refused('unknown_source');
    const body = await readBody(c.req.raw, bytesMax);
    if (body === undefined) return refused('too_large');
    try {
      const taken = await room.take(name, c.req.raw.headers, body);
      if (!taken.ok) return refused(taken.reason, taken.detail);
      return answer(200, { accepted: true, duplicate: taken.value.duplicate });
    } catch (error) {
      logger.error({ source: name, error: messageOf(error) }, 'a webhook could not be kept');
      return answer(503, { error: { reason: 'unavailable', detail: 'it could not be kept now; send it again later' } });
    }
  });
  app.all(SOURCES_PATH, () => {
    const response = answer(405, { error: { reason: 'method_not_allowed', detail: 'a webhook is sent by POST' } });
    response.headers.set('allow', 'POST');
    return response;
  });
  app.notFound(() => refused('unknown_source'));
  return app;
}

function refused(reason: SourceRefusal, detail: string = SOURCE_REFUSALS[reason][1]): Response {
  return answer(SOURCE_REFUSALS[reason][0], { error: { reason, detail } });
}

function answer(status: number, body: object): Response {
  const close = status === 413 ? { connection: 'close' } : {};
  return new Response(`${JSON.stringify(body)}\n`, { status, headers: { ...HEADERS, ...close } });
}
