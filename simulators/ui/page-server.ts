/**
 * Serves the page of a simulated site, on loopback alone.
 *
 * Whoever knows the address may act: a random token stands in its path, and other pages of the same browser are told
 * apart by Host and Origin besides. A simulated site guards nothing; still, no page from elsewhere shall play it.
 */
import { randomBytes, timingSafeEqual } from 'node:crypto';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Hono } from 'hono';
import type { Scheduler } from '../../src/base/clock.ts';
import { LatchkeyError, messageOf } from '../../src/base/errors.ts';
import { silentLogger } from '../../src/base/logger.ts';
import { isOwnHost, isOwnOrigin } from '../../src/platform/http/browser-guard.ts';
import { readBody, startHttp } from '../../src/platform/http/server.ts';
import { httpSettingsWith } from '../../src/platform/http/settings.ts';
import { answerFile, readStaticFiles, type StaticFiles } from '../../src/platform/http/static-files.ts';
import type { DemoBroker } from '../demo/broker.ts';
import type { SiteSettings } from '../site/settings.ts';
import type { Site } from '../site.ts';
import { askedOf, type World } from './actions.ts';
import { LiveSite } from './live.ts';
import type { Program } from './program.ts';
import type { ConsoleView, SiteProblem } from './view.ts';
import { Visits } from './visits.ts';

const HOST = '127.0.0.1';
const TOKEN_BYTES = 16;
const BODY_BYTES_MAX = 16_384;
const REQUESTS_PER_MINUTE = 6_000;
const UP_MAX = 6;

const HEADERS: Readonly<Record<string, string>> = {
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
};

export interface SitePage {
  /** With the token: whoever has it may play the site. */
  readonly url: string;
  close(): Promise<void>;
}

export interface SitePageParts {
  readonly site: Site;
  readonly settings: SiteSettings;
  readonly broker: DemoBroker | undefined;
  /** Processes beside the site, for whoever plays it to end and start. */
  readonly consumer?: Program | undefined;
  readonly gateway?: Program | undefined;
  /** 0 takes a free one. */
  readonly port: number;
  readonly scheduler: Scheduler;
  /** Of the gateway that fits the site. */
  readonly console?: (() => ConsoleView) | undefined;
}

/** Rejects with PORT_BUSY, or CONFIG_UNREADABLE where the page was not built. */
export async function startSitePage(parts: SitePageParts): Promise<SitePage> {
  const files = readStaticFiles(pageDirectory());
  if (!files.has('/')) throw new LatchkeyError('CONFIG_UNREADABLE', 'the page was not built: run "npm run build"');
  const stop = new AbortController();
  const live = new LiveSite({ ...parts, visits: () => visits });
  const visits: Visits = new Visits({
    ...parts,
    signal: stop.signal,
    changed: () => live.changed(),
    isAsked: (line) => live.isAsked(line),
  });
  const token = randomBytes(TOKEN_BYTES).toString('base64url');
  const app = routes({ token, files, live, world: { ...parts, visits } });
  const server = await startHttp({
    settings: httpSettingsWith(REQUESTS_PER_MINUTE).parse({ host: HOST, port: parts.port, stop_wait_s: 0 }),
    handle: (request) => app.fetch(request),
    tooMany: () => problem(429, 'too many requests'),
    clock: parts.scheduler,
    logger: silentLogger,
  }).catch((error: unknown) => {
    live.close();
    throw error;
  });
  return {
    url: `${server.url}/${token}/`,
    async close() {
      stop.abort(new LatchkeyError('USAGE', 'the site stops'));
      live.close();
      await server.close();
    },
  };
}

interface Routes {
  readonly token: string;
  readonly files: StaticFiles;
  readonly live: LiveSite;
  readonly world: World;
}

function routes({ token, files, live, world }: Routes): Hono {
  const app = new Hono();
  app.use(async (context, next) => {
    if (!isOwnHost(context.req.header('host'), { host: HOST, names: [] })) return problem(421, 'another host');
    return next();
  });
  app.use('/:token/*', async (context, next) => {
    if (!isSame(context.req.param('token'), token)) return problem(404, 'not found');
    return next();
  });
  app.get('/:token', (context) =>
    isSame(context.req.param('token'), token) ? context.redirect(`/${token}/`) : problem(404, 'not found'),
  );
  app.get('/:token/api/view', () => Response.json(live.view(), { headers: apiHeaders() }));
  app.get('/:token/api/live', () => {
    const body = live.stream();
    if (body === undefined) return problem(503, 'too many pages look at this site');
    return new Response(body, { headers: { ...apiHeaders(), 'content-type': 'text/event-stream' } });
  });
  app.post('/:token/api/act', (context) => act(context.req.raw, live, world));
  app.get('/:token/*', (context) => {
    const file = files.get(context.req.path.slice(token.length + 1));
    return file === undefined ? problem(404, 'not found') : answerFile(file, context.req.raw, HEADERS);
  });
  app.notFound(() => problem(404, 'not found'));
  app.onError((error) => problem(500, 'the site failed', messageOf(error)));
  return app;
}

async function act(request: Request, live: LiveSite, world: World): Promise<Response> {
  if (!isOwnOrigin(request.headers)) return problem(403, 'another page');
  if (!/^application\/json\b/.test(request.headers.get('content-type') ?? '')) {
    return problem(415, 'expected application/json');
  }
  const body = await readBody(request, BODY_BYTES_MAX);
  if (body === undefined) return problem(413, `expected at most ${BODY_BYTES_MAX} bytes`);
  const asked = askedOf(parsed(body));
  if (!asked.ok) return problem(400, 'not an action', asked.detail);
  const { words, act: perform } = asked.value;
  try {
    live.happened(words, 'hands');
    await perform(world);
    return new Response(null, { status: 204, headers: apiHeaders() });
  } catch (error) {
    if (!(error instanceof LatchkeyError)) throw error;
    live.happened(`${words}: ${error.message}`, 'refused');
    return problem(409, 'it cannot be done', error.message);
  } finally {
    live.changed();
  }
}

function parsed(body: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(body));
  } catch {
    return undefined;
  }
}

function problem(status: number, title: string, detail?: string): Response {
  const said: SiteProblem = { title, status, ...(detail !== undefined && { detail }) };
  return Response.json(said, {
    status,
    headers: { ...apiHeaders(), 'content-type': 'application/problem+json' },
  });
}

function apiHeaders(): Readonly<Record<string, string>> {
  return { ...HEADERS, 'cache-control': 'no-store' };
}

function isSame(found: string | undefined, token: string): boolean {
  const [a, b] = [Buffer.from(found ?? ''), Buffer.from(token)];
  return a.length === b.length && timingSafeEqual(a, b);
}

/** The build lies above this module: as the compiler wrote it, in one of the command line's chunks, or as a source. */
function pageDirectory(): string {
  let above = import.meta.dirname;
  for (let up = 0; up < UP_MAX; up += 1) {
    for (const candidate of [join(above, 'web', 'site'), join(above, 'dist', 'web', 'site')]) {
      if (existsSync(join(candidate, 'index.html'))) return candidate;
    }
    above = dirname(above);
  }
  return join(import.meta.dirname, 'site');
}
