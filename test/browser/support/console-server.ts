/**
 * A console's server without a gateway behind it: the built page under the headers of the real one, and the answers that a
 * test wants. What the real server checks is not checked here, but for the session, its token against forgery and the code.
 */
import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { join } from 'node:path';
import type {
  ActAnswer,
  ActRequest,
  ConsoleRole,
  ConsoleView,
  EntryView,
  SessionView,
  WalkLine,
} from '../../../src/edge/contracts/console-view.ts';
import { until } from '../../support/until.ts';
import { pageFile } from '../browser.ts';
import { LOG } from './console-views.ts';

const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const TYPES: Readonly<Record<string, string>> = { html: 'text/html', js: 'text/javascript', css: 'text/css' };
const SESSION_S = 1_800;
export const PASSWORD = 'correct horse';
export const CODE = '123456';

/** What the server shows and does; a test changes it as it goes. */
export interface Shown {
  view: ConsoleView;
  /** Newest first. */
  entries: readonly EntryView[];
  answer: ActAnswer;
  /** The lines of the next walk; it waits where `undefined` stands until `goOn` is called, and its connection breaks at `cut`. */
  walk: readonly (WalkLine | 'cut' | undefined)[];
  /** Acts are taken, and their connections break before they are answered; nor is the journal answered meanwhile. */
  cutsActs?: boolean;
}

export class ConsoleServer {
  readonly shown: Shown;
  readonly acts: ActRequest[] = [];
  readonly #files = readPage();
  readonly #streams = new Set<ServerResponse>();
  readonly #sockets = new Set<Socket>();
  #server: Server | undefined;
  #port = 0;
  #session: (SessionView & { readonly token: string }) | undefined;
  #isElevated = false;
  goOn: () => void = () => undefined;

  constructor(shown: Shown) {
    this.shown = shown;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}/`;
  }

  get streams(): number {
    return this.#streams.size;
  }

  /** At the port that it had before, if it had one. */
  async start(): Promise<void> {
    const server = createServer((request, response) => {
      this.#serve(request, response).catch(() => response.destroy());
    });
    server.on('connection', (socket) => {
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket));
    });
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(this.#port, '127.0.0.1', resolve);
    });
    this.#port = (server.address() as AddressInfo).port;
    this.#server = server;
  }

  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    for (const socket of this.#sockets) socket.destroy();
    await new Promise<void>((resolve) => (server === undefined ? resolve() : server.close(() => resolve())));
    await until('all streams are over', () => this.#streams.size === 0);
  }

  /** Shows this from now on, also to pages that are open. */
  show(change: Partial<Shown>): void {
    Object.assign(this.shown, change);
    for (const stream of this.#streams) this.#sendView(stream);
  }

  tell(entry: EntryView): void {
    this.shown.entries = [entry, ...this.shown.entries];
    for (const stream of this.#streams) stream.write(`event: entry\ndata: ${JSON.stringify(entry)}\n\n`);
  }

  /** The session is over, and its pages hear so. */
  endSession(): void {
    this.#session = undefined;
    this.#isElevated = false;
    for (const stream of this.#streams) stream.end('event: ended\ndata: {}\n\n');
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    response.setHeader('content-security-policy', POLICY);
    response.setHeader('x-content-type-options', 'nosniff');
    response.setHeader('referrer-policy', 'no-referrer');
    response.setHeader('cross-origin-opener-policy', 'same-origin');
    response.setHeader('cross-origin-resource-policy', 'same-origin');
    const { pathname, searchParams } = new URL(request.url ?? '', this.url);
    const file = this.#files.get(pathname);
    if (file !== undefined) {
      response.setHeader('content-type', file.type).end(file.bytes);
      return;
    }
    response.setHeader('cache-control', 'no-store');
    const body = request.method === 'POST' ? await bodyOf(request) : {};
    if (pathname === '/api/sign-in') return this.#signIn(body, response);
    const session = this.#session;
    if (session === undefined || !request.headers.cookie?.includes(session.token)) {
      return problem(response, 401, 'unauthenticated', 'Sign in first');
    }
    if (request.method === 'POST' && request.headers['x-latchkey-csrf'] !== session.csrf) {
      return problem(response, 403, 'csrf', 'The header x-latchkey-csrf is not that of this session');
    }
    return this.#answer(pathname, searchParams, body, session, response);
  }

  async #answer(
    path: string,
    query: URLSearchParams,
    body: Readonly<Record<string, unknown>>,
    session: SessionView,
    response: ServerResponse,
  ): Promise<void> {
    switch (path) {
      case '/api/session':
        return json(response, { ...session, elevatedForS: this.#isElevated ? 300 : 0 });
      case '/api/sign-out':
        this.endSession();
        return json(response, {});
      case '/api/live':
        response.writeHead(200, { 'content-type': 'text/event-stream' }).write('retry: 300\n\n');
        this.#streams.add(response);
        response.on('close', () => this.#streams.delete(response));
        return this.#sendView(response);
      case '/api/journal':
        if (this.shown.cutsActs === true) return void response.destroy();
        return json(response, this.#journal(query));
      case '/api/second-factor':
        this.#isElevated = body['code'] === CODE;
        if (!this.#isElevated) return problem(response, 403, 'code_refused', 'The code is wrong, or was used before');
        return json(response, { ...session, elevatedForS: 300 });
      default:
        if (session.role === 'viewer')
          return problem(response, 403, 'role', 'The role of this person does not allow it');
        if (!this.#isElevated)
          return problem(response, 403, 'second_factor', 'A code of the authenticator is needed first');
        if (path !== '/api/act') return this.#walk(response);
        this.acts.push(body as unknown as ActRequest);
        if (this.shown.cutsActs === true) return void response.destroy();
        return json(response, this.shown.answer);
    }
  }

  #signIn({ person, password }: Readonly<Record<string, unknown>>, response: ServerResponse): void {
    if (password !== PASSWORD) {
      problem(response, 401, 'sign_in_refused', 'Person or password are not known here');
      return;
    }
    const name = String(person);
    const role: ConsoleRole = name.startsWith('v') ? 'viewer' : name.startsWith('t') ? 'technician' : 'administrator';
    const [token, csrf] = [randomBytes(16).toString('hex'), randomBytes(16).toString('hex')];
    this.#session = { person: name, role, csrf, expiresInS: SESSION_S, elevatedForS: 0, token };
    this.#isElevated = false;
    response.setHeader('set-cookie', `latchkey_session=${token}; HttpOnly; SameSite=Strict; Path=/`);
    json(response, this.#session);
  }

  #journal(query: URLSearchParams): object {
    const before = Number(query.get('before') ?? Number.POSITIVE_INFINITY);
    const limit = Number(query.get('limit') ?? 50);
    const { entries } = this.shown;
    return {
      log: LOG,
      size: (entries[0]?.n ?? -1) + 1,
      entries: entries.filter(({ n }) => n < before).slice(0, limit),
      logs: [{ origin: LOG, state: 'open', size: (entries[0]?.n ?? -1) + 1 }],
    };
  }

  async #walk(response: ServerResponse): Promise<void> {
    response.writeHead(200, { 'content-type': 'application/x-ndjson' });
    for (const line of this.shown.walk) {
      if (line === 'cut') return void response.destroy();
      if (line !== undefined) response.write(`${JSON.stringify(line)}\n`);
      else await new Promise<void>((resolve) => (this.goOn = resolve));
    }
    response.end();
  }

  #sendView(stream: ServerResponse): void {
    stream.write(`event: view\ndata: ${JSON.stringify(this.shown.view)}\n\n`);
  }
}

interface PageFile {
  readonly type: string;
  readonly bytes: Uint8Array;
}

function readPage(): ReadonlyMap<string, PageFile> {
  const folder = pageFile('console');
  const names = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const files = new Map<string, PageFile>();
  for (const { name, parentPath } of names) {
    const path = join(parentPath, name).slice(folder.length);
    const type = `${TYPES[name.split('.').at(-1) ?? ''] ?? 'application/octet-stream'}; charset=utf-8`;
    files.set(path === '/index.html' ? '/' : path, { type, bytes: readFileSync(join(parentPath, name)) });
  }
  return files;
}

async function bodyOf(request: IncomingMessage): Promise<Readonly<Record<string, unknown>>> {
  let text = '';
  for await (const piece of request) text += String(piece);
  return JSON.parse(text);
}

function json(response: ServerResponse, value: unknown): void {
  response.setHeader('content-type', 'application/json').end(JSON.stringify(value));
}

function problem(response: ServerResponse, status: number, code: string, title: string): void {
  response.writeHead(status, { 'content-type': 'application/problem+json' });
  response.end(JSON.stringify({ type: `urn:latchkey:problem:${code}`, title, status }));
}
