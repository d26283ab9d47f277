/**
 * The endorsement key: its certificate against the vendors' roots (TCG EK Credential Profile for TPM 2.0, sections 2 and 3),
 * its public area against the known templates, and the one against the other.
 */
import {
  id_ce_basicConstraints,
  id_ce_certificatePolicies,
  id_ce_extKeyUsage,
  id_ce_keyUsage,
  id_ce_subjectAltName,
} from '@peculiar/asn1-x509';
import { equalBytes, unbase64url } from '../../base/bytes.ts';
import { accept, type Result } from '../../base/result.ts';
import type { TpmClass } from '../../evidence/wire/enrolment.ts';
import { coordinateSizeBytes } from '../../tpm2/algorithms.ts';
import { parsePublic, type TpmPublic, writePublic } from '../../tpm2/public.ts';
import { EK_TEMPLATES } from '../../tpm2/templates.ts';
import { type CertificateFacts, KEY_USAGE, readCertificate } from './certificate.ts';
import { type Authority, findChain, isCurrent } from './chain.ts';
import type { DenyList } from './deny-list.ts';
import { type EnrolRefusal, refused } from './reasons.ts';
import type { RevocationLists } from './revocation.ts';
import { classOf } from './vendors.ts';

/** tcg-kp-EKCertificate, and the attributes tcg-at-tpmManufacturer, -tpmModel and -tpmVersion. */
const EK_PURPOSE = '2.23.133.8.1';
const TPM_NAME = { manufacturer: '2.23.133.2.1', model: '2.23.133.2.2', version: '2.23.133.2.3' } as const;

const HANDLED_CRITICAL: ReadonlySet<string> = new Set([
  id_ce_basicConstraints,
  id_ce_keyUsage,
  id_ce_extKeyUsage,
  id_ce_subjectAltName,
  id_ce_certificatePolicies,
]);

export interface EkTrust {
  readonly authorities: readonly Authority[];
  readonly denyList: DenyList;
  /** Undefined: nobody asks what vendors revoked. */
  readonly revocation?: RevocationLists;
}

export interface CheckedEk {
  readonly public: TpmPublic;
  readonly certificate: Uint8Array;
  /** The public area as it was given. */
  readonly keyBytes: Uint8Array;
  readonly class: Exclude<TpmClass, 'software'>;
  /** 8 hex digits. */
  readonly manufacturer: string;
  readonly model: string;
  readonly version: string;
}

export function checkEk(
  trust: EkTrust,
  ek: { readonly certificate: Uint8Array; readonly public: Uint8Array },
  nowMs: number,
): Result<CheckedEk, EnrolRefusal> {
  const certificate = readCertificate(ek.certificate);
  if (certificate === undefined) return refused('certificate');
  if (!isCurrent(certificate, nowMs)) return refused('certificate_validity');
  const problem = profileProblem(certificate);
  if (problem !== undefined) return refused(problem);
  const name = tpmNameOf(certificate);
  if (name === undefined) return refused('certificate_name');
  const chain = findChain(certificate, trust.authorities, nowMs);
  if (!chain.ok) return chain;
  const all = [certificate, ...chain.value.issuers];
  if (all.some(({ der }) => trust.denyList.deniesCertificate(der))) return refused('certificate_denied');
  const revoked = trust.revocation?.problem(all, nowMs);
  if (revoked !== undefined) return refused(revoked);
  const area = parsePublic(ek.public);
  if (!area.ok) return refused('ek_public');
  if (!isKnownTemplate(area.value)) return refused('ek_template');
  if (!certifies(certificate, area.value)) return refused('ek_key');
  return accept({
    public: area.value,
    certificate: certificate.der,
    keyBytes: ek.public,
    class: classOf(chain.value.class, name.manufacturer),
    ...name,
  });
}

/**
 * Whether what was believed at enrolment was taken back since. Not whether it expired, or an authority above it did: a chip
 * outlives its certificate, and what was revoked stays so.
 */
export function revokedSince(
  trust: EkTrust,
  der: Uint8Array,
): 'certificate_revoked' | 'certificate_denied' | undefined {
  const certificate = readCertificate(der);
  if (certificate === undefined) return undefined;
  if (trust.denyList.deniesCertificate(der)) return 'certificate_denied';
  const chain = findChain(certificate, trust.authorities, undefined);
  if (!chain.ok) return undefined;
  const all = [certificate, ...chain.value.issuers];
  if (all.some((each) => trust.denyList.deniesCertificate(each.der))) return 'certificate_denied';
  return trust.revocation?.revokes(all) === true ? 'certificate_revoked' : undefined;
}

function profileProblem(certificate: CertificateFacts): EnrolRefusal | undefined {
  if (certificate.critical.some((id) => !HANDLED_CRITICAL.has(id))) return 'certificate_critical';
  if (!certificate.extendedKeyUsage.includes(EK_PURPOSE)) return 'certificate_purpose';
  if (certificate.isAuthority) return 'certificate_authority';
  const wanted = certificate.x509.publicKey.asymmetricKeyType === 'rsa' ? 'keyEncipherment' : 'keyAgreement';
  const usage = certificate.keyUsage ?? 0;
  if ((usage & KEY_USAGE[wanted]) === 0 || (usage & KEY_USAGE.keyCertSign) !== 0) return 'certificate_usage';
  return undefined;
}

function tpmNameOf(certificate: CertificateFacts): Pick<CheckedEk, 'manufacturer' | 'model' | 'version'> | undefined {
  const names = certificate.directoryNames;
  const manufacturer = /^id:([0-9A-Fa-f]{8})$/.exec(names.get(TPM_NAME.manufacturer) ?? '')?.[1];
  const model = names.get(TPM_NAME.model) ?? '';
  const version = names.get(TPM_NAME.version) ?? '';
  const isShown = (text: string) => /^[ -~]{1,64}$/.test(text);
  if (manufacturer === undefined || !isShown(model) || !isShown(version)) return undefined;
  return { manufacturer: manufacturer.toLowerCase(), model, version };
}

/** Equal to a template in everything but the key itself. */
function isKnownTemplate(area: TpmPublic): boolean {
  return EK_TEMPLATES.some((template) => {
    const same = { ...area, unique: template.unique } as TpmPublic;
    return area.type === template.type && equalBytes(writePublic(same), writePublic(template));
  });
}

function certifies(certificate: CertificateFacts, area: TpmPublic): boolean {
  const key = certificate.x509.publicKey;
  if (area.type === 'rsa' && key.asymmetricKeyType === 'rsa') {
    const jwk = key.export({ format: 'jwk' });
    return (
      jwk.e === 'AQAB' && area.exponent === 0 && equalBytes(unbase64url(jwk.n ?? '') ?? area.authPolicy, area.unique)
    );
  }
  if (area.type !== 'ecc' || key.asymmetricKeyType !== 'ec') return false;
  const jwk = key.export({ format: 'jwk' });
  const sizeBytes = coordinateSizeBytes(area.curve);
  if (jwk.crv !== (sizeBytes === 32 ? 'P-256' : 'P-384')) return false;
  return sameNumber(jwk.x, area.unique.x) && sameNumber(jwk.y, area.unique.y);
}

/** A TPM may leave out leading zeros of a coordinate; the certificate never does. */
function sameNumber(text: string | undefined, bytes: Uint8Array): boolean {
  const whole = unbase64url(text ?? '') ?? new Uint8Array(0);
  const lead = whole.length - bytes.length;
  return (
    lead >= 0 &&
    bytes.length > 0 &&
    whole.subarray(0, lead).every((byte) => byte === 0) &&
    equalBytes(whole.subarray(lead), bytes)
  );
}
