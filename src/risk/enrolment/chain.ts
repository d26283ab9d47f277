/**
 * From a certificate to a root that the operator laid down: path building and the rules of RFC 5280 section 6 that
 * OpenSSL's binding in Node does not apply. Certificates of authorities come from the operator's directory alone.
 */
import type { X509Certificate } from 'node:crypto';
import { id_ce_basicConstraints, id_ce_certificatePolicies, id_ce_keyUsage } from '@peculiar/asn1-x509';
import { accept, type Result } from '../../base/result.ts';
import { type CertificateFacts, KEY_USAGE } from './certificate.ts';
import { type EnrolRefusal, refused } from './reasons.ts';

const DEPTH_MAX = 6;

/** RSA and ECDSA with SHA-256, SHA-384 and SHA-512 (RFC 4055, RFC 5758). */
const SIGNATURE_ALGORITHMS: ReadonlySet<string> = new Set([
  '1.2.840.113549.1.1.11',
  '1.2.840.113549.1.1.12',
  '1.2.840.113549.1.1.13',
  '1.2.840.10045.4.3.2',
  '1.2.840.10045.4.3.3',
  '1.2.840.10045.4.3.4',
]);
const CURVES: ReadonlySet<string> = new Set(['prime256v1', 'secp384r1', 'secp521r1']);
const RSA_BITS_MIN = 2_048;

/** Policies are read by nobody here: any policy is as good as none (anyPolicy as the initial set). */
const AUTHORITY_CRITICAL: ReadonlySet<string> = new Set([
  id_ce_basicConstraints,
  id_ce_keyUsage,
  id_ce_certificatePolicies,
]);

/** What an authority's directory says of whom it certifies. */
export type RootClass = 'hardware' | 'emulated';

export interface Authority {
  readonly certificate: CertificateFacts;
  readonly class: RootClass;
}

export interface Chain {
  /** Issuers, the root last. */
  readonly issuers: readonly CertificateFacts[];
  readonly class: RootClass;
}

/** A chain of one class to a self-signed root, or why the nearest one fails. `nowMs` undefined: authorities may have expired. */
export function findChain(
  leaf: CertificateFacts,
  authorities: readonly Authority[],
  nowMs: number | undefined,
): Result<Chain, EnrolRefusal> {
  let nearest: Result<Chain, EnrolRefusal> = refused('chain_unknown');
  for (const rootClass of ['emulated', 'hardware'] as const) {
    // Emulated first: a certificate that both would carry is not hardware's.
    const known = authorities.filter((authority) => authority.class === rootClass).map((each) => each.certificate);
    const found = climb(leaf, [], known, nowMs);
    if (found.ok) return accept({ issuers: found.value, class: rootClass });
    if (found.reason !== 'chain_unknown') nearest = found;
  }
  return nearest;
}

function climb(
  child: CertificateFacts,
  below: readonly CertificateFacts[],
  known: readonly CertificateFacts[],
  nowMs: number | undefined,
): Result<readonly CertificateFacts[], EnrolRefusal> {
  let nearest: Result<never, EnrolRefusal> = refused('chain_unknown');
  if (!isStrong(child)) return refused('certificate_algorithm');
  for (const issuer of known) {
    // By names alone: OpenSSL's own question also looks at what is asked below, and would hide the reason.
    if (child.x509.issuer !== issuer.x509.subject || below.includes(issuer)) continue;
    const problem = issuerProblem(child, issuer, below, nowMs);
    if (problem !== undefined) {
      nearest = refused(problem);
      continue;
    }
    if (isRoot(issuer)) return accept([issuer]);
    if (below.length + 1 >= DEPTH_MAX) {
      nearest = refused('chain_length');
      continue;
    }
    const above = climb(issuer, [...below, issuer], known, nowMs);
    if (above.ok) return accept([issuer, ...above.value]);
    nearest = above;
  }
  return nearest;
}

function issuerProblem(
  child: CertificateFacts,
  issuer: CertificateFacts,
  below: readonly CertificateFacts[],
  nowMs: number | undefined,
): EnrolRefusal | undefined {
  if (!hasStrongKey(issuer.x509)) return 'certificate_algorithm';
  if (!child.x509.verify(issuer.x509.publicKey)) return 'chain_signature';
  if (!issuer.isAuthority) return 'chain_authority';
  if (issuer.keyUsage !== undefined && (issuer.keyUsage & KEY_USAGE.keyCertSign) === 0) return 'chain_authority';
  const depth = below.filter((each) => !each.isSelfIssued).length;
  if (issuer.pathLengthMax !== undefined && depth > issuer.pathLengthMax) return 'chain_length';
  if (nowMs !== undefined && !isCurrent(issuer, nowMs)) return 'certificate_validity';
  if (issuer.critical.some((id) => !AUTHORITY_CRITICAL.has(id))) return 'certificate_critical';
  return undefined;
}

/** A root is believed because it lies in the directory: its own signature only says that it is one. */
export function isRoot(certificate: CertificateFacts): boolean {
  return certificate.isSelfIssued && certificate.x509.verify(certificate.x509.publicKey);
}

export function isCurrent(certificate: CertificateFacts, nowMs: number): boolean {
  return certificate.notBeforeMs <= nowMs && nowMs <= certificate.notAfterMs;
}

function isStrong(certificate: CertificateFacts): boolean {
  return SIGNATURE_ALGORITHMS.has(certificate.signatureAlgorithm);
}

function hasStrongKey(x509: X509Certificate): boolean {
  const { asymmetricKeyType, asymmetricKeyDetails } = x509.publicKey;
  if (asymmetricKeyType === 'rsa') return (asymmetricKeyDetails?.modulusLength ?? 0) >= RSA_BITS_MIN;
  return asymmetricKeyType === 'ec' && CURVES.has(asymmetricKeyDetails?.namedCurve ?? '');
}
