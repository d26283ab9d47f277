/** Endpoints about refunds: a decision, why it is so, whether it is so again, and that a refund was settled. */

import { z } from 'zod';
import { timeOf } from '../../base/wall-time.ts';
import { type RefundRequest, refundRequestSchema } from '../casework/refund-request.ts';
import type { Decision } from '../decision/decision.ts';
import { identifierSchema } from '../store/identifier-schema.ts';
import { type Endpoint, endpoint, json, refusal } from './endpoint.ts';
import { explanationOf } from './explanation.ts';
import { problem } from './problems.ts';
import { decisionSchema, explanationSchema, replaySchema, settlementSchema } from './schemas.ts';

const BODY_BYTES_MAX = 32_768;
export const referenceSchema = z
  .string()
  .min(1)
  .max(120)
  .regex(/^[\x21-\x7e]+$/, { error: 'printable characters without spaces' });

const decisionParams = z.strictObject({
  id: z
    .string()
    .regex(/^d-[0-9a-f]{32}$/, { error: 'd- and 32 hex digits' })
    .describe('decision_id of an answer'),
});
export const refundParams = z.strictObject({ id: referenceSchema.describe('refund_id of a request') });

const settlementBody = z
  .strictObject({
    reference: identifierSchema.describe('of the payment side: one for each payment'),
    amount_minor: z.int().min(1).max(1_000_000_000_000),
    currency: z.string().regex(/^[A-Z]{3}$/, { error: 'a currency of ISO 4217' }),
    settled_at: z.iso.datetime({ precision: 3, error: 'a time with milliseconds, like 2026-11-22T09:00:00.000Z' }),
  })
  .meta({ id: 'Settlement' });

/** What the rules saw stands in the explanation alone: it tells where thresholds are. */
export function viewOf(decision: Decision): object {
  const { rules: _, ...view } = decision;
  return view;
}

/** Either way it is paid without evidence. */
function saysRecall({ kind, recall }: Pick<RefundRequest, 'kind' | 'recall'>): boolean {
  return kind === 'recall' || recall === true;
}

const recallForbidden = refusal(
  problem(
    'recall_forbidden',
    'goods that are recalled are paid without evidence: only subjects of api.recall_subjects in the settings may say so',
  ),
);

const unknownDecision = refusal(
  problem('not_found', 'there is no decision of this id; POST /v1/refund-decisions makes one'),
);

export const DECISION_ENDPOINTS: readonly Endpoint[] = [
  endpoint({
    id: 'decideRefund',
    method: 'POST',
    path: '/v1/refund-decisions',
    summary: 'May this refund be paid now, and if not, why not and until when?',
    description:
      'Decides once for each Idempotency-Key of a client: the same key with the same body gives the same answer, and ' +
      'with another body it is refused. What cannot be read makes a HOLD with a short deadline, never a payment. ' +
      'That goods are recalled (kind or member recall) is taken from subjects that the settings name, and from nobody else.',
    access: ['merchant'],
    body: { type: 'json', schema: refundRequestSchema.meta({ id: 'RefundRequest' }), bytesMax: BODY_BYTES_MAX },
    needsKey: true,
    answers: { 200: { text: 'The decision', schema: decisionSchema } },
    refusals: ['recall_forbidden', 'key_reused', 'refund_known', 'refund_closed', 'requested_at'],
    async run({ body, key, identity }, { desk, settings }) {
      if (saysRecall(body) && !settings.recall_subjects.includes(identity?.subject ?? '')) return recallForbidden;
      const decided = await desk.decide(`${identity?.subject ?? ''} ${key}`, body);
      return decided.ok ? json(viewOf(decided.value)) : refusal(problem(decided.reason, decided.detail));
    },
  }),
  endpoint({
    id: 'getDecision',
    method: 'GET',
    path: '/v1/refund-decisions/{id}',
    summary: 'A decision as it was given',
    access: ['merchant', 'operator', 'analyst', 'auditor'],
    params: decisionParams,
    answers: { 200: { text: 'The decision', schema: decisionSchema } },
    refusals: ['not_found'],
    async run({ params }, { desk }) {
      const stored = await desk.decision(params.id);
      return stored === undefined ? unknownDecision : json(viewOf(stored.decision));
    },
  }),
  endpoint({
    id: 'explainDecision',
    method: 'GET',
    path: '/v1/refund-decisions/{id}/explanation',
    summary: 'Why it was decided so, also why a rule did not fire',
    access: ['analyst', 'auditor'],
    params: decisionParams,
    answers: { 200: { text: 'Every rule and contradiction, and all facts', schema: explanationSchema } },
    refusals: ['not_found'],
    async run({ params }, { desk }) {
      const told = await desk.explain(params.id);
      return told === undefined ? unknownDecision : json(explanationOf(told));
    },
  }),
  endpoint({
    id: 'replayDecision',
    method: 'GET',
    path: '/v1/refund-decisions/{id}/replay',
    summary: 'Decide again from the kept facts, and compare',
    access: ['auditor'],
    params: decisionParams,
    answers: { 200: { text: 'The decision as it is made now', schema: replaySchema } },
    refusals: ['not_found'],
    async run({ params }, { desk }) {
      const stored = await desk.decision(params.id);
      const again = await desk.replay(params.id);
      if (stored === undefined || again === undefined) return unknownDecision;
      return json({ same: JSON.stringify(again) === JSON.stringify(stored.decision), decision: viewOf(again) });
    },
  }),
  endpoint({
    id: 'confirmSettlement',
    method: 'POST',
    path: '/v1/refunds/{id}/settlement',
    summary: 'The payment side paid this refund',
    description: 'The same confirmation again gives the same answer. What is paid never exceeds what was captured.',
    access: ['payments'],
    params: refundParams,
    body: { type: 'json', schema: settlementBody, bytesMax: BODY_BYTES_MAX },
    answers: { 200: { text: 'It is kept as paid', schema: settlementSchema } },
    refusals: ['not_found', 'settled_before', 'reference_known', 'amount_differs', 'not_ordered', 'exceeds_captured'],
    async run({ params, body }, { desk }) {
      const { settled_at, ...rest } = body;
      const kept = await desk.settle(params.id, { ...rest, settled_at_ms: timeOf(settled_at) });
      if (kept.ok) return json({ refund_id: params.id, state: kept.value });
      return refusal(problem(kept.reason === 'refund_unknown' ? 'not_found' : kept.reason, kept.detail));
    },
  }),
];
