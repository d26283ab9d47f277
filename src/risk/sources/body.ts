/**
 * What a webhook says, once it is known who says it: the privacy guard over every member first, then the schema of the
 * source's kind. There is no free text, and no member that is not asked for: what is not kept cannot leak.
 */

import { z } from 'zod';
import { utf8Text } from '../../base/bytes.ts';
import { repeatsMember } from '../../base/repeated-member.ts';
import { accept, type Result, refuse } from '../../base/result.ts';
import { isTime, timeOf } from '../../base/wall-time.ts';
import { holdsCardNumber } from '../../evidence/event/cards.ts';
import { personalTrace } from '../../evidence/event/identifier.ts';
import type { ClaimBody } from '../ledger/inputs.ts';
import { refusal } from './authenticate.ts';
import { SOURCE_REFUSALS, type SourceRefusal } from './reasons.ts';
import type { SourceKind } from './settings.ts';

const DEPTH_MAX = 6;
const AMOUNT_MAX = 1_000_000_000_000;
const identifier = z.string().min(1).max(120);
const grams = z.int().min(0).max(9_999_999);
const metres = z.int().min(0).max(40_100_000);
const currency = z.string().regex(/^[A-Z]{3}$/, { error: 'a currency of ISO 4217' });
const amount_minor = z.int().min(1).max(AMOUNT_MAX);
const time = z.iso.datetime({ offset: true }).max(40).refine(isTime, { error: 'a time of RFC 3339' });
const parcel = identifier;

/** Custody: what each type of a claim tells about a parcel. */
const CUSTODY = {
  declared: z.strictObject({
    parcel,
    weight_g: grams.exactOptional(),
    packaging_g: grams.exactOptional(),
    seal: identifier.exactOptional(),
    promised_by: time.exactOptional(),
  }),
  handed_to_courier: z.strictObject({ parcel, weight_g: grams.exactOptional() }),
  delivered: z.strictObject({
    parcel,
    geofence: z.enum(['inside', 'outside', 'unknown']).exactOptional(),
    distance_m: metres.exactOptional(),
    accuracy_m: metres.exactOptional(),
    to: z.enum(['locker', 'door']).exactOptional(),
  }),
  exception: z.strictObject({ parcel, operator: identifier.exactOptional() }),
  collect_by: z.strictObject({ parcel, until: time }),
  rma_opened: z.strictObject({ parcel }),
  warehouse_received: z.strictObject({ parcel, weight_g: grams.exactOptional() }),
  inspected: z.strictObject({ parcel, result: z.enum(['ok', 'empty', 'wrong_item', 'damaged']) }),
} as const;

const PAYMENTS = {
  'payment.captured': z.strictObject({
    payment_ref: identifier,
    amount_minor,
    currency,
    /** Turned into a pseudonym before anything of it is kept. */
    customer_ref: identifier.exactOptional(),
  }),
  'refund.settled': z.strictObject({ refund_id: identifier, settlement_ref: identifier, amount_minor, currency }),
  'dispute.opened': z.strictObject({ dispute_ref: identifier, payment_ref: identifier, amount_minor, currency }),
  'dispute.closed': z.strictObject({ dispute_ref: identifier, result: z.enum(['won', 'lost']) }),
} as const;

type CustodyType = keyof typeof CUSTODY;
type PaymentType = keyof typeof PAYMENTS;

/** What a source of each kind may speak about: a carrier inspects nothing, a warehouse captures nothing. */
export const TYPES_OF_KIND: Readonly<Record<SourceKind, readonly (CustodyType | PaymentType)[]>> = {
  carrier: ['handed_to_courier', 'delivered', 'exception', 'collect_by'],
  merchant: ['declared', 'rma_opened', 'collect_by'],
  warehouse: ['warehouse_received', 'inspected'],
  payment: ['payment.captured', 'refund.settled'],
  chargeback: ['dispute.opened', 'dispute.closed'],
};

export type PaymentFact = {
  readonly [T in PaymentType]: { readonly type: T } & z.output<(typeof PAYMENTS)[T]>;
}[PaymentType];

export type SourceFact =
  | { readonly side: 'custody'; readonly parcel: string; readonly body: ClaimBody }
  | { readonly side: 'payments'; readonly fact: PaymentFact };

export interface SourceMessage {
  /** Of the body, where it has one. */
  readonly eventId?: string;
  readonly type: string;
  readonly occurredAtMs: number;
  readonly fact: SourceFact;
}

const envelopeSchema = z.strictObject({
  id: identifier.exactOptional(),
  type: z.string().max(40),
  timestamp: time,
  data: z.looseObject({}),
});

/** Each message, whole, as its sender writes it. */
export const messageSchema = z.union(
  Object.entries({ ...CUSTODY, ...PAYMENTS }).map(([type, data]) =>
    z.strictObject({ id: identifier.exactOptional(), type: z.literal(type), timestamp: time, data }),
  ),
);

export function parseBody(kind: SourceKind, bytes: Uint8Array): Result<SourceMessage, SourceRefusal> {
  const value = jsonOf(bytes);
  if (value === undefined) return refusal('not_json');
  const trace = traceIn(value, { depth: 0, kind });
  if (trace !== undefined) return refusal(trace);
  const envelope = envelopeSchema.safeParse(value);
  if (!envelope.success) return unfit(envelope.error);
  const { id, type, timestamp, data } = envelope.data;
  const fact = factOf(kind, type, data);
  if (!fact.ok) return fact;
  return accept({
    ...(id !== undefined && { eventId: id }),
    type,
    occurredAtMs: timeOf(timestamp),
    fact: fact.value,
  });
}

function factOf(kind: SourceKind, type: string, data: object): Result<SourceFact, SourceRefusal> {
  const known: readonly string[] = TYPES_OF_KIND[kind];
  if (!known.includes(type)) return refuse('schema', `type: expected one of ${known.join(', ')}`);
  if (type in PAYMENTS) {
    const parsed = PAYMENTS[type as PaymentType].safeParse(data);
    return parsed.success
      ? accept({ side: 'payments', fact: { type, ...parsed.data } as PaymentFact })
      : unfit(parsed.error);
  }
  const parsed = CUSTODY[type as CustodyType].safeParse(data);
  if (!parsed.success) return unfit(parsed.error);
  const { parcel: ref, ...rest } = parsed.data;
  return accept({ side: 'custody', parcel: ref, body: claimOf(type as CustodyType, rest) });
}

function claimOf(what: CustodyType, rest: object): ClaimBody {
  const members = Object.entries(rest).map(([name, value]) => {
    const isTime = name === 'promised_by' || name === 'until';
    return isTime ? [`${name}_ms`, timeOf(value as string)] : [name, value];
  });
  return { what, ...Object.fromEntries(members) } as ClaimBody;
}

function jsonOf(bytes: Uint8Array): object | undefined {
  const text = utf8Text(bytes);
  try {
    const value: unknown = text === undefined ? undefined : JSON.parse(text);
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
    return text === undefined || repeatsMember(text) ? undefined : value;
  } catch {
    return undefined;
  }
}

/** Names of members, in words, that data of a person go by. None of them is in a schema here. */
const PERSONAL_NAME =
  /(?:^|_)(?:name|firstname|lastname|surname|fullname|email|mail|phone|telephone|mobile|address|street|city|zip|postcode|postal|recipient|consignee|customer|person|buyer|otp|tan|pin|code|passcode|password|secret|cvv|cvc|cvv2|pan|card|cardholder|expiry|iban|bic|birth|birthday|dob|note|notes|comment|message|text|description|signature|photo|image|ip|latitude|longitude)(?:_|$)/;

/** The one name of a person's data that may come, and from whom: it names by reference, and its value is looked at. */
const CUSTOMER_REF = 'customer_ref';

interface Within {
  readonly depth: number;
  readonly kind: SourceKind;
}

function traceIn(value: unknown, { depth, kind }: Within, of = ''): SourceRefusal | undefined {
  if (depth > DEPTH_MAX) return 'schema';
  if (typeof value === 'string') {
    if (of === CUSTOMER_REF) return personalTrace(value);
    return of === 'parcel' ? personalTrace(value, 'parcel') : stringTrace(value);
  }
  if (typeof value === 'number') return holdsCardNumber(String(value)) ? 'card_number' : undefined;
  if (typeof value !== 'object' || value === null) return undefined;
  for (const [name, member] of Object.entries(value)) {
    const isListed = Array.isArray(value);
    const isAllowed = name === CUSTOMER_REF && kind === 'payment';
    if (!isListed && !isAllowed && PERSONAL_NAME.test(wordsOf(name))) return 'personal_data';
    const found = (isListed ? undefined : nameTrace(name)) ?? traceIn(member, { depth: depth + 1, kind }, name);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** A name can hold what a value must not. */
function nameTrace(name: string): SourceRefusal | undefined {
  return name === '' ? 'schema' : personalTrace(name);
}

/** `fullName`, `full-name` and `full_name` alike. */
function wordsOf(name: string): string {
  return name
    .replace(/([a-z0-9])([A-Z])/g, '$1_$2')
    .replace(/[-. ]/g, '_')
    .toLowerCase();
}

/** A time holds colons and plus signs; digits behind its seconds could hold anything. */
function stringTrace(text: string): SourceRefusal | undefined {
  if (!time.safeParse(text).success) return personalTrace(text);
  return holdsCardNumber(text) ? 'card_number' : undefined;
}

/** Places and expectations alone: what was found may be anybody's. */
function unfit(error: z.ZodError): Result<never, SourceRefusal> {
  const [first] = error.issues;
  const path = first?.code === 'unrecognized_keys' ? 'a member that is not asked for' : (first?.path.join('.') ?? '');
  const place = /^[a-z_.]{0,40}$/.test(path) || path.includes(' ') ? path : 'a member';
  return refuse('schema', `${SOURCE_REFUSALS.schema[1]}: ${place || 'the body'}`);
}
