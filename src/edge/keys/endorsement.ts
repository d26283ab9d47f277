/**
 * The endorsement key of this box's TPM and its vendor's certificate, where TCG reserves places for them (EK Credential
 * Profile for TPM 2.0, section 2.2.1.4), and TPM2_ActivateCredential under the key's own policy.
 */
import { X509Certificate } from 'node:crypto';
import { equalBytes, hex, unbase64url } from '../../base/bytes.ts';
import { LatchkeyError } from '../../base/errors.ts';
import { TPM_HT, TPM_RH } from '../../tpm2/algorithms.ts';
import type { Credential } from '../../tpm2/make-credential.ts';
import { type TpmPublic, writePublic } from '../../tpm2/public.ts';
import {
  EK_P256,
  EK_P256_H2,
  EK_P384,
  EK_POLICY_A_SHA256,
  EK_POLICY_A_SHA384,
  EK_POLICY_B_SHA256,
  EK_POLICY_B_SHA384,
  EK_POLICY_C_SHA256,
  EK_POLICY_C_SHA384,
  EK_RSA2048,
  EK_RSA2048_H1,
} from '../../tpm2/templates.ts';
import { getHandles, getProperties, TPM_PT } from '../tpm/commands/capability.ts';
import { NV_ReadPublic, nvReadAll } from '../tpm/commands/nv.ts';
import { ActivateCredential, CreatePrimary, ReadPublic } from '../tpm/commands/object.ts';
import { PolicyOR, PolicySecret } from '../tpm/commands/policy.ts';
import { StartAuthSession } from '../tpm/commands/session.ts';
import { type Entity, permanent } from '../tpm/entity.ts';
import type { Secret } from '../tpm/secret.ts';
import type { Tpm } from '../tpm/unit.ts';

interface EkPlace {
  readonly kind: string;
  /** NV index of the certificate. */
  readonly index: number;
  /** Where software by convention keeps the key. */
  readonly handles: readonly number[];
  readonly template: TpmPublic;
}

/** The strongest first. */
const PLACES: readonly EkPlace[] = [
  { kind: 'P-384', index: 0x01c0_0016, handles: [0x8101_0016], template: EK_P384 },
  { kind: 'P-256 (H-2)', index: 0x01c0_0014, handles: [0x8101_0014], template: EK_P256_H2 },
  { kind: 'P-256', index: 0x01c0_000a, handles: [0x8101_000a, 0x8101_0002], template: EK_P256 },
  { kind: 'RSA-2048 (H-1)', index: 0x01c0_0012, handles: [0x8101_0012], template: EK_RSA2048_H1 },
  { kind: 'RSA-2048', index: 0x01c0_0002, handles: [0x8101_0001], template: EK_RSA2048 },
];

/** Certificates of keys by templates that are not known here (the same profile, section 2.2.1.5.2). */
const OTHER_PLACES: ReadonlyMap<number, string> = new Map([
  [0x01c0_0018, 'P-521 (H-4)'],
  [0x01c0_001a, 'SM2 P-256 (H-5)'],
  [0x01c0_001c, 'RSA-3072 (H-6)'],
  [0x01c0_001e, 'RSA-4096 (H-7)'],
]);

/** Where a policy has two branches, for owners who gave the hierarchy an authorisation of their own: both of them. */
const BRANCHES: readonly { readonly policy: Uint8Array; readonly branches: readonly Uint8Array[] }[] = [
  { policy: EK_POLICY_B_SHA256, branches: [EK_POLICY_A_SHA256, EK_POLICY_C_SHA256] },
  { policy: EK_POLICY_B_SHA384, branches: [EK_POLICY_A_SHA384, EK_POLICY_C_SHA384] },
];

/** A certificate longer than this is none: the largest NV index of common chips has 2,048 bytes. */
const CERTIFICATE_BYTES_MAX = 4_096;

export interface Endorsement {
  readonly kind: string;
  /** DER, as the vendor signed it. */
  readonly certificate: Uint8Array;
  readonly area: TpmPublic;
  readonly name: Uint8Array;
  /** Undefined: it is made again by its template when it is needed. */
  readonly handle: number | undefined;
}

/**
 * The EK that its vendor certified. Rejects with TPM_MISSING when the TPM holds no certificate, and when those that it
 * holds certify other keys than it has.
 */
export async function findEndorsement(tpm: Tpm): Promise<Endorsement> {
  const [indices, handles] = [await getHandles(tpm, TPM_HT.NV_INDEX), await getHandles(tpm, TPM_HT.PERSISTENT)];
  const strangers: string[] = [];
  for (const place of PLACES) {
    if (!indices.includes(place.index)) continue;
    const certificate = await readCertificate(tpm, place.index);
    const key = certificate && (await keyAt(tpm, place, handles));
    if (certificate !== undefined && key !== undefined && certifies(certificate, key.area)) {
      return { kind: place.kind, certificate, ...key };
    }
    strangers.push(`${place.kind} at 0x${place.index.toString(16)}`);
  }
  const expected = 'expected the certificate of an endorsement key in the TPM';
  if (strangers.length === 0) {
    const places = PLACES.map(({ index }) => `0x${index.toString(16)}`).join(', ');
    const others = indices.flatMap((index) => OTHER_PLACES.get(index) ?? []);
    const found =
      others.length === 0
        ? 'found none: its vendor gave it none'
        : `found only those of kinds that are not known here (${others.join(', ')}): use a TPM that also has one of those`;
    throw new LatchkeyError('TPM_MISSING', `${expected} (NV index ${places}), ${found}`);
  }
  const found = `found one that certifies another key (${strangers.join(', ')})`;
  throw new LatchkeyError('TPM_MISSING', `${expected} for the key that it has; ${found}`);
}

/** Indices are often larger than the certificate: cut to the length that its outermost SEQUENCE states (X.690). */
async function readCertificate(tpm: Tpm, index: number): Promise<Uint8Array | undefined> {
  const nv = await NV_ReadPublic(tpm, index);
  if (nv.area.dataSizeBytes > CERTIFICATE_BYTES_MAX) return undefined;
  const bytes = await nvReadAll(tpm, nv, nv);
  const [tag, form, high = 0, low = 0] = bytes;
  const sizeBytes = 4 + high * 256 + low;
  return tag === 0x30 && form === 0x82 && sizeBytes <= bytes.length ? bytes.slice(0, sizeBytes) : undefined;
}

/** A persistent object counts when it is of the template; otherwise the key is made: the same seed gives the same key. */
async function keyAt(tpm: Tpm, place: EkPlace, handles: readonly number[]) {
  for (const handle of place.handles.filter((each) => handles.includes(each))) {
    const { object } = await ReadPublic(tpm, handle);
    if (isOfTemplate(object.area, place.template)) return { area: object.area, name: object.name, handle };
  }
  const { object } = await CreatePrimary(tpm, permanent(TPM_RH.ENDORSEMENT), place.template);
  await tpm.flush(object.handle);
  return { area: object.area, name: object.name, handle: undefined };
}

function isOfTemplate(area: TpmPublic, template: TpmPublic): boolean {
  if (area.type !== template.type) return false;
  return equalBytes(writePublic({ ...area, unique: template.unique } as TpmPublic), writePublic(template));
}

function certifies(certificate: Uint8Array, area: TpmPublic): boolean {
  let jwk: { n?: string; x?: string; y?: string };
  try {
    jwk = new X509Certificate(certificate).publicKey.export({ format: 'jwk' });
  } catch {
    // Not a certificate, or of a key that OpenSSL does not know.
    return false;
  }
  if (area.type === 'rsa') return sameNumber(jwk.n, area.unique);
  return area.type === 'ecc' && sameNumber(jwk.x, area.unique.x) && sameNumber(jwk.y, area.unique.y);
}

/** A TPM may leave out leading zeros of a coordinate. */
function sameNumber(text: string | undefined, bytes: Uint8Array): boolean {
  const whole = unbase64url(text ?? '');
  if (whole === undefined || whole.length < bytes.length || bytes.length === 0) return false;
  return hex(whole) === hex(bytes).padStart(2 * whole.length, '0');
}

/** What the enrolment service hid for this AK beside this EK. Refused (INTEGRITY, VALUE) when it was meant for others. */
export async function activate(tpm: Tpm, ak: Entity, ek: Endorsement, credential: Credential): Promise<Secret> {
  const key =
    ek.handle === undefined
      ? (await CreatePrimary(tpm, permanent(TPM_RH.ENDORSEMENT), templateOf(ek))).object
      : { handle: ek.handle, name: ek.name };
  const { nameAlg } = ek.area;
  const policy = await StartAuthSession(tpm, { type: 'policy', salt: 'unsalted', authHash: nameAlg });
  await PolicySecret(tpm, permanent(TPM_RH.ENDORSEMENT), policy);
  const or = BRANCHES.find((each) => equalBytes(each.policy, ek.area.authPolicy));
  if (or !== undefined) await PolicyOR(tpm, policy, or.branches);
  return ActivateCredential(tpm, ak, { handle: key.handle, name: ek.name, policy }, credential);
}

function templateOf({ area }: { readonly area: TpmPublic }): TpmPublic {
  const found = PLACES.find(({ template }) => isOfTemplate(area, template));
  if (found === undefined) throw new LatchkeyError('INTERNAL', 'an endorsement key of no known template');
  return found.template;
}

/** What the TPM says of itself: maker (8 hex digits), firmware (16) and the vendor's own words. */
export interface TpmProperties {
  readonly manufacturer: string;
  readonly firmware: string;
  readonly vendor: string;
}

export async function readProperties(tpm: Tpm): Promise<TpmProperties> {
  const found = await getProperties(tpm, TPM_PT.MANUFACTURER);
  const word = (property: number): string => ((found.get(property) ?? 0) >>> 0).toString(16).padStart(8, '0');
  let vendor = '';
  for (let property = TPM_PT.VENDOR_STRING_1; property <= TPM_PT.VENDOR_STRING_4; property += 1) {
    vendor += Buffer.from(word(property), 'hex').toString('latin1');
  }
  return {
    manufacturer: word(TPM_PT.MANUFACTURER),
    firmware: word(TPM_PT.FIRMWARE_VERSION_1) + word(TPM_PT.FIRMWARE_VERSION_2),
    vendor: vendor.replace(/\0+$/, '').replace(/[^ -~]/g, '?'),
  };
}
