/**
 * DSSE v1 envelopes in one spelling: JCS of `{"payload","payloadType","signatures":[{"keyid","sig"}]}`, payload and
 * signatures in canonical padded base64, 1 to 4 signatures.
 */
import { assert } from '../../base/assert.ts';
import { base64, unbase64, utf8, utf8Text } from '../../base/bytes.ts';
import { accept, type Result, refuse } from '../../base/result.ts';

export const ENVELOPE_BYTES_MAX = 65_536;
const SIGNATURES_MAX = 4;
const PAYLOAD_TYPE = /^application\/vnd\.latchkey\.[a-z0-9.+-]{1,64}$/;
const KEY_ID = /^[0-9a-f]{8,64}$/;

export interface EnvelopeSignature {
  /** Hex: the C2SP key id (8 digits) of a log key, or a longer name of another key. */
  readonly keyid: string;
  readonly sig: Uint8Array;
}

export interface Envelope {
  readonly payloadType: string;
  readonly payload: Uint8Array;
  readonly signatures: readonly EnvelopeSignature[];
}

/** The envelope's one text. One that `parseEnvelope` would refuse is an assertion. */
export function formatEnvelope(envelope: Envelope): string {
  const text = spell(envelope);
  assert(isSound(envelope) && text.length <= ENVELOPE_BYTES_MAX, 'an envelope within its limits');
  return text;
}

export function parseEnvelope(bytes: Uint8Array): Result<Envelope, 'envelope'> {
  if (bytes.length > ENVELOPE_BYTES_MAX) return refuse('envelope', `expected at most ${ENVELOPE_BYTES_MAX} bytes`);
  const text = utf8Text(bytes);
  return text === undefined ? refuse('envelope', 'the envelope is not UTF-8') : parseEnvelopeText(text);
}

export function parseEnvelopeText(text: string): Result<Envelope, 'envelope'> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return refuse('envelope', 'the envelope is not JSON');
  }
  const envelope = envelopeOf(value);
  // One spelling: what the parts give again must be the text, so no further member, blank or escape can hide in it.
  if (envelope === undefined || spell(envelope) !== text)
    return refuse('envelope', 'not the one spelling of an envelope');
  return accept(envelope);
}

/** The parts of an envelope out of parsed JSON, or undefined. Other members are not looked for: compare the spelling. */
export function envelopeOf(value: unknown): Envelope | undefined {
  const { payload, payloadType, signatures } = members(value);
  const bytes = typeof payload === 'string' ? unbase64(payload) : undefined;
  if (bytes === undefined || typeof payloadType !== 'string' || !Array.isArray(signatures)) return undefined;
  const parsed: EnvelopeSignature[] = [];
  for (const signature of signatures) {
    const { keyid, sig } = members(signature);
    const sigBytes = typeof sig === 'string' ? unbase64(sig) : undefined;
    if (typeof keyid !== 'string' || sigBytes === undefined) return undefined;
    parsed.push({ keyid, sig: sigBytes });
  }
  const envelope = { payloadType, payload: bytes, signatures: parsed };
  return isSound(envelope) ? envelope : undefined;
}

/** Every string here is free of characters that JSON escapes, and the names stand in their order: this is JCS. */
function spell(envelope: Envelope): string {
  const signatures = envelope.signatures.map((s) => ({ keyid: s.keyid, sig: base64(s.sig) }));
  return JSON.stringify({ payload: base64(envelope.payload), payloadType: envelope.payloadType, signatures });
}

function isSound(envelope: Envelope): boolean {
  const { payloadType, signatures } = envelope;
  if (!PAYLOAD_TYPE.test(payloadType) || signatures.length < 1 || signatures.length > SIGNATURES_MAX) return false;
  return signatures.every((s) => KEY_ID.test(s.keyid) && s.sig.length > 0);
}

function members(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>) : {};
}

/** Bytes of an envelope as they are stored and sent. */
export function envelopeBytes(envelope: Envelope): Uint8Array {
  return utf8(formatEnvelope(envelope));
}
