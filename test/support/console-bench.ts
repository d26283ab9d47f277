/**
 * A daemon with simulated doors and a page, as a process, and a browser that is none: requests with a cookie jar, which say
 * exactly what a test has them say.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { Secret, TOTP } from 'otpauth';
import { stringify } from 'yaml';
import type { Child } from '../../simulators/demo/child-process.ts';
import type { ConsoleRole, SessionView } from '../../src/edge/contracts/console-view.ts';
import { callControl } from '../../src/edge/control/client.ts';
import type { GatewayStatus } from '../../src/edge/gateway/status.ts';
import type { CustodyEvent } from '../../src/evidence/event/event.ts';
import { hashPassword } from '../../src/platform/http/password.ts';
import { makeSecret } from '../../src/platform/one-time-codes.ts';
import { startLatchkey } from './child.ts';
import { DOORS, OpeningBench } from './opening-bench.ts';

export const PASSWORD = 'correct horse battery';

export const PEOPLE: Readonly<Record<string, ConsoleRole>> = {
  'viewer-1': 'viewer',
  'tech-1': 'technician',
  'tech-2': 'technician',
  'chief-1': 'administrator',
};

/** Writes the files that they sign in with; content of `console.people`. */
export function makePeople(file: (name: string) => string): readonly object[] {
  // One hash for all, and the cheapest that is taken: each costs time.
  const { text } = hashPassword(PASSWORD, { ln: 14, r: 8, p: 1 });
  return Object.entries(PEOPLE).map(([name, role]) => {
    const password_file = file(`${name}.password`);
    const totp_file = file(`${name}.totp`);
    writeFileSync(password_file, `${text}\n`, { mode: 0o600 });
    writeFileSync(totp_file, makeSecret('Latchkey', name).text, { mode: 0o600 });
    return { name, role, password_file, ...(role !== 'viewer' && { totp_file }) };
  });
}

export function codeOf(totpFile: string): string {
  return new TOTP({ secret: Secret.fromBase32(readFileSync(totpFile, 'utf8').trim()) }).generate();
}

export interface Said {
  readonly status: number;
  readonly headers: Headers;
  readonly body: unknown;
}

/** Keeps its cookies as a browser does, and tells where its page is from. */
export class Visitor {
  readonly url: string;
  readonly cookies = new Map<string, string>();
  csrf = '';

  constructor(url: string) {
    this.url = url;
  }

  async ask(
    method: string,
    path: string,
    body?: unknown,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<Said> {
    const response = await this.raw(method, path, body, headers);
    const text = await response.text();
    const isJson = /json/.test(response.headers.get('content-type') ?? '');
    return { status: response.status, headers: response.headers, body: isJson ? JSON.parse(text) : text };
  }

  async raw(
    method: string,
    path: string,
    body?: unknown,
    headers: Readonly<Record<string, string>> = {},
    signal?: AbortSignal,
  ): Promise<Response> {
    const cookie = [...this.cookies].map(([name, value]) => `${name}=${value}`).join('; ');
    const own = {
      ...(cookie !== '' && { cookie }),
      ...(method === 'POST' && {
        'content-type': 'application/json',
        origin: this.url,
        'sec-fetch-site': 'same-origin',
        ...(this.csrf !== '' && { 'x-latchkey-csrf': this.csrf }),
      }),
    };
    const response = await fetch(`${this.url}${path}`, {
      method,
      headers: { ...own, ...headers },
      ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
      redirect: 'manual',
      ...(signal !== undefined && { signal }),
    });
    for (const line of response.headers.getSetCookie()) this.#take(line);
    return response;
  }

  async signIn(person: string, password = PASSWORD): Promise<Said> {
    const said = await this.ask('POST', '/api/sign-in', { person, password });
    if (said.status === 200) this.csrf = (said.body as SessionView).csrf;
    return said;
  }

  #take(line: string): void {
    const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
    if (/Max-Age=0(;|$)/.test(line)) this.cookies.delete(name);
    else this.cookies.set(name, value);
  }
}

const START_LIMIT_MS = 60_000;
const LOOK_AGAIN_MS = 20;

export class ConsoleBench {
  readonly bench: OpeningBench;
  #daemon: Child | undefined;
  #url = '';

  constructor(bench: OpeningBench) {
    this.bench = bench;
  }

  /** `web`: members of `console.web`; `gateway`: those that replace others of gateway.yaml. */
  static async make(
    web: Readonly<Record<string, unknown>> = {},
    gateway: Readonly<Record<string, unknown>> = {},
  ): Promise<ConsoleBench> {
    const bench = await OpeningBench.make({ gateway });
    const people = makePeople((name) => bench.dir.file(name));
    const settings = {
      ...bench.settings(),
      console: { people, web: { port: 0, requests_per_minute: 100_000, ...web } },
    };
    writeFileSync(bench.dir.file('gateway.yaml'), stringify(settings));
    return new ConsoleBench(bench);
  }

  get daemon(): Child {
    if (this.#daemon === undefined) throw new Error('the daemon was not started');
    return this.#daemon;
  }

  /** As the daemon's log has it, newest. */
  get url(): string {
    return this.#url;
  }

  visitor(): Visitor {
    return new Visitor(this.#url);
  }

  async signedIn(person: string): Promise<Visitor> {
    const visitor = this.visitor();
    const { status } = await visitor.signIn(person);
    if (status !== 200) throw new Error(`${person} could not sign in: ${status}`);
    return visitor;
  }

  code(person: string): string {
    return codeOf(this.bench.dir.file(`${person}.totp`));
  }

  /** Signed in, with a code shown: each person's code counts once in its half minute. */
  async elevated(person: string): Promise<Visitor> {
    const visitor = await this.signedIn(person);
    const { status } = await visitor.ask('POST', '/api/second-factor', { code: this.code(person) });
    if (status !== 200) throw new Error(`the code of ${person} was refused: ${status}`);
    return visitor;
  }

  async start(): Promise<void> {
    const daemon = startLatchkey(['run', '--config', this.bench.dir.file('gateway.yaml')]);
    this.#daemon = daemon;
    const endMs = performance.now() + START_LIMIT_MS;
    while (!(await this.#isReady())) {
      if (!daemon.running || performance.now() > endMs) throw new Error(`the daemon is not ready:${daemon.tail()}`);
      await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS));
    }
  }

  async #isReady(): Promise<boolean> {
    this.#url = this.servedUrls().at(-1) ?? '';
    const shut = (await this.status())?.custody.compartments.filter(({ door }) => door === 'shut') ?? [];
    return this.#url !== '' && shut.length >= DOORS.length;
  }

  /** Also of threads that were started again. */
  servedUrls(): readonly string[] {
    return this.daemon
      .lines('err')
      .flatMap((line) => /"url":"([^"]+)","msg":"the console is served"/.exec(line)?.[1] ?? []);
  }

  /** All doors are seen so. */
  async untilDoors(door: 'open' | 'shut'): Promise<void> {
    const endMs = performance.now() + START_LIMIT_MS;
    for (;;) {
      const seen = (await this.status())?.custody.compartments.filter((each) => each.door === door) ?? [];
      if (DOORS.every((name) => seen.some((each) => each.name === name))) return;
      if (performance.now() > endMs) throw new Error(`the doors were not seen ${door}`);
    }
  }

  ask(verb: string, args: object = {}, onItem: (line: unknown) => void = () => undefined): Promise<unknown> {
    const socketPath = this.bench.dir.file('data', 'control.sock');
    return callControl({ verb, args: { ...args }, socketPath, silenceMaxMs: 20_000, onItem });
  }

  async status(): Promise<GatewayStatus | undefined> {
    return (await this.ask('status').catch(() => undefined)) as GatewayStatus | undefined;
  }

  async journal(): Promise<readonly CustodyEvent[]> {
    const entries: CustodyEvent[] = [];
    await this.ask('tail', { lines: 100_000 }, (line) => entries.push(JSON.parse(String(line)) as CustodyEvent));
    return entries;
  }

  async close(): Promise<void> {
    await this.#daemon?.stop('SIGKILL').catch(() => undefined);
    await this.bench.close();
  }
}
