/**
 * The name of a log: `<operator domain>/<gateway id>/<number>-<tag>`. The tag comes from the log's key, so an origin
 * names one key; the number is a hint for people.
 */
import { assert } from '../../base/assert.ts';
import { hex } from '../../base/bytes.ts';
import { accept, type Result, refuse } from '../../base/result.ts';
import type { EvidenceCrypto } from '../crypto.ts';

export const ORIGIN_BYTES_MAX = 120;
const ORIGIN =
  /^([a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*)\/([a-z0-9-]{1,64})\/([1-9][0-9]{0,8})-([0-9a-f]{8})$/;

export interface Origin {
  /** The operator's domain: lowercase DNS labels. */
  readonly domain: string;
  /** Gateway id. */
  readonly gateway: string;
  /** From 1, at most 9 digits. */
  readonly number: number;
  /** First 8 hex digits of SHA-256(log public key). */
  readonly tag: string;
}

export function formatOrigin(o: Origin): string {
  const text = `${o.domain}/${o.gateway}/${o.number}-${o.tag}`;
  assert(parseOrigin(text).ok, `no origin: ${text}`);
  return text;
}

export function parseOrigin(text: string): Result<Origin, 'origin'> {
  const match = text.length <= ORIGIN_BYTES_MAX ? ORIGIN.exec(text) : null;
  const [, domain = '', gateway = '', numberText = '', tag = ''] = match ?? [];
  if (match === null) {
    return refuse(
      'origin',
      `expected <domain>/<gateway id>/<number>-<8 hex digits> of at most ${ORIGIN_BYTES_MAX} bytes`,
    );
  }
  return accept({ domain, gateway, number: Number(numberText), tag });
}

/** Whether a log's name may begin with it: lowercase DNS labels, short enough for the shortest gateway id. */
export function isOperatorDomain(text: string): boolean {
  const origin = parseOrigin(`${text}/g/1-00000000`);
  return origin.ok && origin.value.domain === text;
}

/** The tag of a log key: first 8 lowercase hex digits of SHA-256(public key). */
export function tagOf(crypto: EvidenceCrypto, publicKey: Uint8Array): string {
  return hex(crypto.sha256(publicKey).subarray(0, 4));
}

export function originFor(
  crypto: EvidenceCrypto,
  domain: string,
  gateway: string,
  number: number,
  publicKey: Uint8Array,
): string {
  return formatOrigin({ domain, gateway, number, tag: tagOf(crypto, publicKey) });
}
