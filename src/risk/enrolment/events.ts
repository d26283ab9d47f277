/** The events of a gateway's history as they are stored: one line of JSON each, with every member known. */
import { z } from 'zod';
import { LatchkeyError } from '../../base/errors.ts';
import { parseOrigin } from '../../evidence/log/origin.ts';
import { type Envelope, formatEnvelope, parseEnvelopeText } from '../../evidence/wire/envelope.ts';

/** Why a person must look before a record is signed. */
export const DOUBTS = {
  approval: 'this service signs no record unseen',
  ak_differs: 'the gateway is enrolled with another AK, or was',
  ak_elsewhere: 'this AK is enrolled at another gateway',
  ek_elsewhere: 'this endorsement key is enrolled at another gateway',
  key_elsewhere: 'this log key is enrolled at another gateway',
  class_lower: 'the gateway was enrolled at a higher class',
} as const;
export type Doubt = keyof typeof DOUBTS;

export const ALARMS = {
  second_successor: 'a second successor of one log: none of its branches counts until one is chosen',
  enrolled_revoked: 'a certificate under an enrolled box was revoked since: a person decides what its logs still prove',
  doubtful_enrolment: 'an enrolment waits for a person because it contradicts what is known',
} as const;
export type AlarmKind = keyof typeof ALARMS;

const at = z.string().length(24);
const person = z.string().min(1).max(120);
const why = z.string().max(400);
const base64Text = z.string().max(65_536);
const hash = z.string().regex(/^[0-9a-f]{64}$/);
const challenge = z.string().regex(/^[A-Za-z0-9_-]{22}$/);
const vkey = z.string().max(180);
const origin = z.string().refine((text) => parseOrigin(text).ok);
const doubts = z.array(z.enum(Object.keys(DOUBTS) as [Doubt, ...Doubt[]])).max(8);
const envelope = z.string().transform((text, context): Envelope => {
  const parsed = parseEnvelopeText(text);
  if (parsed.ok) return parsed.value;
  context.addIssue({ code: 'custom', message: 'an envelope', input: undefined });
  return z.NEVER;
});

/** The bodies as they came, for whoever asks later what was believed, and why. */
const exchange = { challenge, token: hash, request: base64Text, answer: base64Text, escrow: base64Text.optional() };

const eventSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('enrolled'), at, record: envelope, summary: envelope, ...exchange }),
  /** `draft` is the payload that would be signed, base64. */
  z.strictObject({ kind: z.literal('pending'), at, doubts, draft: base64Text, ...exchange }),
  z.strictObject({
    kind: z.literal('approved'),
    at,
    challenge,
    record: envelope,
    summary: envelope,
    by: person,
    why,
  }),
  z.strictObject({ kind: z.literal('declined'), at, challenge, by: person, why }),
  z.strictObject({
    kind: z.literal('successor'),
    at,
    envelope,
    old: origin,
    vkey,
    signed: z.enum(['ak', 'log']),
  }),
  z.strictObject({ kind: z.literal('chosen'), at, old: origin, log: origin, by: person, why }),
  z.strictObject({
    kind: z.literal('revoked'),
    at,
    log: origin,
    size: z.int().min(0),
    root: z.string().regex(/^[A-Za-z0-9+/]{43}=$/),
    by: person,
    why,
  }),
]);

export type GatewayEvent = z.output<typeof eventSchema>;
export type EventOf<K extends GatewayEvent['kind']> = Extract<GatewayEvent, { kind: K }>;

export function formatEvent(event: GatewayEvent): string {
  const texts = Object.entries(event).map(([name, value]) =>
    typeof value === 'object' && 'payloadType' in value ? [name, formatEnvelope(value)] : [name, value],
  );
  return `${JSON.stringify(Object.fromEntries(texts))}\n`;
}

/** Throws STORE_IO: what lies in the store was written by us. */
export function parseEvent(text: string, gateway: string, number: number): GatewayEvent {
  try {
    return eventSchema.parse(JSON.parse(text));
  } catch (cause) {
    throw new LatchkeyError('STORE_IO', `event ${number} of ${gateway} cannot be read; restore it from a copy`, {
      cause,
    });
  }
}
