/** Every refusal of the page's server, as problem details (RFC 9457): the last part of `type` is the stable code. */
import type { ConsoleProblem } from '../../contracts/console-view.ts';

export const PROBLEMS = {
  wrong_host: [421, 'This server has another name'],
  wrong_origin: [403, 'The request comes from another page'],
  csrf: [403, 'The header x-latchkey-csrf is not that of this session'],
  no_such_path: [404, 'There is no such path'],
  method_not_allowed: [405, 'The path has no such method'],
  unsupported_media_type: [415, 'Expected a body of JSON'],
  too_large: [413, 'The body is too large'],
  malformed: [400, 'The request is not what this path takes'],
  unauthenticated: [401, 'Sign in first'],
  sign_in_refused: [401, 'Person or password are not known here'],
  too_many_tries: [429, 'Too many tries; wait a minute'],
  too_many_requests: [429, 'Too many requests; wait a minute'],
  role: [403, 'The role of this person does not allow it'],
  second_factor: [403, 'A code of the authenticator is needed first'],
  code_refused: [403, 'The code is wrong, or was used before'],
  code_locked: [429, 'Too many wrong codes; locked for a while'],
  no_second_factor: [403, 'This person has no authenticator'],
  unknown_log: [404, 'This box has no such log'],
  busy: [503, 'Too many at a time; try again'],
  daemon: [503, 'The gateway does not answer'],
  not_built: [503, 'The page is not built'],
  refused: [409, 'The gateway refuses it'],
  internal: [500, 'A defect of the console'],
} as const satisfies Readonly<Record<string, readonly [status: number, title: string]>>;

export type ProblemCode = keyof typeof PROBLEMS;

export interface Problem {
  readonly code: ProblemCode;
  readonly detail?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export function problem(code: ProblemCode, detail?: string, headers?: Readonly<Record<string, string>>): Problem {
  return { code, ...(detail !== undefined && { detail }), ...(headers !== undefined && { headers }) };
}

export function problemResponse({ code, detail, headers: own }: Problem, headers: Readonly<Record<string, string>>) {
  const [status, title] = PROBLEMS[code];
  const body: ConsoleProblem = {
    type: `urn:latchkey:problem:${code}`,
    title,
    status,
    ...(detail !== undefined && { detail }),
  };
  const waits = status === 429 ? { 'retry-after': '60' } : status === 503 ? { 'retry-after': '2' } : {};
  const closes = status === 413 ? { connection: 'close' } : {};
  return new Response(`${JSON.stringify(body)}\n`, {
    status,
    headers: { ...headers, ...waits, ...closes, 'content-type': 'application/problem+json', ...own },
  });
}
