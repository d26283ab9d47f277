/** What the API's document says of webhooks: made of the schemas that judge them and of the table of their refusals. */
import { z } from 'zod';
import { messageSchema, TYPES_OF_KIND } from './body.ts';
import { SOURCE_REFUSAL_NAMES, SOURCE_REFUSALS } from './reasons.ts';

const UNAVAILABLE = 503;
const kinds = Object.entries(TYPES_OF_KIND).map(([kind, types]) => `${kind}: ${types.join(', ')}`);

const takenSchema = z
  .strictObject({ accepted: z.literal(true), duplicate: z.boolean().describe('the event was kept before') })
  .meta({ id: 'WebhookTaken' });
const refusedSchema = z
  .strictObject({
    error: z.strictObject({ reason: z.enum([...SOURCE_REFUSAL_NAMES, 'unavailable']), detail: z.string() }),
  })
  .meta({ id: 'WebhookRefused' });

export const SOURCES_ROUTE = {
  id: 'takeWebhook',
  path: '/v1/sources/{name}',
  summary: 'A webhook of a declared source: a claim about a parcel, or a fact of the payment side',
  description:
    'The source proves itself as its settings say: Standard Webhooks (webhook-id, webhook-timestamp, webhook-signature), ' +
    `an HMAC in named headers, or a bearer token. What each kind may say: ${kinds.join('; ')}.`,
  params: z.strictObject({ name: z.string().describe('of the source in the settings') }),
  body: messageSchema.meta({ id: 'SourceMessage' }),
  answers: {
    200: { text: 'It is kept', schema: takenSchema },
    ...Object.fromEntries(
      [...byStatus()].map(([status, reasons]) => [status, { text: reasons.join(', '), schema: refusedSchema }]),
    ),
  },
} as const;

function byStatus(): ReadonlyMap<number, readonly string[]> {
  const found = new Map<number, string[]>([[UNAVAILABLE, ['unavailable']]]);
  for (const name of SOURCE_REFUSAL_NAMES) {
    const [status] = SOURCE_REFUSALS[name];
    found.set(status, [...(found.get(status) ?? []), name]);
  }
  return found;
}
