/**
 * The seal of a bundle: its maker's signature over all of it (FORMAT.md section 8). What a bundle holds is proved by the
 * logs; that nothing was taken out of it since it was made is proved by the seal alone.
 *
 * Payload, in JCS: `{"bundle":<base64url SHA-256 of the bundle without its seal>,"issued":<time>,"v":1}`.
 */
import { assert } from '../../base/assert.ts';
import { base64url, hex, unbase64url } from '../../base/bytes.ts';
import { pae } from '../batch/pae.ts';
import type { EvidenceCrypto } from '../crypto.ts';
import { canonicalJson, parseCanonicalObject } from '../event/json.ts';
import type { Vkey } from '../log/note.ts';
import { parseOrigin } from '../log/origin.ts';
import { HASH_BYTES } from '../log/tree.ts';
import type { Envelope } from '../wire/envelope.ts';
import { type Bundle, bundleBody } from './bundle.ts';
import type { PolicyService } from './policy.ts';
import type { Failure } from './verdict.ts';

export const BUNDLE_SEAL_TYPE = 'application/vnd.latchkey.bundle-seal.v1+json';
const PAYLOAD_BYTES_MAX = 256;
const TIME = /^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z$/;

/** A maker whom the policy names, and when his clock said that he sealed it. */
export interface SealedBy {
  readonly maker: string;
  readonly issued: string;
}

/** The payload to sign with the maker's key under `BUNDLE_SEAL_TYPE`. `issued` is 24 characters, as in events. */
export function sealPayload(crypto: EvidenceCrypto, bundle: Bundle, issued: string): Uint8Array {
  assert(TIME.test(issued), `time ${issued}`);
  const digest = base64url(crypto.sha256(bundleBody(bundle)));
  return new TextEncoder().encode(canonicalJson({ bundle: digest, issued, v: 1 }));
}

export function sealed(bundle: Bundle, payload: Uint8Array, vkey: Vkey, signature: Uint8Array): Bundle {
  const signatures = [{ keyid: hex(vkey.keyId), sig: signature }];
  return { ...bundle, seal: { payloadType: BUNDLE_SEAL_TYPE, payload, signatures } };
}

/** Undefined: nobody whom the policy names as a maker for all of these logs sealed it. */
export function verifySeal(
  crypto: EvidenceCrypto,
  bundle: Bundle,
  makers: readonly PolicyService[],
): SealedBy | Failure | undefined {
  const { seal } = bundle;
  const [signature, ...more] = seal?.signatures ?? [];
  if (seal === undefined || signature === undefined) return undefined;
  const named = makers.filter(({ vkey }) => hex(vkey.keyId) === signature.keyid);
  const maker = named.find((each) => bundle.logs.every(({ log }) => isWithin(each, log)));
  if (maker === undefined) return undefined;
  const { vkey } = maker;
  const isSigned =
    seal.payloadType === BUNDLE_SEAL_TYPE &&
    more.length === 0 &&
    crypto.verifyEd25519(vkey.publicKey, pae(BUNDLE_SEAL_TYPE, seal.payload), signature.sig);
  if (!isSigned) return { reason: 'bundle_seal', detail: `the seal is not a signature of ${vkey.name}` };
  const payload = parseSealPayload(seal);
  if (payload === undefined) return { reason: 'bundle_seal', detail: 'what was signed is no seal that is known here' };
  if (payload.digest !== base64url(crypto.sha256(bundleBody(bundle)))) {
    return { reason: 'bundle_seal', detail: `${vkey.name} sealed another bundle: this one was changed since` };
  }
  return { maker: vkey.name, issued: payload.issued };
}

/** Whether the policy names anybody who must have sealed a bundle about one of these logs. */
export function needsSeal({ logs }: Bundle, makers: readonly PolicyService[]): boolean {
  return logs.some(({ log }) => makers.some((maker) => isWithin(maker, log)));
}

function isWithin({ domains }: PolicyService, log: string): boolean {
  const origin = parseOrigin(log);
  return origin.ok && domains.includes(origin.value.domain);
}

function parseSealPayload(seal: Envelope): { readonly digest: string; readonly issued: string } | undefined {
  const object = parseCanonicalObject(seal.payload, PAYLOAD_BYTES_MAX);
  if (!object.ok) return undefined;
  const { bundle, issued, v, ...unknown } = object.value;
  if (v !== 1 || typeof bundle !== 'string' || typeof issued !== 'string' || Object.keys(unknown).length > 0) {
    return undefined;
  }
  return unbase64url(bundle)?.length === HASH_BYTES && TIME.test(issued) ? { digest: bundle, issued } : undefined;
}
