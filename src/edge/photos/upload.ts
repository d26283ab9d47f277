/**
 * Sends a photo to an address that the operator allowed: one PUT over TLS that is checked, no redirects, bounded in time.
 */
import { request } from 'node:https';
import { within } from '../../base/abort.ts';
import { LatchkeyError, messageOf } from '../../base/errors.ts';
import { onUnanswered } from '../../platform/http/unanswered.ts';
import type { Photo } from '../contracts/photos.ts';

const TIMEOUT_MS = 30_000;
const HEADER_BYTES_MAX = 8_192;

/** What a command names must be an https address below one of those of the settings, to the letter. */
export function isAllowedUpload(target: string, bases: readonly string[]): boolean {
  if (!URL.canParse(target)) return false;
  const url = new URL(target);
  // Another spelling of the same address (dots, percent signs, a user) is no address that was allowed.
  if (url.href !== target || url.hash !== '' || url.username !== '' || url.password !== '') return false;
  return bases.some((base) => target.startsWith(base) && target.length > base.length);
}

export interface Upload {
  readonly target: string;
  readonly photo: Photo;
  /** PEM, in place of the system's authorities. */
  readonly ca?: string;
  readonly signal: AbortSignal;
}

/** The status of the answer. Rejects with SERVICE_UNREACHABLE, TIMED_OUT, or the signal's reason. */
export function uploadPhoto({ target, photo, ca, signal }: Upload): Promise<number> {
  const url = new URL(target);
  const limit = AbortSignal.timeout(TIMEOUT_MS);
  const options = {
    method: 'PUT',
    host: url.hostname.replace(/^\[(.*)\]$/, '$1'),
    port: url.port === '' ? 443 : Number(url.port),
    path: `${url.pathname}${url.search}`,
    headers: { 'content-type': photo.mediaType, 'content-length': photo.bytes.length },
    agent: false as const,
    maxHeaderSize: HEADER_BYTES_MAX,
    signal: within(limit, signal),
    ...(ca !== undefined && { ca }),
  };
  return new Promise((resolve, reject) => {
    const failed = (error: unknown): void => {
      if (signal.aborted) reject(signal.reason);
      else if (limit.aborted) reject(new LatchkeyError('TIMED_OUT', `${url.origin} took longer than ${TIMEOUT_MS} ms`));
      else reject(new LatchkeyError('SERVICE_UNREACHABLE', `${url.origin}: ${messageOf(error)}`, { cause: error }));
    };
    const sent = request(options, (response) => {
      // What it says beside its status is of no use here.
      response.destroy();
      resolve(response.statusCode ?? 0);
    });
    sent.on('error', failed);
    onUnanswered(sent, failed);
    sent.end(photo.bytes);
  });
}
