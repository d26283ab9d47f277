/** One image over HTTP: within a time, up to a size, from where the settings say and from nowhere else. */
import { lookup } from 'node:dns';
import { request as httpRequest, type IncomingMessage, type RequestOptions } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { LookupFunction } from 'node:net';
import { within } from '../../../base/abort.ts';
import { concatBytes } from '../../../base/bytes.ts';
import { messageOf } from '../../../base/errors.ts';
import { accept, type Result, refuse } from '../../../base/result.ts';
import { onUnanswered } from '../../../platform/http/unanswered.ts';
import { isLanAddress } from './lan.ts';

const HEADER_BYTES_MAX = 8_192;

export interface ImageQuestion {
  readonly url: string;
  readonly timeoutMs: number;
  readonly sizeMaxBytes: number;
  readonly beyondLan: boolean;
  readonly ca?: string;
  readonly authorization?: string;
  readonly signal: AbortSignal;
}

/** Never rejects. `status`: another answer than 200; a redirect is one, and is not followed. */
export function getImage(
  question: ImageQuestion,
): Promise<Result<Uint8Array, 'unreachable' | 'status' | 'too_long' | 'timeout' | 'cut'>> {
  const url = new URL(question.url);
  const limit = AbortSignal.timeout(question.timeoutMs);
  const options: RequestOptions & { ca?: string } = {
    host: url.hostname.replace(/^\[(.*)\]$/, '$1'),
    port: url.port === '' ? (url.protocol === 'https:' ? 443 : 80) : Number(url.port),
    path: `${url.pathname}${url.search}`,
    headers: { accept: 'image/jpeg, image/png, image/webp' },
    agent: false,
    maxHeaderSize: HEADER_BYTES_MAX,
    signal: within(limit, question.signal),
    ...(question.beyondLan ? {} : { lookup: lanLookup }),
    ...(question.ca === undefined ? {} : { ca: question.ca }),
  };
  if (question.authorization !== undefined) {
    options.headers = { ...options.headers, authorization: question.authorization };
  }
  return new Promise((resolve) => {
    const failed = (error: unknown): void => {
      const isLate = limit.aborted && !question.signal.aborted;
      resolve(
        isLate
          ? refuse('timeout', `expected an image within ${question.timeoutMs} ms`)
          : refuse('unreachable', messageOf(error)),
      );
    };
    const take = (response: IncomingMessage): void => {
      if (response.statusCode !== 200) {
        response.destroy();
        resolve(refuse('status', `expected status 200, found ${response.statusCode}`));
        return;
      }
      readBounded(response, question.sizeMaxBytes).then(resolve, failed);
    };
    const asked = url.protocol === 'https:' ? httpsRequest(options, take) : httpRequest(options, take);
    asked.on('error', failed);
    onUnanswered(asked, failed);
    asked.end();
  });
}

async function readBounded(
  response: IncomingMessage,
  sizeMaxBytes: number,
): Promise<Result<Uint8Array, 'too_long' | 'cut'>> {
  const chunks: Uint8Array[] = [];
  let sizeBytes = 0;
  for await (const chunk of response) {
    sizeBytes += (chunk as Buffer).length;
    if (sizeBytes > sizeMaxBytes) {
      response.destroy();
      return refuse('too_long', `expected at most ${sizeMaxBytes} bytes`);
    }
    chunks.push(chunk as Buffer);
  }
  if (!response.complete) return refuse('cut', `the answer ended after ${sizeBytes} bytes`);
  return accept(concatBytes(...chunks));
}

/** A name that stands for an address outside of the local networks is not asked, whatever its owner changed it to. */
const lanLookup: LookupFunction = (host, options, done) => {
  lookup(host, options, (error, address, family) => {
    const all = error !== null ? [] : Array.isArray(address) ? address.map((each) => each.address) : [address];
    const strange = all.find((one) => isLanAddress(one) !== true);
    if (strange === undefined) done(error, address, family);
    else done(new Error(`${host} is ${strange}, which is no local address`), [], 0);
  });
};
