/**
 * Which enrolment summaries a bundle carries: those of the gateways that it is about, that intake kept or that were given.
 * Not believed here: verifiers do that.
 */
import type { Transaction } from 'kysely';
import { utf8Text } from '../../base/bytes.ts';
import { isRecord } from '../../evidence/verify/enrolled.ts';
import { ENROLMENT_SUMMARY_TYPE } from '../../evidence/wire/enrolment.ts';
import { type Envelope, formatEnvelope, parseEnvelopeText } from '../../evidence/wire/envelope.ts';
import type { Database } from '../store/schema.ts';

/** Each once, the newest of them where there are more than a bundle takes. */
export function distinctEnvelopes(envelopes: readonly Envelope[], most: number): readonly Envelope[] {
  return [...new Map(envelopes.map((each) => [formatEnvelope(each), each])).values()].slice(-most);
}

/** Of a record and its summary only the summary: the record names the chip's certificate. */
export function enrolmentsOf(envelopes: readonly Envelope[], gateways: readonly string[]): readonly Envelope[] {
  const about = envelopes.filter((each) => isRecord(each) && gateways.includes(gatewayIn(each) ?? ''));
  return about.filter(({ payloadType }) => payloadType === ENROLMENT_SUMMARY_TYPE);
}

/** Of the envelopes that intake kept because a service of its policy signed them, oldest first. */
export async function storedEnrolments(
  trx: Transaction<Database>,
  gateways: readonly string[],
): Promise<readonly Envelope[]> {
  if (gateways.length === 0) return [];
  const rows = await trx
    .selectFrom('custody.trust')
    .select('record')
    .where('gateway', 'in', gateways)
    .orderBy('id')
    .execute();
  const kept = rows.flatMap(({ record }) => {
    const trust = JSON.parse(record) as { readonly kind?: string; readonly record?: string };
    const envelope = trust.kind === 'enrolled' ? parseEnvelopeText(trust.record ?? '') : undefined;
    return envelope?.ok === true ? [envelope.value] : [];
  });
  return enrolmentsOf(kept, gateways);
}

function gatewayIn({ payload }: Envelope): string | undefined {
  try {
    const value = JSON.parse(utf8Text(payload) ?? '') as { readonly gateway?: unknown } | null;
    return typeof value?.gateway === 'string' ? value.gateway : undefined;
  } catch {
    return undefined;
  }
}
