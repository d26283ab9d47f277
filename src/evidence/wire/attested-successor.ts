/**
 * A successor statement quoted by the AK of the old log's enrolment, beside or in place of the old log key's signature
 * (FORMAT.md section 7): `keyid` is the SHA-256 of the AK's SubjectPublicKeyInfo, the signature a 2-byte length, the
 * TPMS_ATTEST of the Quote, and r || s. The TPM that was enrolled has seen the new key: the level goes on with it.
 */
import { concatBytes, hex, utf8 } from '../../base/bytes.ts';
import { accept, type Result, refuse } from '../../base/result.ts';
import { splitAnchor } from '../anchor/anchor.ts';
import { attestationKey } from '../anchor/attestation-key.ts';
import type { SignedAttest } from '../anchor/signed-attest.ts';
import { verifyStatement } from '../anchor/statement.ts';
import type { EvidenceCrypto } from '../crypto.ts';
import { parseCanonicalObject } from '../event/json.ts';
import { isSoundVkey, type Vkey } from '../log/note.ts';
import { parseOrigin, tagOf } from '../log/origin.ts';
import type { Envelope } from './envelope.ts';
import {
  parseSuccessor,
  SUCCESSOR_BYTES_MAX,
  SUCCESSOR_TYPE,
  type Successor,
  type SuccessorRefusal,
  verifySuccessor,
} from './successor.ts';

/** A log key's id has 8 digits, the hash of an AK 64. */
const AK_KEYID_DIGITS = 64;

/** What vouches for a log's successor: its key, and the AK of its enrolment when there is one. */
export interface Voucher {
  readonly vkey: Vkey;
  /** SubjectPublicKeyInfo. */
  readonly ak?: Uint8Array;
}

export interface VouchedSuccessor {
  readonly statement: Successor;
  readonly signed: 'ak' | 'log';
}

/** Whether the envelope says that an AK signed it; nothing is verified. */
export function isAttestedStatement({ payloadType, signatures }: Envelope): boolean {
  return payloadType === SUCCESSOR_TYPE && signatures.length === 1 && signatures[0]?.keyid.length === AK_KEYID_DIGITS;
}

/** What the AK quotes: SHA-256("latchkey/tpm2-successor/v1" || 0x0A || payload). */
export function successorDigest(crypto: EvidenceCrypto, payload: Uint8Array): Uint8Array {
  return crypto.sha256(concatBytes(utf8('latchkey/tpm2-successor/v1\n'), payload));
}

export function attestedSuccessor(
  crypto: EvidenceCrypto,
  payload: Uint8Array,
  akSpki: Uint8Array,
  { attest, signature }: SignedAttest,
): Envelope {
  const sig = concatBytes(Uint8Array.of(attest.length >>> 8, attest.length & 0xff), attest, signature);
  return { payloadType: SUCCESSOR_TYPE, payload, signatures: [{ keyid: hex(crypto.sha256(akSpki)), sig }] };
}

/** The statement, when this AK quoted it. That its `old` is a log of that AK's enrolment is for the caller to know. */
export function verifyAttestedSuccessor(
  crypto: EvidenceCrypto,
  envelope: Envelope,
  akSpki: Uint8Array,
): Result<Successor, SuccessorRefusal> {
  const parsed = parseSuccessor(envelope);
  if (!parsed.ok) return parsed;
  const [signature] = envelope.signatures;
  const ak = attestationKey(crypto, akSpki);
  if (ak === undefined || signature?.keyid !== hex(crypto.sha256(akSpki)))
    return refuse('key', 'not quoted by this AK');
  const signed = splitAnchor(signature.sig);
  const statement = parseCanonicalObject(envelope.payload, SUCCESSOR_BYTES_MAX);
  if (signed === undefined || !statement.ok) return refuse('signature', 'expected an attestation and its signature');
  const about = { kind: 'quote', purpose: 'successor', statement: statement.value } as const;
  const verified = verifyStatement(crypto, signed, ak, about);
  if (!verified.ok) return refuse('signature', verified.detail);
  const { successor } = parsed.value;
  const origin = parseOrigin(successor.name);
  const isTagged = origin.ok && origin.value.tag === tagOf(crypto, successor.publicKey);
  if (!isTagged || !isSoundVkey(crypto, successor)) return refuse('statement', 'the new vkey is not that of its log');
  return parsed;
}

/** The statement about the log of `by`, signed by that log's key or quoted by its AK. */
export function verifyVouchedSuccessor(
  crypto: EvidenceCrypto,
  envelope: Envelope,
  by: Voucher,
): Result<VouchedSuccessor, SuccessorRefusal> {
  const isByAk = isAttestedStatement(envelope);
  if (isByAk && by.ak === undefined) return refuse('key', 'quoted by an AK, and the log has none');
  const verified =
    isByAk && by.ak !== undefined
      ? verifyAttestedSuccessor(crypto, envelope, by.ak)
      : verifySuccessor(crypto, envelope, by.vkey);
  if (!verified.ok) return verified;
  if (verified.value.old !== by.vkey.name) return refuse('key', 'the statement names another old log');
  return accept({ statement: verified.value, signed: isByAk ? 'ak' : 'log' });
}
