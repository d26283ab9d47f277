/** Endpoints about the service itself: tokens, health, counters, and what it can be asked. */
import { z } from 'zod';
import { type Endpoint, endpoint, json } from './endpoint.ts';
import { aliveSchema, healthSchema, tokenSchema } from './schemas.ts';

const FORM_BYTES_MAX = 4_096;

const tokenForm = z
  .strictObject({
    grant_type: z.string().max(100).describe('client_credentials'),
    scope: z.string().max(100).optional().describe('the role; needed only by a client with several'),
    client_id: z.string().max(100).optional(),
    client_secret: z.string().max(200).optional(),
  })
  .meta({ id: 'TokenRequest' });

export const SERVICE_ENDPOINTS: readonly Endpoint[] = [
  endpoint({
    id: 'getToken',
    method: 'POST',
    path: '/v1/tokens',
    summary: 'Exchange the secret of a client for a token of at most 15 minutes (RFC 6749 section 4.4)',
    description: 'The client authenticates with HTTP Basic, or with client_id and client_secret in the form.',
    access: 'public',
    body: { type: 'form', schema: tokenForm, bytesMax: FORM_BYTES_MAX },
    answers: { 200: { text: 'The token', schema: tokenSchema } },
    refusals: ['client_refused', 'unsupported_grant', 'scope_refused'],
    run: async ({ body, authorization, origin }, { grant }) => grant(authorization, body, origin),
  }),
  endpoint({
    id: 'isAlive',
    method: 'GET',
    path: '/healthz',
    summary: 'The process answers',
    access: 'public',
    answers: { 200: { text: 'It does', schema: aliveSchema } },
    run: async () => json({ status: 'pass' }),
  }),
  endpoint({
    id: 'isReady',
    method: 'GET',
    path: '/readyz',
    summary: 'The service can answer requests',
    access: 'public',
    answers: { 200: { text: 'It can', schema: healthSchema }, 503: { text: 'It cannot', schema: healthSchema } },
    async run(_, { health }) {
      const checks = await health.ready();
      const isReady = checks.every(({ ok }) => ok);
      // What is wrong in detail is not for everybody.
      const shown = checks.map(({ name, ok }) => ({ name, ok }));
      return { kind: 'json', status: isReady ? 200 : 503, value: { status: isReady ? 'pass' : 'fail', checks: shown } };
    },
  }),
  endpoint({
    id: 'getMetrics',
    method: 'GET',
    path: '/metrics',
    summary: 'Counters in the text format of Prometheus',
    access: ['metrics'],
    answers: { 200: { text: 'Text exposition format 0.0.4', type: 'text/plain; version=0.0.4; charset=utf-8' } },
    async run(_, { metricsText }) {
      return { kind: 'bytes', type: 'text/plain; version=0.0.4; charset=utf-8', bytes: await metricsText() };
    },
  }),
];
