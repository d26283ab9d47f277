/**
 * The second step of an enrolment: what proves that AK, EK, counter and log key are of one box, now.
 */
import { base64, equalBytes, hex } from '../../base/bytes.ts';
import { accept, type Result } from '../../base/result.ts';
import { purposeDigest } from '../../evidence/anchor/statement.ts';
import { pae } from '../../evidence/batch/pae.ts';
import type { EvidenceCrypto } from '../../evidence/crypto.ts';
import type { Vkey } from '../../evidence/log/note.ts';
import { ENROL_STATEMENT_TYPE, type TpmFacts } from '../../evidence/wire/enrolment.ts';
import { TPM_ALG } from '../../tpm2/algorithms.ts';
import type { Attest } from '../../tpm2/attest.ts';
import type { DenyList } from './deny-list.ts';
import type { CheckedEk } from './ek.ts';
import type { EnrolAnswer, TpmRequest } from './messages.ts';
import { type CheckedObjects, signedAttest } from './objects.ts';
import { type EnrolRefusal, refused } from './reasons.ts';

/** What a challenge of a TPM knows. */
export interface TpmExchange {
  readonly ek: CheckedEk;
  readonly objects: CheckedObjects;
  readonly properties: TpmRequest['properties'];
  /** In the credential; never stored, logged or sent. */
  readonly secret: Uint8Array;
}

const COUNTER_MAX = 999_999_999_999n;

/** The log key signed the statement: this box has it. */
export function provesPossession(
  crypto: EvidenceCrypto,
  log: Vkey,
  statement: Uint8Array,
  signature: Uint8Array,
): boolean {
  return crypto.verifyEd25519(log.publicKey, pae(ENROL_STATEMENT_TYPE, statement), signature);
}

export function checkTpmAnswer(
  crypto: EvidenceCrypto,
  denyList: DenyList,
  exchange: TpmExchange,
  statement: Uint8Array,
  answer: NonNullable<EnrolAnswer['tpm']>,
): Result<TpmFacts, EnrolRefusal> {
  const { ek, objects, properties } = exchange;
  const expectedProof = crypto.hmacSha256(exchange.secret, statement);
  if (!equalInConstantTime(expectedProof, answer.proof)) return refused('secret');
  const extraData = purposeDigest(crypto, 'enrol', statement);
  const quote = signedAttest(crypto, answer.quote, objects.ak.spki);
  if (quote === 'signature') return refused('quote_signature');
  if (quote === 'attest' || !equalBytes(quote.extraData, extraData)) return refused('quote_attest');
  const pcrs = pcrsOf(quote);
  if (pcrs === undefined) return refused('quote_attest');
  if (!equalBytes(quote.qualifiedSigner, objects.ak.qualifiedName)) return refused('quote_hierarchy');
  const counter = signedAttest(crypto, answer.counter, objects.ak.spki);
  if (counter === 'signature') return refused('counter_signature');
  if (counter === 'attest' || !equalBytes(counter.extraData, extraData)) return refused('counter_attest');
  const value = counterOf(counter, objects);
  if (!value.ok) return value;
  if (!agree(quote, counter)) return refused('attests_disagree');
  const firmware = quote.firmwareVersion.toString(16).padStart(16, '0');
  const isMaker = ek.class !== 'hardware' || properties.manufacturer === ek.manufacturer;
  if (properties.firmware !== firmware || !isMaker) return refused('properties');
  if (denyList.deniesFirmware(ek.manufacturer, firmware)) return refused('firmware_denied');
  return accept({
    ak: base64(objects.ak.spki),
    ak_name: hex(objects.ak.name),
    counter: hex(objects.counterName),
    counter_value: value.value,
    ek_cert: base64(ek.certificate),
    firmware,
    login: base64(objects.login.spki),
    manufacturer: ek.manufacturer,
    model: ek.model,
    version: ek.version,
    ...pcrs,
    reset_count: quote.clockInfo.resetCount,
    restart_count: quote.clockInfo.restartCount,
    sealed: hex(objects.sealedName),
    srk: hex(objects.srkName),
  });
}

/** One bank, SHA-256, with at least one PCR. */
function pcrsOf({ body }: Attest): Pick<TpmFacts, 'pcr_digest' | 'pcr_select'> | undefined {
  if (body.kind !== 'quote' || body.selections.length !== 1 || body.pcrDigest.length !== 32) return undefined;
  const [bank] = body.selections;
  if (bank?.hash !== TPM_ALG.SHA256 || bank.bitmap.length !== 3) return undefined;
  if (bank.bitmap.every((byte) => byte === 0)) return undefined;
  return { pcr_digest: hex(body.pcrDigest), pcr_select: hex(bank.bitmap) };
}

function counterOf(attest: Attest, objects: CheckedObjects): Result<number, EnrolRefusal> {
  const { body } = attest;
  if (body.kind !== 'nv' || body.offset !== 0 || body.contents.length !== 8) return refused('counter_attest');
  if (!equalBytes(attest.qualifiedSigner, objects.ak.qualifiedName)) return refused('counter_attest');
  if (!equalBytes(body.indexName, objects.counterName)) return refused('counter_name');
  const { buffer, byteOffset } = body.contents;
  const value = new DataView(buffer, byteOffset, 8).getBigUint64(0);
  return value >= 1n && value <= COUNTER_MAX ? accept(Number(value)) : refused('counter_value');
}

function agree(quote: Attest, counter: Attest): boolean {
  const [a, b] = [quote.clockInfo, counter.clockInfo];
  const sameStart = a.resetCount === b.resetCount && a.restartCount === b.restartCount;
  return sameStart && quote.firmwareVersion === counter.firmwareVersion;
}

function equalInConstantTime(a: Uint8Array, b: Uint8Array): boolean {
  let difference = a.length ^ b.length;
  for (let i = 0; i < a.length; i += 1) difference |= (a[i] ?? 0) ^ (b[i] ?? 0);
  return difference === 0;
}
