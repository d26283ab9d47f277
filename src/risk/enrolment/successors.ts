/**
 * Successor statements as the service takes them: signed by the old log's key, or quoted by the AK of its enrolment
 * (FORMAT.md section 7).
 */
import { unbase64 } from '../../base/bytes.ts';
import { accept, type Result } from '../../base/result.ts';
import { isSoundVkey } from '../../evidence/log/note.ts';
import { parseOrigin, tagOf } from '../../evidence/log/origin.ts';
import { type VouchedSuccessor, verifyVouchedSuccessor } from '../../evidence/wire/attested-successor.ts';
import type { Envelope } from '../../evidence/wire/envelope.ts';
import { parseSuccessor } from '../../evidence/wire/successor.ts';
import type { KnownLog } from './history.ts';
import type { Cryptos } from './objects.ts';
import { type EnrolRefusal, refused } from './reasons.ts';

export function checkSuccessor(
  cryptos: Cryptos,
  envelope: Envelope,
  old: KnownLog,
): Result<VouchedSuccessor, EnrolRefusal> {
  const parsed = parseSuccessor(envelope);
  if (!parsed.ok) return refused('successor');
  const { successor } = parsed.value;
  const origin = parseOrigin(successor.name);
  const isTagged = origin.ok && origin.value.tag === tagOf(cryptos.evidence, successor.publicKey);
  if (!isTagged || !isSoundVkey(cryptos.evidence, successor)) return refused('successor');
  const ak = unbase64(old.enrolled.record.tpm?.ak ?? '');
  const vouched = verifyVouchedSuccessor(cryptos.evidence, envelope, { vkey: old.vkey, ...(ak && { ak }) });
  return vouched.ok ? accept(vouched.value) : refused('successor_signature');
}
