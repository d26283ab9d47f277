/**
 * Every AK signature that is no anchor: a Quote, or where named a GetTime, over the digest of a statement. The purpose
 * stands in the digest, so that no signature can be taken for one of another purpose.
 */
import { concatBytes, equalBytes, utf8 } from '../../base/bytes.ts';
import { type Result, refuse } from '../../base/result.ts';
import type { Attest } from '../../tpm2/attest.ts';
import type { EvidenceCrypto } from '../crypto.ts';
import type { JsonObject } from '../event/event.ts';
import { canonicalJson } from '../event/json.ts';
import type { AttestationKey } from './attestation-key.ts';
import { ANCHOR_REASONS, type StatementRefusal } from './reasons.ts';
import { checkAttestSignature, parseOwnAttest, type SignedAttest } from './signed-attest.ts';

/** `enrol`: the exchange with the service. `attested`: at each start. `successor`: the next log of this gateway. */
export type StatementPurpose = 'enrol' | 'attested' | 'successor';

/** What an AK signature of a purpose covers: SHA-256("latchkey/tpm2-" || purpose || "/v1" || 0x0A || bytes), FORMAT.md section 5. */
export function purposeDigest(
  crypto: EvidenceCrypto,
  purpose: StatementPurpose | 'log-key',
  bytes: Uint8Array,
): Uint8Array {
  return crypto.sha256(concatBytes(utf8(`latchkey/tpm2-${purpose}/v1\n`), bytes));
}

/** `qualifyingData` of a statement: its purpose's digest over JCS(statement). */
export function statementDigest(crypto: EvidenceCrypto, purpose: StatementPurpose, statement: JsonObject): Uint8Array {
  return purposeDigest(crypto, purpose, utf8(canonicalJson(statement)));
}

/** What is attested at each start: the log, and the start's number in it. */
export function startStatement(origin: string, boot: number): JsonObject {
  return { boot, log: origin, v: 1 };
}

/** A Quote or a GetTime by this AK over this statement. */
export function verifyStatement(
  crypto: EvidenceCrypto,
  signed: SignedAttest,
  ak: AttestationKey,
  about: { readonly kind: 'quote' | 'time'; readonly purpose: StatementPurpose; readonly statement: JsonObject },
): Result<Attest, StatementRefusal> {
  const parsed = parseOwnAttest(signed.attest, ak, [about.kind]);
  if (!parsed.ok) return parsed;
  if (!equalBytes(parsed.value.extraData, statementDigest(crypto, about.purpose, about.statement))) {
    return refuse('statement', ANCHOR_REASONS.statement);
  }
  const sound = checkAttestSignature(crypto, signed, ak);
  return sound.ok ? parsed : sound;
}
