/** Which enrolment summaries a bundle carries: those of the gateways that it is about. Not believed here: verifiers do that. */
import { utf8Text } from '../../base/bytes.ts';
import { isRecord } from '../../evidence/verify/enrolled.ts';
import { ENROLMENT_SUMMARY_TYPE } from '../../evidence/wire/enrolment.ts';
import type { Envelope } from '../../evidence/wire/envelope.ts';

/** Of a record and its summary only the summary: the record names the chip's certificate. */
export function enrolmentsOf(envelopes: readonly Envelope[], gateways: readonly string[]): readonly Envelope[] {
  const about = envelopes.filter((each) => isRecord(each) && gateways.includes(gatewayIn(each) ?? ''));
  return about.filter(({ payloadType }) => payloadType === ENROLMENT_SUMMARY_TYPE);
}

function gatewayIn({ payload }: Envelope): string | undefined {
  try {
    const value = JSON.parse(utf8Text(payload) ?? '') as { readonly gateway?: unknown } | null;
    return typeof value?.gateway === 'string' ? value.gateway : undefined;
  } catch {
    return undefined;
  }
}
