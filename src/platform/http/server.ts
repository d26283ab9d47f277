/**
 * An HTTP or HTTPS server around a `fetch` handler, with every wait and every buffer bounded, and a clean stop.
 */
import { readFileSync } from 'node:fs';
import { createServer as createHttpServer, type Server } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { HttpBindings } from '@hono/node-server';
import { assert } from '../../base/assert.ts';
import type { Clock } from '../../base/clock.ts';
import { LatchkeyError, messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import { ClientAddress } from './client-address.ts';
import { neighbourhood, RateLimit } from './rate-limit.ts';
import type { HttpSettings } from './settings.ts';

const HEADER_BYTES_MAX = 8_192;
const HEADERS_MAX = 64;
/** How often Node looks for requests that take too long. */
const LOOK_MS = 500;
const COMPLAINTS_PER_MINUTE = 1;
const REFUSED = { 'content-type': 'text/plain; charset=utf-8', 'cache-control': 'no-store' } as const;

export interface HttpServer {
  /** `https://127.0.0.1:8443` */
  readonly url: string;
  readonly port: number;
  /** Takes no more; resolves when open requests are answered, or were cut off after the time to wait. */
  close(): Promise<void>;
}

export interface HttpParts {
  readonly settings: HttpSettings;
  /** `address`: whose request it is (`ClientAddress`), as one name for each subscriber. */
  readonly handle: (request: Request, address: string) => Response | Promise<Response>;
  /** What an address that asks too often is told; by nature cheaper than `handle`. */
  readonly tooMany: (request: Request, address: string) => Response | Promise<Response>;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Rejects with CONFIG_INVALID for a bad certificate or key, CONFIG_UNREADABLE, or PORT_BUSY. */
export async function startHttp(parts: HttpParts): Promise<HttpServer> {
  const { settings } = parts;
  const limit = new RateLimit(parts.clock, settings.requests_per_minute);
  const clients = new ClientAddress(settings);
  const complaints = new RateLimit(parts.clock, COMPLAINTS_PER_MINUTE);
  const fetch = (request: Request, env: unknown): Response | Promise<Response> => {
    const { incoming } = env as HttpBindings;
    const client = clients.of(incoming.socket.remoteAddress ?? '', request.headers);
    if (!client.ok) {
      if (complaints.allow(''))
        parts.logger.warn({ reason: client.detail }, 'a request through a trusted proxy is refused');
      return new Response(`${client.detail}\n`, { status: 400, headers: REFUSED });
    }
    const address = neighbourhood(client.value);
    return limit.allow(address) ? parts.handle(request, address) : parts.tooMany(request, address);
  };
  const tls = tlsOf(settings);
  const timeoutMs = settings.request_timeout_s * 1_000;
  const serverOptions = {
    ...tls,
    maxHeaderSize: HEADER_BYTES_MAX,
    headersTimeout: timeoutMs,
    requestTimeout: timeoutMs,
    connectionsCheckingInterval: LOOK_MS,
    keepAliveTimeout: 5_000,
  };
  const server = await open(fetch, tls !== undefined, serverOptions);
  server.maxConnections = settings.connections;
  server.maxHeadersCount = HEADERS_MAX;
  // Also of a client that does not read its answer.
  server.timeout = 2 * timeoutMs;
  await listen(server, settings);
  server.on('error', (error) => parts.logger.error({ error: messageOf(error) }, 'the HTTP server failed'));
  const { port } = server.address() as AddressInfo;
  const host = settings.host.includes(':') ? `[${settings.host}]` : settings.host;
  return {
    url: `${tls === undefined ? 'http' : 'https'}://${host}:${port}`,
    port,
    close: () => closeServer(server, settings.stop_wait_s * 1_000),
  };
}

/** The library is loaded by who serves: it brings all of Node's `fetch` with it, for which most processes have no use. */
async function open(
  fetch: (request: Request, env: unknown) => Response | Promise<Response>,
  isTls: boolean,
  serverOptions: object,
): Promise<Server> {
  const { createAdaptorServer } = await import('@hono/node-server');
  try {
    const server = isTls
      ? createAdaptorServer({ fetch, createServer: createHttpsServer, serverOptions })
      : createAdaptorServer({ fetch, createServer: createHttpServer, serverOptions });
    return server as Server;
  } catch (error) {
    throw new LatchkeyError('CONFIG_INVALID', `certificate and key of the HTTPS server: ${messageOf(error)}`);
  }
}

function tlsOf({ tls }: HttpSettings) {
  if (tls === undefined) return undefined;
  try {
    return { cert: readFileSync(tls.cert_file), key: readFileSync(tls.key_file), minVersion: 'TLSv1.2' } as const;
  } catch (error) {
    throw new LatchkeyError('CONFIG_UNREADABLE', `cannot read certificate and key: ${messageOf(error)}`);
  }
}

function listen(server: Server, { host, port }: HttpSettings): Promise<void> {
  return new Promise((resolve, reject) => {
    const fail = (error: NodeJS.ErrnoException): void => {
      reject(new LatchkeyError('PORT_BUSY', `cannot listen on ${host} port ${port}: ${messageOf(error)}`));
    };
    server.once('error', fail);
    server.listen(port, host, () => {
      server.off('error', fail);
      resolve();
    });
  });
}

function closeServer(server: Server, waitMs: number): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => server.closeAllConnections(), waitMs);
    server.close(() => {
      clearTimeout(timer);
      resolve();
    });
    server.closeIdleConnections();
  });
}

/** The body, or undefined when it is larger than `bytesMax`; it is not read further then. */
export async function readBody(request: Request, bytesMax: number): Promise<Uint8Array | undefined> {
  assert(bytesMax > 0, 'a body has a limit');
  const declared = request.headers.get('content-length');
  if (Number(declared ?? 0) > bytesMax) return undefined;
  // The parser lets no more through than was declared: no stream is needed, whose making costs more than most bodies.
  if (declared !== null) {
    const bytes = new Uint8Array(await request.arrayBuffer());
    return bytes.length > bytesMax ? undefined : bytes;
  }
  const chunks: Uint8Array[] = [];
  let size = 0;
  const reader = request.body?.getReader();
  for (;;) {
    const next = await reader?.read();
    if (next === undefined || next.done) return Uint8Array.from(Buffer.concat(chunks));
    const chunk = next.value as Uint8Array;
    size += chunk.length;
    if (size > bytesMax) {
      await reader?.cancel().catch(() => undefined);
      return undefined;
    }
    chunks.push(chunk);
  }
}
