/** Endpoints about holds. To release one is a person's act with approvals, which has a place of its own. */
import { z } from 'zod';
import { HOLD_STATES } from '../casework/hold-book.ts';
import { type Endpoint, endpoint, json, refusal } from './endpoint.ts';
import { referenceSchema } from './endpoints-decisions.ts';
import { problem } from './problems.ts';
import { holdPageSchema, holdSchema } from './schemas.ts';

const PAGE_DEFAULT = 50;
const PAGE_MAX = 200;

const pageQuery = z.strictObject({
  state: z.enum(HOLD_STATES).optional(),
  cursor: z
    .string()
    // What no page gave would begin anew, and whoever walks the pages would never end.
    .regex(/^\d{1,15}\.h-[0-9a-f]{32}$/, { error: 'a "next" of the page before' })
    .optional(),
  limit: z
    .string()
    .regex(/^\d{1,3}$/, { error: `a whole number from 1 to ${PAGE_MAX}` })
    .transform(Number)
    .pipe(z.int().min(1).max(PAGE_MAX))
    .default(PAGE_DEFAULT),
});

export const HOLD_ENDPOINTS: readonly Endpoint[] = [
  endpoint({
    id: 'listHolds',
    method: 'GET',
    path: '/v1/holds',
    summary: 'Holds, those that must be answered first at the top',
    access: ['operator', 'analyst', 'auditor'],
    query: pageQuery,
    answers: { 200: { text: 'A page of holds', schema: holdPageSchema } },
    async run({ query: { state, cursor, limit } }, { holds }) {
      const page = await holds.list({
        limit,
        ...(state !== undefined && { state }),
        ...(cursor !== undefined && { after: cursor }),
      });
      return json(page);
    },
  }),
  endpoint({
    id: 'getHold',
    method: 'GET',
    path: '/v1/holds/{id}',
    summary: 'One hold',
    access: ['operator', 'analyst', 'auditor'],
    params: z.strictObject({ id: referenceSchema.describe('hold_id') }),
    answers: { 200: { text: 'The hold', schema: holdSchema } },
    refusals: ['not_found'],
    async run({ params }, { holds }) {
      const hold = await holds.show(params.id);
      return hold === undefined ? refusal(problem('not_found', 'there is no such hold')) : json(hold);
    },
  }),
];
