/** The page's server without a socket, on a clock that is turned by hand, before a daemon that writes down what it is asked. */
import type { Logger } from '../../src/base/logger.ts';
import { ManualScheduler } from '../../src/base/manual-scheduler.ts';
import { consoleSettingsSchema } from '../../src/edge/console/settings.ts';
import { ConsoleWeb } from '../../src/edge/console/web/console-web.ts';
import type { Daemon } from '../../src/edge/console/web/daemon.ts';
import type { EntryView, JournalPage, SessionView } from '../../src/edge/contracts/console-view.ts';
import type { StaticFiles } from '../../src/platform/http/static-files.ts';
import { codeOf, makePeople, PASSWORD } from './console-bench.ts';
import { makeTempDir, type TempDir } from './temp-dir.ts';

export const HOST = '127.0.0.1:8080';
export const ORIGIN = `http://${HOST}`;
const EMPTY: JournalPage = { log: 'o/g/1-00000000', size: 0, entries: [], logs: [] };

export interface Asked {
  readonly method?: string;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string | undefined>>;
  readonly address?: string;
}

export class WebBench {
  readonly dir: TempDir = makeTempDir('console-web');
  readonly scheduler = new ManualScheduler(1_700_000_000_000);
  /** What the daemon was asked: the verb, and its words. */
  readonly asked: (readonly unknown[])[] = [];
  readonly logged: string[] = [];
  readonly web: ConsoleWeb;
  refuseTickets = false;
  /** Acts are answered when it resolves. */
  actsHeld: Promise<void> = Promise.resolve();
  hearEntry: ((entry: EntryView) => void) | undefined;

  constructor({ files = new Map(), web = {} }: { readonly files?: StaticFiles; readonly web?: object } = {}) {
    const people = makePeople((name) => this.dir.file(name));
    const settings = consoleSettingsSchema.parse({ people, web: { port: 8080, ...web } });
    if (settings.web === undefined) throw new Error('the settings have a page');
    const { scheduler } = this;
    this.web = new ConsoleWeb({
      settings: settings.web,
      people: settings.people,
      files,
      daemon: this.#daemon(),
      scheduler,
      logger: this.#logger(),
    });
  }

  async ask(
    path: string,
    { method = 'GET', body, headers = {}, address = '127.0.0.1' }: Asked = {},
  ): Promise<Response> {
    const all = { host: HOST, ...headers };
    const entries = Object.entries(all).flatMap(([name, value]): [string, string][] =>
      value === undefined ? [] : [[name, value]],
    );
    // undici's Request keeps every header in Node, also those that no page may say.
    const init = { method, headers: entries, ...(body !== undefined && { body: bodyOf(body) }) };
    return this.web.handle(new Request(`${ORIGIN}${path}`, init), address);
  }

  post(path: string, body: unknown, who?: Page, headers: Asked['headers'] = {}): Promise<Response> {
    const own = {
      'content-type': 'application/json',
      origin: ORIGIN,
      ...(who !== undefined && { cookie: who.cookie, 'x-latchkey-csrf': who.csrf }),
    };
    return this.ask(path, { method: 'POST', body, headers: { ...own, ...headers } });
  }

  /** Signed in; rejects when that fails. */
  async page(person: string): Promise<Page> {
    const response = await this.post('/api/sign-in', { person, password: PASSWORD });
    const { csrf } = (await response.json()) as SessionView;
    return { csrf, cookie: sessionCookie(response) ?? '' };
  }

  async elevated(person: string): Promise<Page> {
    const page = await this.page(person);
    await this.post('/api/second-factor', { code: codeOf(this.dir.file(`${person}.totp`)) }, page);
    return page;
  }

  close(): void {
    this.web.stop();
    this.dir.remove();
  }

  #daemon(): Daemon {
    const { asked } = this;
    return {
      watch: (hear, signal) => {
        this.hearEntry = hear.entry;
        return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
      },
      journal: async (ask) => {
        asked.push(['journal', ask]);
        return EMPTY;
      },
      elevate: async (person, code) => {
        asked.push(['elevate', person]);
        return code === '000000'
          ? { kind: 'refused', reason: 'unknown_person_or_code' }
          : { kind: 'ticket', ticket: `ticket of ${person}`, forS: 300 };
      },
      act: async ({ person, ticket }, request) => {
        asked.push(['act', person, ticket, request]);
        await this.actsHeld;
        return this.refuseTickets ? { result: 'refused', reason: 'second_factor' } : { result: 'done' };
      },
      notCommissioned: async () => ['A1'],
      walk: async ({ person }, verb, args, step) => {
        asked.push([verb, person, args]);
        step('looking');
        return { verdict: 'commissioned' };
      },
    };
  }

  #logger(): Logger {
    const write = (fields: object, message: string): void =>
      void this.logged.push(JSON.stringify({ ...fields, message }));
    const logger: Logger = { debug: write, info: write, warn: write, error: write, child: () => logger };
    return logger;
  }
}

export interface Page {
  readonly csrf: string;
  readonly cookie: string;
}

export function sessionCookie(response: Response): string | undefined {
  return response.headers
    .getSetCookie()
    .map((line) => line.split(';')[0] ?? '')
    .find((pair) => pair.startsWith('latchkey_session='));
}

export async function codeIn(response: Response): Promise<string | undefined> {
  const body = (await response.json()) as { readonly type?: string };
  return body.type?.split(':').at(-1);
}

function bodyOf(body: unknown): string {
  return typeof body === 'string' ? body : JSON.stringify(body);
}
