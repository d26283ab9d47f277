/**
 * What an endpoint is: one row with its path, who may ask, what it takes, what it answers and how. The router, the
 * OpenAPI document and the tests all read these rows, so that none of them can say something else.
 */
import type { z } from 'zod';
import type { ApiParts } from './parts.ts';
import type { Problem, ProblemCode } from './problems.ts';
import type { Role } from './roles.ts';
import type { Identity } from './tokens.ts';

export type Answer =
  | { readonly kind: 'json'; readonly status?: 200 | 503; readonly value: object; readonly type?: string }
  | { readonly kind: 'bytes'; readonly type: string; readonly bytes: Uint8Array | string }
  | { readonly kind: 'problem'; readonly problem: Problem };

/** Whence something is asked. */
export interface Origin {
  readonly address: string;
  /** The address asks too often: whatever proves nothing waits. */
  readonly isOver: boolean;
}

export interface Call<P, Q, B> {
  readonly params: P;
  readonly query: Q;
  readonly body: B;
  /** Of the header Idempotency-Key; empty where the endpoint asks for none. */
  readonly key: string;
  /** Absent where anybody may ask. */
  readonly identity?: Identity;
  readonly authorization: string;
  readonly origin: Origin;
  /** Aborts when the time for the answer is over. */
  readonly signal: AbortSignal;
}

export interface EndpointSpec<P, Q, B> {
  /** operationId. */
  readonly id: string;
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly summary: string;
  readonly description?: string;
  readonly access: readonly Role[] | 'public';
  readonly params?: z.ZodType<P>;
  readonly query?: z.ZodType<Q>;
  readonly body?: { readonly type: 'json' | 'form'; readonly schema: z.ZodType<B>; readonly bytesMax: number };
  readonly needsKey?: true;
  /** What an answer looks like, by status; a media type stands for what is not JSON. */
  readonly answers: Readonly<Record<number, AnswerSpec>>;
  /** Beyond those that every endpoint, and every one with a body or a token, may give. */
  readonly refusals?: readonly ProblemCode[];
  run(call: Call<P, Q, B>, service: ApiService): Promise<Answer>;
}

export interface AnswerSpec {
  readonly text: string;
  readonly schema?: z.ZodType;
  readonly type?: string;
}

/** What endpoints ask beyond the rooms: tokens for clients of this service. */
export interface ApiService extends ApiParts {
  readonly grant: (authorization: string, form: TokenForm, origin: Origin) => Answer;
}

export interface TokenForm {
  readonly grant_type: string;
  readonly scope?: string | undefined;
  readonly client_id?: string | undefined;
  readonly client_secret?: string | undefined;
}

/** An endpoint whose types are put away: it is given what its schemas made. */
export type Endpoint = Omit<EndpointSpec<unknown, unknown, unknown>, 'run'> & {
  run(call: Call<unknown, unknown, unknown>, service: ApiService): Promise<Answer>;
};

export function endpoint<P = undefined, Q = undefined, B = undefined>(spec: EndpointSpec<P, Q, B>): Endpoint {
  // The router parses with the very schemas of this row before it calls.
  return spec as unknown as Endpoint;
}

export function json(value: object): Answer {
  return { kind: 'json', value };
}

export function refusal(problem: Problem): Answer {
  return { kind: 'problem', problem };
}
