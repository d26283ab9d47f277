/**
 * One small JSON question to an HTTP service, and its answer: TLS off loopback, limits on time and size, no redirects.
 * What is sent (a token, a key) stands in no error.
 */
import { request as httpRequest, type IncomingMessage, type RequestOptions } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { within } from '../../base/abort.ts';
import { concatBytes } from '../../base/bytes.ts';
import { LatchkeyError, messageOf } from '../../base/errors.ts';
import { isLoopback } from './settings.ts';
import { onUnanswered } from './unanswered.ts';

export interface HttpService {
  /** `https://enrolment.lockers.example`, with a path if the service stands below one. */
  readonly url: string;
  /** PEM of the authorities that are believed, in place of the system's. */
  readonly ca?: string;
  readonly timeoutMs?: number;
}

export interface HttpQuestion {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
  readonly signal?: AbortSignal;
}

export interface HttpAnswer {
  readonly status: number;
  readonly body: Uint8Array;
}

const TIMEOUT_MS = 30_000;
const BODY_BYTES_MAX = 262_144;
const HEADER_BYTES_MAX = 8_192;

/** Throws USAGE for what is no address of a service, or one without TLS that is not this machine's own. */
export function serviceUrl(text: string): URL {
  const refuse = (found: string): LatchkeyError =>
    new LatchkeyError('USAGE', `address of the service: expected https://HOST[:PORT]; found ${found}`);
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || (url.protocol !== 'https:' && url.protocol !== 'http:')) throw refuse('no such address');
  if (url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '') {
    throw refuse('a user, a question or a fragment in it');
  }
  if (url.protocol === 'http:' && !isLoopback(hostOf(url))) {
    throw refuse('http, which is only for a loopback address such as 127.0.0.1');
  }
  return url;
}

/** Rejects with SERVICE_UNREACHABLE, TIMED_OUT, or the signal's reason; every status is an answer. */
export function askHttp(service: HttpService, question: HttpQuestion): Promise<HttpAnswer> {
  const url = serviceUrl(service.url);
  const { timeoutMs = TIMEOUT_MS } = service;
  const limit = AbortSignal.timeout(timeoutMs);
  const signal = question.signal === undefined ? limit : within(limit, question.signal);
  const { body = new Uint8Array(0) } = question;
  const options: RequestOptions & { readonly ca?: string } = {
    host: hostOf(url),
    port: url.port === '' ? (url.protocol === 'https:' ? 443 : 80) : Number(url.port),
    path: `${url.pathname.replace(/\/$/, '')}${question.path}`,
    method: question.method,
    headers: { accept: 'application/json', 'content-length': body.length, ...question.headers },
    agent: false,
    maxHeaderSize: HEADER_BYTES_MAX,
    signal,
    ...(service.ca !== undefined && { ca: service.ca }),
  };
  return new Promise((resolve, reject) => {
    const failed = (error: unknown): void => {
      if (question.signal?.aborted === true) reject(question.signal.reason);
      else if (limit.aborted) {
        reject(
          new LatchkeyError('TIMED_OUT', `expected an answer of ${url.origin} within ${timeoutMs} ms; found none`),
        );
      } else reject(unreachable(url, error));
    };
    const take = (response: IncomingMessage): void => {
      readAll(response).then((read) => resolve({ status: response.statusCode ?? 0, body: read }), failed);
    };
    const request = url.protocol === 'https:' ? httpsRequest(options, take) : httpRequest(options, take);
    request.on('error', failed);
    onUnanswered(request, failed);
    request.end(body);
  });
}

async function readAll(response: IncomingMessage): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let sizeBytes = 0;
  for await (const chunk of response) {
    const bytes = new Uint8Array(chunk as Buffer);
    sizeBytes += bytes.length;
    if (sizeBytes > BODY_BYTES_MAX) throw new Error(`an answer of more than ${BODY_BYTES_MAX} bytes`);
    chunks.push(bytes);
  }
  return concatBytes(...chunks);
}

/** An IPv6 address without its brackets. */
function hostOf(url: URL): string {
  return url.hostname.replace(/^\[(.*)\]$/, '$1');
}

function unreachable(url: URL, cause: unknown): LatchkeyError {
  const message = `expected an answer of ${url.origin}; found: ${messageOf(cause)}`;
  return new LatchkeyError('SERVICE_UNREACHABLE', message, { cause });
}
