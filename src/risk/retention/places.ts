/**
 * Every column of the database by what it can say about a person: the one table that erasure walks, and that a test holds
 * against the schema, so that a new column is not forgotten.
 *
 * `exact`: the column is an identifier. `json`: identifiers stand in it as JSON strings. `words`: they may stand between
 * words. Bodies of entries, forks, claims and decisions have ways of their own (`own`); all others hold nothing of a person.
 */
export type Place = 'exact' | 'json' | 'words';

export interface PlaceRow {
  readonly table: string;
  readonly column: string;
  readonly how: Place;
  readonly jsonb?: true;
}

export const PLACES: readonly PlaceRow[] = [
  { table: 'custody.fresh_claim', column: 'parcel', how: 'exact' },
  { table: 'payments.payment', column: 'payment_ref', how: 'exact' },
  { table: 'payments.dispute', column: 'payment_ref', how: 'exact' },
  { table: 'payments.dispute', column: 'dispute_ref', how: 'exact' },
  { table: 'payments.refund', column: 'payment_ref', how: 'exact' },
  { table: 'payments.refund', column: 'parcel_refs', how: 'json', jsonb: true },
  { table: 'payments.refund', column: 'refund_id', how: 'exact' },
  { table: 'payments.refund', column: 'operator', how: 'exact' },
  { table: 'payments.refund_parcel', column: 'parcel', how: 'exact' },
  { table: 'payments.refund_parcel', column: 'refund_id', how: 'exact' },
  { table: 'payments.decision', column: 'refund_id', how: 'exact' },
  { table: 'payments.request', column: 'idempotency_key', how: 'exact' },
  { table: 'payments.hold', column: 'refund_id', how: 'exact' },
  { table: 'payments.hold_event', column: 'detail', how: 'words' },
  { table: 'payments.outbox', column: 'refund_id', how: 'exact' },
  { table: 'payments.outbox', column: 'body', how: 'json' },
  { table: 'payments.outbox', column: 'said', how: 'words' },
  { table: 'payments.settlement', column: 'refund_id', how: 'exact' },
  { table: 'payments.settlement', column: 'reference', how: 'exact' },
  { table: 'payments.finding', column: 'id', how: 'words' },
  { table: 'payments.source_event', column: 'about', how: 'exact' },
  { table: 'cases.case', column: 'refund_id', how: 'exact' },
  { table: 'cases.case_event', column: 'detail', how: 'words' },
  { table: 'cases.verdict', column: 'refund_id', how: 'exact' },
  { table: 'cases.verdict', column: 'reason', how: 'words' },
];

/** Rewritten or removed by code of their own in `erase.ts`. */
export const OWN_PLACES: readonly string[] = [
  'custody.entry.leaf',
  'custody.fork.theirs',
  'custody.fork.ours',
  'custody.mention.key',
  'custody.hand.parcel',
  'custody.hand.courier',
  'custody.claim.ref',
  'custody.claim.parcel',
  'custody.claim.body',
  'custody.source_event.event_id',
  'custody.source_event.digest',
  'payments.source_event.digest',
  'payments.decision.facts',
  'payments.decision.answer',
  'payments.request.body_hash',
  'payments.customer_payment.payment_ref',
  'payments.customer_payment.customer',
  'payments.household.operator',
  'payments.household.customer',
];
