/**
 * Sends commands as signed webhooks (Standard Webhooks) to the endpoints of the settings, and to nowhere else: nothing in a
 * message says where it goes, and a redirect is an answer like any other that is not 2xx.
 *
 * Time and the size of an answer are bounded. An answer is read for its status alone.
 */
import { readFile } from 'node:fs/promises';
import { request as httpRequest, type IncomingMessage, type RequestOptions } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { within } from '../../base/abort.ts';
import type { Clock } from '../../base/clock.ts';
import { messageOf } from '../../base/errors.ts';
import { onUnanswered } from '../../platform/http/unanswered.ts';
import type { Action } from './actions.ts';
import type { ActionSink, Delivery } from './outbox-worker.ts';
import { readWebhookSecret, signWebhook } from './webhook-secrets.ts';
import type { Endpoint } from './webhook-settings.ts';

const ANSWER_BYTES_MAX = 64 * 1_024;
const RETRY_AFTER_MAX_MS = 3_600_000;

export interface WebhookSinkParts {
  readonly endpoints: readonly Endpoint[];
  readonly clock: Clock;
}

export class WebhookSink implements ActionSink {
  readonly actions: readonly Action[];
  readonly places: readonly (readonly Action[])[];
  readonly #parts: WebhookSinkParts;

  constructor(parts: WebhookSinkParts) {
    this.#parts = parts;
    this.places = parts.endpoints.map(({ actions }) => actions);
    this.actions = this.places.flat();
  }

  /** Reads every secret once, so that a start finds what would fail later. Rejects with KEY_PERMISSIONS or KEY_LOST. */
  async check(): Promise<void> {
    for (const { secret_files } of this.#parts.endpoints) await Promise.all(secret_files.map(readWebhookSecret));
  }

  async deliver(
    { key, action, body }: { readonly key: string; readonly action: Action; readonly body: string },
    signal: AbortSignal,
  ): Promise<Delivery> {
    const endpoint = this.#parts.endpoints.find(({ actions }) => actions.includes(action));
    if (endpoint === undefined) return { taken: false, said: `no endpoint takes ${action}` };
    const limit = within(endpoint.timeout_s * 1_000, signal);
    try {
      signal.throwIfAborted();
      // Read each time: a secret is changed without a restart.
      const signers = await Promise.all(endpoint.secret_files.map(readWebhookSecret));
      const headers = signWebhook(signers, key, Math.floor(this.#parts.clock.wallMs() / 1_000), body);
      const ca = endpoint.ca_file === undefined ? undefined : await readFile(endpoint.ca_file);
      return await post(endpoint, body, limit, {
        ...(ca !== undefined && { ca }),
        headers: {
          ...headers,
          'idempotency-key': key,
          'content-type': 'application/json',
          'content-length': Buffer.byteLength(body),
          'user-agent': 'latchkey',
        },
      });
    } catch (error) {
      signal.throwIfAborted();
      return {
        taken: false,
        said: `${endpoint.name}: ${limit.aborted ? 'no answer in time' : messageOf(error)}`,
      };
    }
  }
}

function post(
  endpoint: Endpoint,
  body: string,
  signal: AbortSignal,
  options: RequestOptions & { readonly ca?: Uint8Array },
): Promise<Delivery> {
  const { url, name } = endpoint;
  const send = url.startsWith('https:') ? httpsRequest : httpRequest;
  return new Promise((resolve, reject) => {
    const request = send(url, { ...options, method: 'POST', signal, agent: false } as RequestOptions);
    request.once('error', reject);
    onUnanswered(request, reject);
    request.once('response', (response: IncomingMessage) => {
      answerOf(response, name).then(resolve, reject);
    });
    request.end(body);
  });
}

/** Waits for the end of the answer, and for no more of it than the limit; of one that says 2xx, for what may come. */
async function answerOf(response: IncomingMessage, name: string): Promise<Delivery> {
  const status = response.statusCode ?? 0;
  const taken = status >= 200 && status < 300;
  try {
    let size = 0;
    for await (const chunk of response) {
      size += (chunk as Uint8Array).length;
      if (size > ANSWER_BYTES_MAX) break;
    }
  } catch (error) {
    if (!taken) throw error;
  }
  const said = `${name}: HTTP ${status}`;
  if (taken) return { taken, said };
  const afterMs = Number(response.headers['retry-after']) * 1_000;
  if (!Number.isFinite(afterMs) || afterMs <= 0) return { taken, said };
  return { taken, said, retryAfterMs: Math.min(afterMs, RETRY_AFTER_MAX_MS) };
}
