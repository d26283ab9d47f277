/** Endpoints about custody: ledgers, evidence to take away, and rates. */

import { z } from 'zod';
import { isTime, timeOf } from '../../base/wall-time.ts';
import { identifierSchema } from '../store/identifier-schema.ts';
import { type Endpoint, endpoint, json, refusal } from './endpoint.ts';
import { referenceSchema, refundParams } from './endpoints-decisions.ts';
import { problem } from './problems.ts';
import { RATE_GROUPS } from './rate-tally.ts';
import { ledgerSchema, ratesByGroupSchema, ratesSchema } from './schemas.ts';

const LINES_DEFAULT = 200;
const LINES_MAX = 1_000;
const DAY_MS = 86_400_000;
const WINDOW_DAYS_MAX = 31;

const parcelParams = z.strictObject({
  ref: referenceSchema.describe('reference of the parcel as it stands in events'),
});
/** Query parameters are texts. */
const count = (most: number) =>
  z
    .string()
    .regex(/^\d{1,9}$/, { error: 'a whole number' })
    .transform(Number)
    .pipe(z.int().min(0).max(most));
const pageQuery = z.strictObject({
  from: count(1_000_000).default(0).describe('number of the first line of the timeline'),
  limit: count(LINES_MAX).pipe(z.int().min(1)).default(LINES_DEFAULT).describe('lines of the timeline'),
});
const TIME = 'a time like 2026-11-22T09:00:00Z';
const time = z.iso.datetime({ error: TIME, abort: true }).refine(isTime, { error: TIME });
const windowQuery = z.strictObject({
  from: time.optional().describe('inclusive; a day before "until" unless given'),
  until: time.optional().describe('exclusive; now unless given'),
});

const WINDOW = `"from" before "until", and at most ${WINDOW_DAYS_MAX} days between them`;
const badWindow = refusal(problem('invalid_query', WINDOW, { errors: [{ at: 'from', expected: WINDOW }] }));

const KEEP_BYTES_MAX = 1_024;
const keepBody = z
  .strictObject({ kept_as: identifierSchema.describe('where it is kept: a name that you find it by, such as a path') })
  .meta({ id: 'KeptEvidence' });

const EVIDENCE_TYPE = 'application/x-ndjson';
const unknownParcel = refusal(problem('not_found', 'nothing verified and nothing claimed is known of this parcel'));
const unknownRefund = refusal(problem('not_found', 'there is no such refund, or nothing verified is known of it'));

export const CUSTODY_ENDPOINTS: readonly Endpoint[] = [
  endpoint({
    id: 'getParcelLedger',
    method: 'GET',
    path: '/v1/parcels/{ref}/ledger',
    summary: 'Where a parcel is, who has it, what confirms that, and what does not agree',
    access: ['analyst', 'auditor'],
    params: parcelParams,
    query: pageQuery,
    answers: { 200: { text: 'Its custody, folded now, and a page of its timeline', schema: ledgerSchema } },
    refusals: ['not_found'],
    async run({ params, query }, { ledger, clock }) {
      const { facts, timeline } = await ledger.ledger(params.ref, clock.wallMs());
      if (timeline.length === 0) return unknownParcel;
      const next_from = query.from + query.limit;
      return json({
        facts,
        timeline: timeline.slice(query.from, next_from),
        timeline_total: timeline.length,
        ...(next_from < timeline.length && { next_from }),
      });
    },
  }),
  endpoint({
    id: 'getParcelBundle',
    method: 'GET',
    path: '/v1/parcels/{ref}/bundle',
    summary: 'The evidence about a parcel, which "latchkey verify" accepts offline',
    access: ['analyst', 'auditor'],
    params: parcelParams,
    answers: { 200: { text: 'A bundle (FORMAT.md)', type: EVIDENCE_TYPE } },
    refusals: ['not_found'],
    async run({ params, signal }, { bundles }) {
      const bytes = await bundles.ofParcel(params.ref, signal);
      return bytes === undefined ? unknownParcel : { kind: 'bytes', type: EVIDENCE_TYPE, bytes };
    },
  }),
  endpoint({
    id: 'getRefundBundle',
    method: 'GET',
    path: '/v1/refunds/{id}/bundle',
    summary: 'The evidence behind a refund, which "latchkey verify" accepts offline',
    access: ['analyst', 'auditor'],
    params: refundParams,
    answers: { 200: { text: 'A bundle (FORMAT.md)', type: EVIDENCE_TYPE } },
    refusals: ['not_found'],
    async run({ params, signal }, { bundles }) {
      const bytes = await bundles.ofRefund(params.id, signal);
      return bytes === undefined ? unknownRefund : { kind: 'bytes', type: EVIDENCE_TYPE, bytes };
    },
  }),
  endpoint({
    id: 'keepRefundBundle',
    method: 'POST',
    path: '/v1/refunds/{id}/bundle',
    summary: 'Take the evidence behind a refund away to keep it: the evidence clocks of its open cases stop',
    description:
      'The cases note who keeps it, where, and the SHA-256 of the bytes of this answer. Whoever did not get them whole ' +
      'asks again: a bundle that was not kept is no evidence.',
    access: ['analyst'],
    params: refundParams,
    body: { type: 'json', schema: keepBody, bytesMax: KEEP_BYTES_MAX },
    answers: { 200: { text: 'A bundle (FORMAT.md)', type: EVIDENCE_TYPE } },
    refusals: ['not_found'],
    async run({ params, body, identity, signal }, { bundles, evidence }) {
      const bytes = await bundles.ofRefund(params.id, signal);
      if (bytes === undefined) return unknownRefund;
      await evidence.kept(params.id, bytes, body.kept_as, identity?.subject ?? '');
      return { kind: 'bytes', type: EVIDENCE_TYPE, bytes };
    },
  }),
  endpoint({
    id: 'getParcelEpcis',
    method: 'GET',
    path: '/v1/parcels/{ref}/epcis',
    summary: 'The custody events of a parcel as EPCIS 2.0',
    access: ['analyst', 'auditor'],
    params: parcelParams,
    answers: { 200: { text: 'An EPCISDocument (GS1 EPCIS 2.0, JSON-LD)', schema: z.record(z.string(), z.unknown()) } },
    refusals: ['not_found'],
    async run({ params, signal }, { epcis }) {
      const document = await epcis.ofParcel(params.ref, signal);
      return document === undefined ? unknownParcel : json(document);
    },
  }),
  endpoint({
    id: 'getCustodyRates',
    method: 'GET',
    path: '/v1/metrics/custody',
    summary: 'Of the refunds decided in at most 31 days: shares of discrepancies, delivery proofs and disputes',
    description:
      'Each share names its part and its whole, and "over" what all of them are taken of: refunds that were decided. Parcels ' +
      'that nobody asked money back for are in none, so no share is one of all deliveries.',
    access: ['metrics', 'analyst', 'auditor'],
    query: windowQuery,
    answers: { 200: { text: 'The rates', schema: ratesSchema } },
    async run({ query }, { rates, clock }) {
      const asked = windowOf(query, clock.wallMs());
      return asked === undefined ? badWindow : json(await rates.rates(asked.fromMs, asked.untilMs));
    },
  }),
  endpoint({
    id: 'getCustodyRatesBy',
    method: 'GET',
    path: '/v1/metrics/custody/{by}',
    summary: 'The same rates by operator, by locker or by courier',
    description:
      'Lockers go by the name of their gateway, couriers by the pseudonym under which signed entries name them. A refund ' +
      'counts whole for each courier who had one of its parcels in hands on either leg, a delivery for each who had the ' +
      'parcel in hands on its way there. A group may be of one refund alone.',
    access: ['analyst', 'auditor'],
    params: z.strictObject({ by: z.enum(RATE_GROUPS) }),
    query: windowQuery,
    answers: { 200: { text: 'The rates of each, those with the most refunds first', schema: ratesByGroupSchema } },
    async run({ params, query }, { rates, clock }) {
      const asked = windowOf(query, clock.wallMs());
      return asked === undefined ? badWindow : json(await rates.ratesBy(params.by, asked.fromMs, asked.untilMs));
    },
  }),
];

function windowOf(
  { from, until }: z.output<typeof windowQuery>,
  nowMs: number,
): { readonly fromMs: number; readonly untilMs: number } | undefined {
  const untilMs = until === undefined ? nowMs : timeOf(until);
  const fromMs = from === undefined ? untilMs - DAY_MS : timeOf(from);
  return fromMs >= untilMs || untilMs - fromMs > WINDOW_DAYS_MAX * DAY_MS ? undefined : { fromMs, untilMs };
}
