/** What the page asks of its gateway. Same origin alone; every wait is bounded; what is refused has the server's word. */
import type {
  ActAnswer,
  ActRequest,
  ConsoleProblem,
  JournalPage,
  SessionView,
  WalkLine,
} from '../../edge/contracts/console-view.ts';
import { sentence } from '../kit/words.ts';

const ASK_LIMIT_MS = 20_000;
/** An opening waits for its door. */
const ACT_LIMIT_MS = 60_000;
const LINE_CHARS_MAX = 65_536;
const BROKEN = 'The gateway does not answer. Look whether it runs and whether this device is in its network.';

/** Of an answer that was not 2xx, or that did not come (`status` 0). */
export class Refusal extends Error {
  readonly status: number;
  readonly code: string | undefined;

  constructor(status: number, text: string, code?: string) {
    super(text);
    this.status = status;
    this.code = code;
  }

  get needsFactor(): boolean {
    return this.status === 403 && this.code === 'second_factor';
  }

  /** What was asked for may have been done all the same. */
  get isUnknown(): boolean {
    return (this.status === 0 && this.code === 'broken') || this.code === 'daemon' || this.code === 'internal';
  }
}

export function session(): Promise<SessionView> {
  return ask<SessionView>('api/session');
}

export function signIn(person: string, password: string): Promise<SessionView> {
  return ask<SessionView>('api/sign-in', { body: { person, password } });
}

export async function signOut(csrf: string): Promise<void> {
  await ask<unknown>('api/sign-out', { body: {}, csrf });
}

export async function secondFactor(csrf: string, code: string): Promise<void> {
  await ask<unknown>('api/second-factor', { body: { code }, csrf });
}

export function act(csrf: string, request: ActRequest): Promise<ActAnswer> {
  return ask<ActAnswer>('api/act', { body: request, csrf, limitMs: ACT_LIMIT_MS });
}

export function journal(query: {
  readonly before?: number;
  readonly limit: number;
  readonly log?: string;
}): Promise<JournalPage> {
  const words = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) words.set(name, String(value));
  return ask<JournalPage>(`api/journal?${words}`);
}

/** A walk's lines as they come, until it is over or `signal` ends it. */
export async function* walk(
  path: 'api/commission' | 'api/pair',
  csrf: string,
  body: object,
  signal: AbortSignal,
): AsyncGenerator<WalkLine> {
  const answer = await sent(path, posted(body, csrf, signal));
  const reader = answer.body?.pipeThrough(new TextDecoderStream()).getReader();
  if (reader === undefined) return;
  let rest = '';
  for (;;) {
    const { done, value } = await reader.read().catch((error: unknown) => {
      if (signal.aborted) throw error;
      throw new Refusal(0, BROKEN, 'broken');
    });
    rest += value ?? '';
    const lines = rest.split('\n');
    rest = lines.pop() ?? '';
    for (const line of done ? [...lines, rest] : lines) {
      if (line.trim() !== '') yield JSON.parse(line) as WalkLine;
    }
    if (done) return;
    if (rest.length > LINE_CHARS_MAX) throw new Refusal(0, 'the gateway sent a line that is too long');
  }
}

interface Asking {
  readonly body?: object;
  readonly csrf?: string;
  readonly limitMs?: number;
}

async function ask<T>(path: string, { body, csrf, limitMs = ASK_LIMIT_MS }: Asking = {}): Promise<T> {
  const signal = AbortSignal.timeout(limitMs);
  const answer = await sent(path, body === undefined ? { signal } : posted(body, csrf, signal));
  if (answer.status === 204) return undefined as T;
  try {
    return (await answer.json()) as T;
  } catch {
    throw new Refusal(0, BROKEN, 'broken');
  }
}

function posted(body: object, csrf: string | undefined, signal: AbortSignal): RequestInit {
  const headers = { 'content-type': 'application/json', ...(csrf !== undefined && { 'x-latchkey-csrf': csrf }) };
  return { method: 'POST', headers, body: JSON.stringify(body), signal };
}

async function sent(path: string, init: RequestInit): Promise<Response> {
  let answer: Response;
  try {
    answer = await fetch(path, { ...init, credentials: 'same-origin', redirect: 'error', cache: 'no-store' });
  } catch (error) {
    if (init.signal?.aborted === true && (error as Error).name === 'AbortError') throw error;
    throw new Refusal(0, BROKEN, 'broken');
  }
  if (answer.ok) return answer;
  const problem = (await answer.json().catch(() => ({}))) as Partial<ConsoleProblem>;
  // The last part of the type is the stable code.
  const code = problem.type?.split(':').at(-1);
  const text = sentence(problem.detail ?? problem.title ?? `the gateway answered ${answer.status}`);
  throw new Refusal(answer.status, text, code);
}

/** For a person, whatever it was. */
export function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
