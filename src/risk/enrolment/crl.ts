/**
 * One list of revoked certificates (RFC 5280 section 5), read from DER. What it says counts only when `isSignedBy` says so.
 *
 * Read are complete lists of one issuer, also those that cover a part of its certificates. Delta and indirect lists, and
 * those for some reasons only, are refused: whoever reads them as if they were complete would miss revocations.
 */
import { verify, type X509Certificate } from 'node:crypto';
import { AsnConvert } from '@peculiar/asn1-schema';
import {
  CertificateList,
  type DistributionPointName,
  type Extension,
  IssuingDistributionPoint,
  id_ce_issuingDistributionPoint,
  type TBSCertList,
} from '@peculiar/asn1-x509';
import { hex } from '../../base/bytes.ts';

export const CRL_BYTES_MAX = 16_777_216;

export interface CrlScope {
  /** Undefined: certificates of both kinds. */
  readonly only?: 'users' | 'authorities';
  /** Locations; empty: all certificates of the issuer. */
  readonly points: readonly string[];
}

export interface Crl {
  /** DER of the issuer's name, hex. */
  readonly issuer: string;
  readonly thisUpdateMs: number;
  /** A list without it is never current. */
  readonly nextUpdateMs: number | undefined;
  readonly scope: CrlScope;
  /** Two lists of one issuer with one of these replace each other. */
  readonly scopeKey: string;
  /** Serial numbers, hex. */
  readonly revoked: ReadonlySet<string>;
  isSignedBy(issuer: X509Certificate): boolean;
}

/** Digest by the algorithms that are accepted for certificates, too (RFC 4055, RFC 5758). */
const DIGESTS: Readonly<Record<string, { readonly digest: string; readonly key: 'rsa' | 'ec' }>> = {
  '1.2.840.113549.1.1.11': { digest: 'sha256', key: 'rsa' },
  '1.2.840.113549.1.1.12': { digest: 'sha384', key: 'rsa' },
  '1.2.840.113549.1.1.13': { digest: 'sha512', key: 'rsa' },
  '1.2.840.10045.4.3.2': { digest: 'sha256', key: 'ec' },
  '1.2.840.10045.4.3.3': { digest: 'sha384', key: 'ec' },
  '1.2.840.10045.4.3.4': { digest: 'sha512', key: 'ec' },
};

/** The list, or in words what is wrong with it. */
export function readCrl(der: Uint8Array): Crl | string {
  if (der.length > CRL_BYTES_MAX) return `expected at most ${CRL_BYTES_MAX} bytes`;
  try {
    const list = AsnConvert.parse(der, CertificateList);
    // To its last byte: what stands behind it is no part of what was signed.
    if (outerSizeBytes(der) !== der.length) return 'bytes follow the list';
    return crlOf(list);
  } catch {
    // The reader throws for whatever is no list.
    return 'expected a list of revoked certificates in DER or PEM';
  }
}

function crlOf(list: CertificateList): Crl | string {
  const { tbsCertList: tbs, tbsCertListRaw: raw, signatureAlgorithm } = list;
  const algorithm = signatureAlgorithm.algorithm;
  if (raw === undefined || tbs.signature.algorithm !== algorithm) return 'its two signature algorithms differ';
  if (!Object.hasOwn(DIGESTS, algorithm)) return 'it is signed by an algorithm that is not accepted';
  const scope = scopeOf(tbs.crlExtensions ?? []);
  if (typeof scope === 'string') return scope;
  const entries = tbs.revokedCertificates ?? [];
  if (entries.some(({ crlEntryExtensions: more }) => more?.some(({ critical }) => critical))) {
    return 'an entry has a critical extension that is not understood';
  }
  return {
    issuer: nameKey(tbs),
    thisUpdateMs: tbs.thisUpdate.getTime().getTime(),
    nextUpdateMs: tbs.nextUpdate?.getTime().getTime(),
    ...scope,
    revoked: new Set(entries.map(({ userCertificate }) => hex(new Uint8Array(userCertificate)))),
    isSignedBy: (issuer) => isSigned(algorithm, new Uint8Array(raw), new Uint8Array(list.signature), issuer),
  };
}

function nameKey({ issuer }: TBSCertList): string {
  return hex(new Uint8Array(AsnConvert.serialize(issuer)));
}

function isSigned(algorithm: string, bytes: Uint8Array, signature: Uint8Array, issuer: X509Certificate): boolean {
  const how = DIGESTS[algorithm];
  if (how === undefined || issuer.publicKey.asymmetricKeyType !== how.key) return false;
  return verify(how.digest, bytes, issuer.publicKey, signature);
}

function scopeOf(extensions: readonly Extension[]): Pick<Crl, 'scope' | 'scopeKey'> | string {
  const ids = extensions.map(({ extnID }) => extnID);
  if (new Set(ids).size !== ids.length) return 'an extension stands twice';
  // The mark of a delta list is critical and is not known here either.
  const strange = extensions.find(({ critical, extnID }) => critical && extnID !== id_ce_issuingDistributionPoint);
  if (strange !== undefined) return `a critical extension is not understood (${strange.extnID})`;
  const own = extensions.find(({ extnID }) => extnID === id_ce_issuingDistributionPoint)?.extnValue.buffer;
  if (own === undefined) return { scope: { points: [] }, scopeKey: '' };
  const point = AsnConvert.parse(own, IssuingDistributionPoint);
  if (point.indirectCRL) return 'an indirect list';
  if (point.onlySomeReasons !== undefined) return 'a list for some reasons only';
  if (point.onlyContainsAttributeCerts || (point.onlyContainsUserCerts && point.onlyContainsCACerts)) {
    return 'a list for no certificates of keys';
  }
  const points = pointsOf(point.distributionPoint);
  if (point.distributionPoint !== undefined && points.length === 0) return 'a list for a place that has no address';
  const only = point.onlyContainsUserCerts ? 'users' : point.onlyContainsCACerts ? 'authorities' : undefined;
  return { scope: { points, ...(only !== undefined && { only }) }, scopeKey: hex(new Uint8Array(own)) };
}

/** Addresses of a distribution point. */
export function pointsOf(name: DistributionPointName | undefined): readonly string[] {
  return (name?.fullName ?? []).flatMap(({ uniformResourceIdentifier: uri }) => (uri === undefined ? [] : [uri]));
}

/** Of the outermost SEQUENCE (X.690 section 8.1), in DER; 0 when that is none. */
function outerSizeBytes(der: Uint8Array): number {
  const first = der[1] ?? 0;
  if (der[0] !== 0x30) return 0;
  if (first < 0x80) return 2 + first;
  const count = first & 0x7f;
  const size = der.subarray(2, 2 + count).reduce((sum, byte) => sum * 256 + byte, 0);
  return 2 + count + size;
}
