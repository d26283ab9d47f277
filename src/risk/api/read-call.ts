/** What came with a request, read within bounds and checked against the endpoint's schemas: the call, or why not. */
import type { z } from 'zod';
import { utf8Text } from '../../base/bytes.ts';
import { repeatsMember } from '../../base/repeated-member.ts';
import { accept } from '../../base/result.ts';
import { personalTrace, TRACE_ADVICE } from '../../evidence/event/identifier.ts';
import { readBody } from '../../platform/http/server.ts';
import type { Endpoint } from './endpoint.ts';
import { forbiddenIn, forbiddenText } from './privacy.ts';
import { type MemberProblem, type Problem, type ProblemCode, problem } from './problems.ts';

export interface RequestParts {
  readonly params: unknown;
  readonly query: unknown;
  readonly body: unknown;
  readonly key: string;
}

const KEY = /^[\x21-\x7e]{1,120}$/;
const ERRORS_MAX = 16;
const TEXT_MAX = 200;
/** Structured field strings (RFC 8941) are quoted; both spellings are in use for this header. */
const QUOTED = /^"([\x21\x23-\x5b\x5d-\x7e]*)"$/;

/** What a problem is about that names no member. */
const WHOLE: Readonly<Partial<Record<ProblemCode, string>>> = { invalid_query: 'the query', invalid_path: 'the path' };

type Refused = { readonly ok: false; readonly problem: Problem };
type Taken<T> = { readonly ok: true; readonly value: T } | Refused;

export async function readCall(
  endpoint: Endpoint,
  request: Request,
  pathParams: Readonly<Record<string, string>>,
): Promise<Taken<RequestParts>> {
  const params = checkNames(endpoint.params, pathParams, 'invalid_path');
  if (!params.ok) return params;
  const query = checkQuery(endpoint, request.url);
  if (!query.ok) return query;
  const key = endpoint.needsKey === true ? checkKey(request.headers.get('idempotency-key')) : accept('');
  if (!key.ok) return key;
  const body = endpoint.body === undefined ? accept(undefined) : await takeBody(endpoint.body, request);
  if (!body.ok) return body;
  return accept({ params: params.value, query: query.value, body: body.value, key: key.value });
}

function checkQuery({ query }: Endpoint, url: string): Taken<unknown> {
  // Most have none, and reading an address as one takes longer than all else that is asked of it.
  const given = url.includes('?') ? onceEach(new URL(url).searchParams) : {};
  if (given === undefined) {
    return no(problem('invalid_query', 'expected each parameter once, found one twice'));
  }
  if (query !== undefined) return checkNames(query, given, 'invalid_query');
  const [first] = Object.keys(given);
  if (first === undefined) return accept(undefined);
  return no(problem('invalid_query', 'this endpoint takes no parameters in the query'));
}

function checkNames(
  schema: z.ZodType | undefined,
  given: Readonly<Record<string, string>>,
  code: ProblemCode,
): Taken<unknown> {
  if (schema === undefined) return accept(undefined);
  for (const [name, value] of Object.entries(given)) {
    const found = forbiddenText(value, name);
    if (found !== undefined) return no(found);
  }
  return check(schema, given, code);
}

function checkKey(header: string | null): Taken<string> {
  if (header === null) {
    const detail = 'send a header Idempotency-Key of your own, and the same one again when you try again';
    return no(problem('idempotency_key_missing', detail));
  }
  const key = QUOTED.exec(header)?.[1] ?? header;
  if (!KEY.test(key)) {
    return no(problem('idempotency_key_invalid', 'expected 1 to 120 printable ASCII characters without spaces'));
  }
  const found = forbiddenText(key, 'Idempotency-Key');
  if (found !== undefined) return no(found);
  // It is kept for good, as references are.
  const trace = personalTrace(key);
  return trace === undefined ? accept(key) : no(problem('idempotency_key_invalid', TRACE_ADVICE[trace]));
}

async function takeBody(wanted: NonNullable<Endpoint['body']>, request: Request): Promise<Taken<unknown>> {
  const { type, schema, bytesMax } = wanted;
  const media = (request.headers.get('content-type') ?? '').split(';')[0]?.trim().toLowerCase();
  const expected = type === 'json' ? 'application/json' : 'application/x-www-form-urlencoded';
  if (media !== expected) return no(problem('unsupported_media_type', `expected content-type: ${expected}`));
  const bytes = await readBody(request, bytesMax);
  if (bytes === undefined) return no(problem('too_large', `expected at most ${bytesMax} bytes`));
  const text = utf8Text(bytes);
  if (text === undefined) return no(problem('malformed_json', 'expected UTF-8'));
  const value = type === 'json' ? parseJson(text) : onceEach(new URLSearchParams(text));
  if (value === undefined) {
    if (type === 'json') return no(problem('malformed_json', 'expected one JSON value in UTF-8'));
    return no(problem('invalid_body', 'expected each member once, found one twice', { oauthError: 'invalid_request' }));
  }
  if (type === 'json' && repeatsMember(text)) {
    return no(problem('invalid_body', 'expected each member once, found one twice'));
  }
  // Secrets of clients are no references.
  const found = type === 'json' ? forbiddenIn(value) : undefined;
  return found === undefined ? check(schema, value, 'invalid_body') : no(found);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function onceEach(given: URLSearchParams): Readonly<Record<string, string>> | undefined {
  const names = [...given.keys()];
  return new Set(names).size === names.length ? Object.fromEntries(given) : undefined;
}

function check(schema: z.ZodType, value: unknown, code: ProblemCode): Taken<unknown> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return accept(parsed.data);
  const errors = parsed.error.issues.slice(0, ERRORS_MAX).map((issue) => memberProblem(issue, code));
  const detail = errors
    .map(({ at, expected }) => `${at === '' ? (WHOLE[code] ?? 'the body') : at}: ${expected}`)
    .join('; ');
  return no(problem(code, detail.slice(0, 4 * TEXT_MAX), { errors }));
}

/** Names of members that came and values that did not fit are not repeated: the schema says what was expected. */
function memberProblem({ code, path, message }: z.core.$ZodIssue, where: ProblemCode): MemberProblem {
  const at = path.map((step) => `/${String(step)}`).join('');
  const members = where === 'invalid_query' ? 'parameters' : 'members';
  const expected = code === 'unrecognized_keys' ? `no other ${members} than those of its schema` : message;
  return { at: at.slice(0, TEXT_MAX), expected: expected.slice(0, TEXT_MAX) };
}

function no(found: Problem): Refused {
  return { ok: false, problem: found };
}
