/** Why a webhook is refused: the one table of words, what each answers over HTTP, and what its sender can do. */

export const SOURCE_REFUSALS = {
  unknown_source: [404, 'no source of this name is declared in the settings'],
  too_large: [413, 'the body is larger than the settings of this source allow'],
  no_authentication: [401, 'a header that authenticates this source is missing, twice there, or not readable'],
  bad_signature: [401, 'no signature is valid under the secrets or keys of this source'],
  bad_timestamp: [401, 'the timestamp of the webhook is no time in seconds or milliseconds since 1970'],
  stale: [401, 'the timestamp is older than the tolerance: sign again and send again'],
  early: [401, 'the timestamp is later than the tolerance: set the clock of the sender'],
  replayed: [409, 'this very message was taken before; an event that is sent again is signed anew'],
  not_json: [400, 'the body is no JSON object in UTF-8 with each member once'],
  personal_data: [422, 'a member is named like data of a person; nothing of it was kept'],
  card_number: [422, 'the body holds what may be a payment card number; nothing of it was kept'],
  free_text: [422, 'a value is no identifier, but may be words of a person; nothing of it was kept'],
  address: [422, 'a value may be an e-mail address or a telephone number; nothing of it was kept'],
  code: [422, 'a value may be a one-time code; nothing of it was kept'],
  schema: [422, 'the body is not what a source of this kind sends'],
  bad_event_id: [422, 'the event has no identifier of 1 to 120 printable characters without spaces'],
  occurs_later: [422, 'what the event tells of lies in the future'],
  occurred_before: [422, 'what the event tells of is older than events are remembered: import it'],
  event_reused: [409, 'another event came under this identifier before'],
  currency_differs: [409, 'the payment or dispute is kept in another currency, or with other particulars'],
  settlement_refused: [409, 'the settlement does not fit what is kept of the refund'],
} as const satisfies Readonly<Record<string, readonly [status: number, detail: string]>>;

export type SourceRefusal = keyof typeof SOURCE_REFUSALS;
export const SOURCE_REFUSAL_NAMES = Object.keys(SOURCE_REFUSALS) as readonly SourceRefusal[];
