/**
 * What monitoring asks a process: `/metrics` for Prometheus, `/healthz` (it lives and its event loop moves: whoever gets
 * an answer knows), and `/readyz` (its work gets done, else 503 with the reasons).
 *
 * Only on loopback. A page in a browser of this machine that had its name point here is told apart by the Host it asks for.
 */
import { assert } from '../../base/assert.ts';
import type { Clock } from '../../base/clock.ts';
import { explain, LatchkeyError } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import type { MetricSample } from '../../base/metrics.ts';
import { type HttpServer, startHttp } from '../http/server.ts';
import { isLoopback } from '../http/settings.ts';
import { EXPOSITION_TYPE, exposition } from './exposition.ts';
import type { MetricTable } from './metric-row.ts';
import type { NotReady, Readiness } from './readiness.ts';
import { type MetricsSettings, parseListen } from './settings.ts';

export interface MonitoringParts {
  readonly settings: MetricsSettings;
  readonly table: MetricTable;
  readonly samples: () => readonly MetricSample[];
  readonly loopDelayMaxMs: () => number;
  /** Bounded in time by its maker; a rejection is an answer, too. */
  readonly readiness: () => Readiness | Promise<Readiness>;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** A scrape a second of each of the three leaves room for people. */
const REQUESTS_PER_MINUTE = 600;
const CONNECTIONS_MAX = 32;
const REQUEST_TIMEOUT_S = 5;
const HEADERS = {
  'cache-control': 'no-store',
  'x-content-type-options': 'nosniff',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
} as const;
const UNKNOWN: NotReady = {
  reason: 'readiness_unknown',
  detail: 'this process could not find out whether it is ready',
  remedy: 'the log says why',
};

/** Undefined, and said in the log, where the port is taken: evidence is worth more than its monitoring. */
export async function startMonitoring(parts: MonitoringParts): Promise<HttpServer | undefined> {
  try {
    const server = await listen(parts);
    parts.logger.info({ url: server.url }, 'answers monitoring');
    return server;
  } catch (error) {
    if (!(error instanceof LatchkeyError)) throw error;
    parts.logger.error({ error: explain(error) }, 'monitoring is not answered in this run');
    return undefined;
  }
}

function listen(parts: MonitoringParts): Promise<HttpServer> {
  const at = parseListen(parts.settings.listen);
  assert(at !== undefined, 'settings were checked');
  return startHttp({
    settings: {
      ...at,
      trusted_proxies: [],
      forwarded_header: 'x-forwarded-for',
      requests_per_minute: REQUESTS_PER_MINUTE,
      connections: CONNECTIONS_MAX,
      request_timeout_s: REQUEST_TIMEOUT_S,
      stop_wait_s: 1,
    },
    handle: (request) => answerMonitoring(parts, request),
    tooMany: () => json(429, { status: 'fail', reason: 'too_many_requests' }),
    clock: parts.clock,
    logger: parts.logger,
  });
}

export async function answerMonitoring(parts: MonitoringParts, request: Request): Promise<Response> {
  const { hostname, pathname } = new URL(request.url);
  const host = hostname.replace(/^\[(.*)\]$/, '$1');
  if (!isLoopback(host) && host !== 'localhost') return json(421, { status: 'fail', reason: 'wrong_host' });
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    return json(405, { status: 'fail', reason: 'method_not_allowed' }, { allow: 'GET, HEAD' });
  }
  switch (pathname) {
    case '/healthz':
      return json(200, { status: 'pass', event_loop_delay_max_ms: parts.loopDelayMaxMs() });
    case '/readyz': {
      const { ready, reasons } = await readiness(parts);
      return json(ready ? 200 : 503, { status: ready ? 'pass' : 'fail', reasons });
    }
    case '/metrics':
      return new Response(exposition(parts.table, await samplesOf(parts)), {
        headers: { ...HEADERS, 'content-type': EXPOSITION_TYPE },
      });
    default:
      return json(404, { status: 'fail', reason: 'no_such_path', paths: ['/metrics', '/healthz', '/readyz'] });
  }
}

async function samplesOf(parts: MonitoringParts): Promise<readonly MetricSample[]> {
  const { ready, reasons } = await readiness(parts);
  return [...readySamples(ready, reasons), ...parts.samples()];
}

/** So that one scrape tells rules what `/readyz` would say. */
export function readySamples(ready: boolean, reasons: readonly Pick<NotReady, 'reason'>[]): readonly MetricSample[] {
  const words = new Set(reasons.map(({ reason }) => reason));
  return [
    { name: 'ready', labels: {}, value: ready ? 1 : 0 },
    ...[...words].map((reason) => ({ name: 'not_ready', labels: { reason }, value: 1 })),
  ];
}

async function readiness({ readiness: ask, logger }: MonitoringParts): Promise<Readiness> {
  try {
    return await ask();
  } catch (error) {
    logger.error({ error: explain(error) }, 'cannot find out whether this process is ready');
    return { ready: false, reasons: [UNKNOWN] };
  }
}

function json(status: number, value: object, headers: Readonly<Record<string, string>> = {}): Response {
  const body = `${JSON.stringify(value)}\n`;
  return new Response(body, { status, headers: { ...HEADERS, 'content-type': 'application/json', ...headers } });
}
