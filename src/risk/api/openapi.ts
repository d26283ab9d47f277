/**
 * The OpenAPI 3.1 document, made of the rows that the router serves. Its schemas are JSON Schema 2020-12, which is what
 * OpenAPI 3.1 takes and what zod writes.
 */
import { z } from 'zod';
import type { AnswerSpec, Endpoint } from './endpoint.ts';
import { ENDPOINTS } from './endpoints.ts';
import type { BesideRoute } from './parts.ts';
import { PROBLEMS, type ProblemCode } from './problems.ts';
import { ROLE_DUTIES, ROLES } from './roles.ts';
import { problemSchema } from './schemas.ts';

type Json = Record<string, unknown>;

const ALWAYS: readonly ProblemCode[] = ['too_many_requests', 'internal', 'unavailable', 'timed_out'];
const WITH_TOKEN: readonly ProblemCode[] = ['unauthenticated', 'token_invalid', 'token_expired', 'forbidden'];
const WITH_BODY: readonly ProblemCode[] = ['unsupported_media_type', 'too_large', 'invalid_body'];
const WITH_JSON: readonly ProblemCode[] = ['malformed_json', 'card_number', 'personal_data'];
const WITH_KEY: readonly ProblemCode[] = ['idempotency_key_missing', 'idempotency_key_invalid'];

/** Every problem that an endpoint may answer with. */
export function refusalsOf(endpoint: Endpoint): readonly ProblemCode[] {
  const codes: readonly ProblemCode[] = [
    ...ALWAYS,
    ...(endpoint.access === 'public' ? [] : WITH_TOKEN),
    ...(endpoint.body === undefined ? [] : WITH_BODY),
    ...(endpoint.body?.type === 'json' ? WITH_JSON : []),
    ...(endpoint.needsKey === true ? WITH_KEY : []),
    ...(endpoint.params === undefined ? [] : (['invalid_path', 'card_number', 'personal_data'] as const)),
    'invalid_query',
    ...(endpoint.refusals ?? []),
  ];
  return [...new Set(codes)];
}

export function openApiText(beside: readonly BesideRoute[] = []): string {
  const schemas: Json = {};
  const document = {
    openapi: '3.1.0',
    info: {
      title: 'Latchkey risk API',
      version: '1',
      description: 'May this refund be paid now, and if not, why not and until when?',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/' }],
    security: [{ token: [] }],
    paths: { ...pathsOf(schemas), ...besideOf(beside, schemas) },
    components: {
      schemas,
      securitySchemes: {
        token: {
          type: 'oauth2',
          description: 'A service token of at most 15 minutes with one role, which is its scope.',
          flows: { clientCredentials: { tokenUrl: '/v1/tokens', scopes: { ...ROLE_DUTIES } } },
        },
        client: { type: 'http', scheme: 'basic', description: 'Id and secret of a client.' },
      },
    },
    'x-roles': ROLES,
  };
  return `${JSON.stringify({ ...document, components: { ...document.components, schemas: sorted(schemas) } }, undefined, 2)}\n`;
}

function pathsOf(schemas: Json): Json {
  const paths: Record<string, Json> = {};
  for (const endpoint of ENDPOINTS) {
    paths[endpoint.path] = { ...paths[endpoint.path], [endpoint.method.toLowerCase()]: operationOf(endpoint, schemas) };
  }
  return paths;
}

function besideOf(beside: readonly BesideRoute[], schemas: Json): Json {
  const [status] = PROBLEMS.too_many_requests;
  return Object.fromEntries(
    beside.map(({ id, path, summary, description, params, body, answers }) => [
      path,
      {
        post: {
          operationId: id,
          summary,
          description,
          security: [],
          parameters: parametersOf(params, 'path', schemas),
          requestBody: {
            required: true,
            content: { 'application/json': { schema: schemaOf(body, 'input', schemas) } },
          },
          responses: {
            ...answersOf(answers, schemas),
            [status]: problemAnswer(['too_many_requests'], schemaOf(problemSchema, 'output', schemas)),
          },
        },
      },
    ]),
  );
}

function problemAnswer(codes: readonly ProblemCode[], schema: Json): Json {
  return { description: codes.join(', '), content: { 'application/problem+json': { schema } } };
}

function operationOf(endpoint: Endpoint, schemas: Json): Json {
  const { id, summary, description, access, body, answers } = endpoint;
  const parameters = [
    ...parametersOf(endpoint.params, 'path', schemas),
    ...parametersOf(endpoint.query, 'query', schemas),
    ...(endpoint.needsKey === true ? [KEY_PARAMETER] : []),
  ];
  const media = body?.type === 'json' ? 'application/json' : 'application/x-www-form-urlencoded';
  return {
    operationId: id,
    summary,
    ...(description !== undefined && { description }),
    ...(access !== 'public' && { security: [{ token: [...access] }] }),
    ...(access === 'public' && { security: id === 'getToken' ? [{ client: [] }, {}] : [] }),
    ...(parameters.length > 0 && { parameters }),
    ...(body !== undefined && {
      requestBody: { required: true, content: { [media]: { schema: schemaOf(body.schema, 'input', schemas) } } },
    }),
    responses: { ...answersOf(answers, schemas), ...problemsOf(endpoint, answers, schemas) },
  };
}

const KEY_PARAMETER = {
  name: 'Idempotency-Key',
  in: 'header',
  required: true,
  description: 'of the client: the same key with the same body gives the same answer',
  schema: { type: 'string', minLength: 1, maxLength: 120, pattern: '^[\\x21-\\x7e]+$' },
};

function parametersOf(schema: z.ZodType | undefined, place: 'path' | 'query', schemas: Json): readonly Json[] {
  if (schema === undefined) return [];
  const object = schemaOf(schema, 'input', schemas) as { properties?: Record<string, Json>; required?: string[] };
  return Object.entries(object.properties ?? {}).map(([name, { description, ...rest }]) => ({
    name,
    in: place,
    required: place === 'path' || (object.required ?? []).includes(name),
    ...(description !== undefined && { description }),
    schema: rest,
  }));
}

function answersOf(answers: Readonly<Record<number, AnswerSpec>>, schemas: Json): Json {
  return Object.fromEntries(
    Object.entries(answers).map(([status, { text, schema, type }]) => {
      const media = type ?? 'application/json';
      const what = schema === undefined ? { type: 'string' } : schemaOf(schema, 'output', schemas);
      return [status, { description: text, content: { [media]: { schema: what } } }];
    }),
  );
}

function problemsOf(endpoint: Endpoint, answers: Readonly<Record<number, AnswerSpec>>, schemas: Json): Json {
  const byStatus = new Map<number, ProblemCode[]>();
  for (const code of refusalsOf(endpoint)) {
    const [status] = PROBLEMS[code];
    byStatus.set(status, [...(byStatus.get(status) ?? []), code]);
  }
  const schema = schemaOf(problemSchema, 'output', schemas);
  return Object.fromEntries(
    [...byStatus]
      .filter(([status]) => answers[status] === undefined)
      .map(([status, codes]) => [status, problemAnswer(codes, schema)]),
  );
}

/** Named schemas go among the components; what is left refers to them. */
function schemaOf(schema: z.ZodType, io: 'input' | 'output', schemas: Json): Json {
  const made = z.toJSONSchema(schema, { io, unrepresentable: 'any' }) as Json;
  const { $schema: _, $defs, ...rest } = made;
  for (const [name, one] of Object.entries(($defs as Json | undefined) ?? {})) schemas[name] = relinked(one);
  return relinked(rest) as Json;
}

function relinked(value: unknown): unknown {
  if (typeof value === 'string') return value.replace(/^#\/\$defs\//, '#/components/schemas/');
  if (Array.isArray(value)) return value.map(relinked);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, relinked(member)]));
}

function sorted(value: Json): Json {
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
}
