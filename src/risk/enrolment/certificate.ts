/**
 * One X.509 certificate, read twice: by OpenSSL (signatures, keys, names) and by an ASN.1 schema (extensions, times), which
 * OpenSSL's binding does not show. What either refuses is no certificate.
 */
import { X509Certificate } from 'node:crypto';
import { AsnConvert } from '@peculiar/asn1-schema';
import {
  BasicConstraints,
  Certificate,
  CRLDistributionPoints,
  ExtendedKeyUsage,
  id_ce_basicConstraints,
  id_ce_cRLDistributionPoints,
  id_ce_extKeyUsage,
  id_ce_keyUsage,
  id_ce_subjectAltName,
  KeyUsage,
  SubjectAlternativeName,
} from '@peculiar/asn1-x509';
import { equalBytes, hex } from '../../base/bytes.ts';
import { pointsOf } from './crl.ts';

export const CERTIFICATE_BYTES_MAX = 8_192;
const VERSION_3 = 2;

/** Key usage bits (RFC 5280 section 4.2.1.3). */
export const KEY_USAGE = {
  keyEncipherment: 1 << 2,
  keyAgreement: 1 << 4,
  keyCertSign: 1 << 5,
  cRLSign: 1 << 6,
} as const;

export interface CertificateFacts {
  readonly der: Uint8Array;
  readonly x509: X509Certificate;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  /** Object identifier; the one inside the signed part is the same. */
  readonly signatureAlgorithm: string;
  /** Object identifiers of critical extensions. */
  readonly critical: readonly string[];
  /** Undefined when there is no such extension. */
  readonly keyUsage: number | undefined;
  readonly extendedKeyUsage: readonly string[];
  readonly isAuthority: boolean;
  readonly pathLengthMax: number | undefined;
  /** Attributes of the directory names among the subject's alternative names. */
  readonly directoryNames: ReadonlyMap<string, string>;
  readonly isSelfIssued: boolean;
  /** DER of the subject's name, hex. */
  readonly subjectName: string;
  /** Addresses at which its issuer says what it revoked. */
  readonly crlPoints: readonly string[];
  readonly serial: string;
}

/** Undefined when the bytes are not to their end one certificate of version 3 in DER. */
export function readCertificate(der: Uint8Array): CertificateFacts | undefined {
  if (der.length > CERTIFICATE_BYTES_MAX) return undefined;
  try {
    const x509 = new X509Certificate(der);
    if (!equalBytes(x509.raw, der)) return undefined;
    return factsOf(Uint8Array.from(der), x509, AsnConvert.parse(der, Certificate));
  } catch {
    // Both readers throw for whatever is not a certificate.
    return undefined;
  }
}

function factsOf(der: Uint8Array, x509: X509Certificate, certificate: Certificate): CertificateFacts | undefined {
  const { tbsCertificate, signatureAlgorithm } = certificate;
  const extensions = tbsCertificate.extensions ?? [];
  const byId = new Map(extensions.map((extension) => [extension.extnID, extension.extnValue.buffer] as const));
  const isTwice = byId.size !== extensions.length;
  const sameAlgorithm = tbsCertificate.signature.algorithm === signatureAlgorithm.algorithm;
  if (isTwice || !sameAlgorithm || tbsCertificate.version !== VERSION_3) return undefined;
  const usage = byId.get(id_ce_keyUsage);
  const extended = byId.get(id_ce_extKeyUsage);
  const points = byId.get(id_ce_cRLDistributionPoints);
  const constraints = byId.get(id_ce_basicConstraints);
  const basic = constraints === undefined ? undefined : AsnConvert.parse(constraints, BasicConstraints);
  return {
    der,
    x509,
    notBeforeMs: tbsCertificate.validity.notBefore.getTime().getTime(),
    notAfterMs: tbsCertificate.validity.notAfter.getTime().getTime(),
    signatureAlgorithm: signatureAlgorithm.algorithm,
    critical: extensions.filter((extension) => extension.critical).map((extension) => extension.extnID),
    keyUsage: usage === undefined ? undefined : AsnConvert.parse(usage, KeyUsage).toNumber(),
    extendedKeyUsage: extended === undefined ? [] : [...AsnConvert.parse(extended, ExtendedKeyUsage)],
    isAuthority: basic?.cA === true,
    pathLengthMax: basic?.pathLenConstraint,
    directoryNames: directoryNamesOf(byId.get(id_ce_subjectAltName)),
    isSelfIssued: x509.subject === x509.issuer,
    subjectName: hex(new Uint8Array(AsnConvert.serialize(tbsCertificate.subject))),
    crlPoints: points === undefined ? [] : crlPointsOf(points),
    serial: hex(new Uint8Array(tbsCertificate.serialNumber)),
  };
}

/** An attribute that stands twice has no one value: it is left out. */
function directoryNamesOf(extension: ArrayBuffer | undefined): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  const twice = new Set<string>();
  if (extension === undefined) return found;
  for (const general of AsnConvert.parse(extension, SubjectAlternativeName)) {
    for (const attributes of general.directoryName ?? []) {
      for (const { type, value } of attributes) {
        if (found.has(type)) twice.add(type);
        found.set(type, value.toString());
      }
    }
  }
  for (const type of twice) found.delete(type);
  return found;
}

function crlPointsOf(extension: ArrayBuffer): readonly string[] {
  return [...AsnConvert.parse(extension, CRLDistributionPoints)].flatMap((each) => pointsOf(each.distributionPoint));
}
