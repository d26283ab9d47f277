/**
 * The enrolment service's own Ed25519 key, in a file of three lines (`latchkey-enrolment-key v1`, name, seed). It signs two
 * kinds of bytes: the DSSE PAE of records and of summaries.
 */

import { pae } from '../../evidence/batch/pae.ts';
import type { EvidenceCrypto } from '../../evidence/crypto.ts';
import { logVkey, type Vkey } from '../../evidence/log/note.ts';
import {
  ENROLMENT_RECORD_TYPE,
  ENROLMENT_SUMMARY_TYPE,
  type EnrolmentRecord,
  enrolmentEnvelope,
  recordPayload,
  summaryOf,
  summaryPayload,
} from '../../evidence/wire/enrolment.ts';
import type { Envelope } from '../../evidence/wire/envelope.ts';
import { openNamedKey } from '../../platform/named-key-file.ts';

export interface SignedRecord {
  readonly record: Envelope;
  readonly summary: Envelope;
}

export interface ServiceKey {
  /** C2SP verifier key of type 0x01; its name is not an origin. */
  readonly vkey: Vkey;
  signRecord(record: EnrolmentRecord): SignedRecord;
}

/** Made when the file is not there. Throws KEY_PERMISSIONS, KEY_LOST, or CONFIG_INVALID for the key of another name. */
export async function openServiceKey(
  crypto: EvidenceCrypto,
  path: string,
  name: string,
): Promise<{ readonly key: ServiceKey; readonly made: boolean }> {
  const { publicKey, sign, made } = await openNamedKey({ path, name, kind: 'enrolment' });
  const vkey = logVkey(crypto, name, publicKey);
  const envelope = (type: string, payload: Uint8Array): Envelope =>
    enrolmentEnvelope(type, payload, vkey, sign(pae(type, payload)));
  return {
    made,
    key: {
      vkey,
      signRecord: (record) => ({
        record: envelope(ENROLMENT_RECORD_TYPE, recordPayload(record)),
        summary: envelope(ENROLMENT_SUMMARY_TYPE, summaryPayload(summaryOf(crypto, record))),
      }),
    },
  };
}
