/**
 * Successor statements as the service takes them: signed by the old log's key, or quoted by the AK of its enrolment
 * (FORMAT.md section 7). A statement quoted by the AK is an envelope of the same type and payload; its `keyid` is the
 * SHA-256 of the AK's SubjectPublicKeyInfo, its signature a 2-byte length, the TPMS_ATTEST, and r || s.
 */
import { hex, unbase64 } from '../../base/bytes.ts';
import { accept, type Result } from '../../base/result.ts';
import { splitAnchor } from '../../evidence/anchor/anchor.ts';
import { attestationKey } from '../../evidence/anchor/attestation-key.ts';
import { verifyStatement } from '../../evidence/anchor/statement.ts';
import { parseCanonicalObject } from '../../evidence/event/json.ts';
import { isSoundVkey } from '../../evidence/log/note.ts';
import { parseOrigin, tagOf } from '../../evidence/log/origin.ts';
import type { Envelope } from '../../evidence/wire/envelope.ts';
import { parseSuccessor, SUCCESSOR_BYTES_MAX, type Successor, verifySuccessor } from '../../evidence/wire/successor.ts';
import type { KnownLog } from './history.ts';
import type { Cryptos } from './objects.ts';
import { type EnrolRefusal, refused } from './reasons.ts';

export interface CheckedSuccessor {
  readonly statement: Successor;
  readonly signed: 'ak' | 'log';
}

export function checkSuccessor(
  cryptos: Cryptos,
  envelope: Envelope,
  old: KnownLog,
): Result<CheckedSuccessor, EnrolRefusal> {
  const parsed = parseSuccessor(envelope);
  if (!parsed.ok) return refused('successor');
  const statement = parsed.value;
  const { successor } = statement;
  const origin = parseOrigin(successor.name);
  const isTagged = origin.ok && origin.value.tag === tagOf(cryptos.evidence, successor.publicKey);
  if (!isTagged || !isSoundVkey(cryptos.evidence, successor)) return refused('successor');
  const byLog = verifySuccessor(cryptos.evidence, envelope, old.vkey);
  if (byLog.ok) return accept({ statement, signed: 'log' });
  return isAttested(cryptos, envelope, old) ? accept({ statement, signed: 'ak' }) : refused('successor_signature');
}

function isAttested(cryptos: Cryptos, envelope: Envelope, old: KnownLog): boolean {
  const [signature] = envelope.signatures;
  const spki = unbase64(old.enrolled.record.tpm?.ak ?? '');
  if (signature === undefined || spki === undefined) return false;
  if (signature.keyid !== hex(cryptos.evidence.sha256(spki))) return false;
  const ak = attestationKey(cryptos.evidence, spki);
  const signed = splitAnchor(signature.sig);
  const statement = parseCanonicalObject(envelope.payload, SUCCESSOR_BYTES_MAX);
  if (ak === undefined || signed === undefined || !statement.ok) return false;
  const about = { kind: 'quote', purpose: 'successor', statement: statement.value } as const;
  return verifyStatement(cryptos.evidence, signed, ak, about).ok;
}
