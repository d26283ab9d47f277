/**
 * Posts checkpoints to one witness (C2SP tlog-witness), over connections that stay open. It goes nowhere but to the address
 * of the settings: a redirect is an answer like any other that is not 200. Time and the size of an answer are bounded.
 */
import { readFile } from 'node:fs/promises';
import { Agent as HttpAgent, request as httpRequest, type IncomingMessage, type RequestOptions } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { within } from '../../base/abort.ts';
import { messageOf } from '../../base/errors.ts';
import { onUnanswered } from '../../platform/http/unanswered.ts';
import { ANSWER_BYTES_MAX, type HttpAnswer } from './add-checkpoint.ts';
import type { WitnessSettings } from './settings.ts';

/** No answer: what it would have been is unknown, and nothing was learnt of the log. */
export interface NoAnswer {
  readonly failed: 'timeout' | 'unreachable' | 'too_large';
  readonly detail: string;
}

export interface WitnessLink {
  /** Rejects with the signal's reason when it fires, and in no other way. */
  addCheckpoint(body: Uint8Array, signal: AbortSignal): Promise<HttpAnswer | NoAnswer>;
  close(): void;
}

const RETRY_AFTER_MAX_MS = 3_600_000;

export class WitnessClient implements WitnessLink {
  readonly #settings: WitnessSettings;
  readonly #isSecure: boolean;
  readonly #agent: HttpAgent | HttpsAgent;

  constructor(settings: WitnessSettings) {
    this.#settings = settings;
    this.#isSecure = settings.url.startsWith('https:');
    // "Clients SHOULD use [...] HTTP keep-alive."
    const options = { keepAlive: true, maxSockets: settings.at_once, maxFreeSockets: settings.at_once };
    this.#agent = this.#isSecure ? new HttpsAgent(options) : new HttpAgent(options);
  }

  async addCheckpoint(body: Uint8Array, signal: AbortSignal): Promise<HttpAnswer | NoAnswer> {
    const { timeout_s, ca_file } = this.#settings;
    const limit = within(timeout_s * 1_000, signal);
    try {
      signal.throwIfAborted();
      // Read each time: a certificate authority is changed without a restart.
      const ca = ca_file === undefined ? undefined : await readFile(ca_file);
      const response = await this.#post(body, limit, ca);
      return await answerOf(response);
    } catch (error) {
      signal.throwIfAborted();
      if (limit.aborted) return { failed: 'timeout', detail: `no answer within ${timeout_s} s` };
      return { failed: 'unreachable', detail: messageOf(error) };
    }
  }

  close(): void {
    this.#agent.destroy();
  }

  #post(body: Uint8Array, signal: AbortSignal, ca: Uint8Array | undefined): Promise<IncomingMessage> {
    const { url } = this.#settings;
    const send = this.#isSecure ? httpsRequest : httpRequest;
    const options: RequestOptions & { readonly ca?: Uint8Array } = {
      method: 'POST',
      agent: this.#agent,
      signal,
      headers: { 'content-type': 'text/plain; charset=utf-8', 'content-length': body.length, 'user-agent': 'latchkey' },
      ...(ca !== undefined && { ca }),
    };
    return new Promise((resolve, reject) => {
      const request = send(`${url}/add-checkpoint`, options as RequestOptions);
      // Also after the answer began: a connection that breaks then is the answer's to report.
      request.on('error', reject);
      onUnanswered(request, reject);
      request.once('response', resolve);
      request.end(body);
    });
  }
}

/** To its end, and no more of it than the limit. */
async function answerOf(response: IncomingMessage): Promise<HttpAnswer | NoAnswer> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response) {
    size += (chunk as Uint8Array).length;
    // Leaving the loop ends the connection.
    if (size > ANSWER_BYTES_MAX)
      return { failed: 'too_large', detail: `an answer of more than ${ANSWER_BYTES_MAX} bytes` };
    chunks.push(chunk as Uint8Array);
  }
  const afterMs = Number(response.headers['retry-after']) * 1_000;
  return {
    status: response.statusCode ?? 0,
    contentType: response.headers['content-type'],
    body: new Uint8Array(Buffer.concat(chunks)),
    ...(Number.isFinite(afterMs) && afterMs > 0 && { retryAfterMs: Math.min(afterMs, RETRY_AFTER_MAX_MS) }),
  };
}
