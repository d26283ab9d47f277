/**
 * Every refusal of the API: a stable code, its status and its title, as problem details (RFC 9457). What was expected
 * and what to do stands in `detail`; nothing that was sent is repeated there but names of members.
 */
export const PROBLEMS = {
  malformed_json: [400, 'The body is not JSON'],
  invalid_body: [422, 'The body is not what this endpoint takes'],
  invalid_path: [400, 'A name in the path is not of the form that it has here'],
  invalid_query: [400, 'A parameter in the query is not what this endpoint takes'],
  idempotency_key_missing: [400, 'This endpoint needs the header Idempotency-Key'],
  idempotency_key_invalid: [400, 'The Idempotency-Key is no such key'],
  unsupported_media_type: [415, 'The body has another media type than this endpoint takes'],
  too_large: [413, 'The body is too large'],
  card_number: [422, 'A value looks like a payment card number'],
  personal_data: [422, 'A value looks like an address of a person'],
  unauthenticated: [401, 'A token is needed'],
  token_invalid: [401, 'The token is refused'],
  token_expired: [401, 'The token has expired'],
  client_refused: [401, 'The client is not known, or its secret is another one'],
  unsupported_grant: [400, 'Only the grant client_credentials is given'],
  scope_refused: [400, 'The client may not have this role'],
  forbidden: [403, 'The role of the token may not do this'],
  recall_forbidden: [403, 'The caller may not say that goods are recalled'],
  no_such_path: [404, 'There is no such path'],
  not_found: [404, 'Nothing of this name is known'],
  method_not_allowed: [405, 'The path has no such method'],
  key_reused: [409, 'The Idempotency-Key came with another body before'],
  refund_known: [409, 'The refund was requested before with other particulars'],
  refund_closed: [409, 'The refund was answered for good, or its payment is ordered'],
  requested_at: [422, 'The refund is asked for in the future'],
  settled_before: [409, 'The refund was settled before by another reference'],
  reference_known: [409, 'The reference settled another refund'],
  amount_differs: [409, 'The amount is not that of the refund'],
  not_ordered: [409, 'No payment of this refund was ordered'],
  exceeds_captured: [409, 'The payment has not that much left'],
  too_many_requests: [429, 'Too many requests'],
  internal: [500, 'A defect of the service'],
  unavailable: [503, 'The service cannot answer now'],
  timed_out: [503, 'The answer took too long'],
} as const satisfies Readonly<Record<string, readonly [status: number, title: string]>>;

export type ProblemCode = keyof typeof PROBLEMS;

export const PROBLEM_CODES = Object.keys(PROBLEMS) as readonly ProblemCode[];

export interface MemberProblem {
  /** JSON Pointer into the body, or the name of a parameter. */
  readonly at: string;
  readonly expected: string;
}

export interface Problem {
  readonly code: ProblemCode;
  readonly detail: string;
  readonly errors?: readonly MemberProblem[];
  /** When to try again. */
  readonly retryAfterS?: number;
  /** Of RFC 6749 section 5.2, at the endpoint for tokens. */
  readonly oauthError?: 'invalid_request' | 'invalid_client' | 'unsupported_grant_type' | 'invalid_scope';
}

export function problem(code: ProblemCode, detail: string, more: Omit<Problem, 'code' | 'detail'> = {}): Problem {
  return { code, detail, ...more };
}

export function problemResponse(
  found: Problem,
  requestId: string,
  headers: Readonly<Record<string, string>>,
): Response {
  const [status, title] = PROBLEMS[found.code];
  const { code, detail, errors, retryAfterS, oauthError } = found;
  const body = {
    type: `urn:latchkey:problem:${code}`,
    title,
    status,
    code,
    detail,
    request_id: requestId,
    ...(errors !== undefined && { errors }),
    ...(oauthError !== undefined && { error: oauthError }),
  };
  return new Response(`${JSON.stringify(body)}\n`, {
    status,
    headers: {
      ...headers,
      'content-type': 'application/problem+json',
      ...(status === 401 && { 'www-authenticate': challengeOf(code) }),
      ...(status === 413 && { connection: 'close' }),
      ...(retryAfterS !== undefined && { 'retry-after': String(retryAfterS) }),
    },
  });
}

/** RFC 6750 section 3: nothing but the scheme where no token came. */
function challengeOf(code: ProblemCode): string {
  if (code === 'client_refused') return 'Basic realm="latchkey"';
  return code === 'unauthenticated' ? 'Bearer realm="latchkey"' : 'Bearer realm="latchkey", error="invalid_token"';
}
