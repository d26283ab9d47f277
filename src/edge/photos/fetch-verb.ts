/**
 * The signed command `fetch`: a photo leaves the box to an address that the operator allowed, and no other way.
 *
 * Its arguments are the photo's SHA-256 and the address. Nothing of the image stands in the reply or crosses the broker.
 */
import { unbase64url } from '../../base/bytes.ts';
import { accept, refuse } from '../../base/result.ts';
import type { Verb, VerbAnswer } from '../contracts/verb.ts';
import type { PhotoStore } from './photo-store.ts';
import { isAllowedUpload, uploadPhoto } from './upload.ts';

const TARGET_LENGTH_MAX = 1_024;
const SHA256_BYTES = 32;

export interface FetchParts {
  readonly store: Pick<PhotoStore, 'read'>;
  readonly allowed: readonly string[];
  readonly ca?: string;
  /** Monotonic milliseconds, for how long it took. */
  readonly nowMs: () => number;
}

export function fetchVerb(parts: FetchParts): Verb {
  return {
    check: (args) => {
      const { sha256, to } = args;
      const isWhole = Object.keys(args).length === 2 && typeof sha256 === 'string' && typeof to === 'string';
      if (!isWhole || unbase64url(sha256)?.length !== SHA256_BYTES || to.length > TARGET_LENGTH_MAX) {
        return refuse('args', 'expected sha256 (32 bytes in base64url) and to (an https address)');
      }
      return accept(args);
    },
    run: async ({ args }, signal) => {
      const target = String(args['to']);
      const sha256 = unbase64url(String(args['sha256'])) ?? new Uint8Array(0);
      return await send(parts, sha256, target, signal);
    },
  };
}

async function send(parts: FetchParts, sha256: Uint8Array, target: string, signal: AbortSignal): Promise<VerbAnswer> {
  if (!isAllowedUpload(target, parts.allowed)) return { outcome: 'refused', result: 'not_allowed' };
  const found = await parts.store.read(sha256);
  if (!found.ok) return { outcome: 'refused', result: `photo_${found.reason}` };
  const beganMs = parts.nowMs();
  const { ca } = parts;
  const status = await uploadPhoto({ target, photo: found.value, signal, ...(ca !== undefined && { ca }) });
  const tookMs = Math.round(parts.nowMs() - beganMs);
  // A redirect is an answer like any other that is not "stored": nothing is sent anywhere else.
  if (status < 200 || status > 299) return { outcome: 'refused', result: 'upload_refused', tookMs, data: { status } };
  const { mediaType, bytes } = found.value;
  return { outcome: 'executed', result: 'sent', tookMs, data: { media_type: mediaType, size_bytes: bytes.length } };
}
