/**
 * Sends one command to one gateway and waits for its signed reply.
 *
 * What a command must name of the gateway (its open log, its start, its time) is asked of the gateway itself: a command
 * for a start that never was is refused by every gateway, and the refusal is signed and says all three. The same bytes are
 * published again until the reply comes, since an id counts once.
 */
import { randomBytes } from 'node:crypto';
import { sleep } from '../../base/abort.ts';
import { base64url } from '../../base/bytes.ts';
import type { Scheduler } from '../../base/clock.ts';
import { LatchkeyError } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import { MemoryMetrics } from '../../base/metrics.ts';
import type { EvidenceCrypto } from '../../evidence/crypto.ts';
import type { Actor, JsonObject } from '../../evidence/event/event.ts';
import type { TrustPolicy } from '../../evidence/verify/policy.ts';
import type { Command, Reply } from '../../evidence/wire/command.ts';
import { gatewayRoot } from '../../evidence/wire/topics.ts';
import { createMqttConnection } from '../../platform/mqtt/client.ts';
import type { MqttConnection } from '../../platform/mqtt/connection.ts';
import type { CommandKey, SignedCommand } from './command-key.ts';
import { ReplyTrust } from './replies.ts';
import type { CommandSettings } from './settings.ts';

const AGAIN_EVERY_MS = 3_000;
/** Between the retained statements and the first command. */
const SETTLE_MS = 300;
const NO_START = base64url(new Uint8Array(16));

export interface CommandRequest {
  readonly gateway: string;
  readonly verb: string;
  readonly args: JsonObject;
  readonly by: Actor;
}

export interface SenderParts {
  readonly settings: CommandSettings;
  readonly key: CommandKey;
  readonly policy: TrustPolicy;
  readonly crypto: EvidenceCrypto;
  readonly scheduler: Scheduler;
  readonly logger: Logger;
}

/**
 * The gateway's answer, whatever it is. Rejects with TIMED_OUT when none came: the command may have been carried out, and
 * the log says whether; with CONFIG_INVALID when the policy names no log of the gateway; and with the signal's reason.
 */
export async function sendCommand(parts: SenderParts, request: CommandRequest, signal: AbortSignal): Promise<Reply> {
  const { settings, crypto, scheduler, logger, policy } = parts;
  const trust = new ReplyTrust(crypto, policy, request.gateway);
  const [known] = trust.vkeys();
  if (known === undefined) {
    const message = `expected a log of ${request.gateway} in the policy ${settings.policy}, found none`;
    throw new LatchkeyError('CONFIG_INVALID', message);
  }
  const connection = createMqttConnection({
    settings: settings.mqtt,
    clientId: `command-${base64url(Uint8Array.from(randomBytes(9)))}`,
    scheduler,
    logger,
    metrics: new MemoryMetrics(),
  });
  const exchange = new Exchange(parts, trust, connection, request.gateway);
  try {
    await exchange.open(signal);
    return await exchange.run(request, known.name, signal);
  } finally {
    await connection.close();
  }
}

class Exchange {
  readonly #parts: SenderParts;
  readonly #trust: ReplyTrust;
  readonly #connection: MqttConnection;
  readonly #root: string;
  #taking: ((message: Uint8Array) => void) | undefined;

  constructor(parts: SenderParts, trust: ReplyTrust, connection: MqttConnection, gateway: string) {
    this.#parts = parts;
    this.#trust = trust;
    this.#connection = connection;
    this.#root = gatewayRoot(parts.crypto, parts.settings.prefix, gateway);
  }

  /** Resolves when replies are heard. */
  async open(signal: AbortSignal): Promise<void> {
    const { scheduler, settings } = this.#parts;
    await new Promise<void>((resolve, reject) => {
      const limit = scheduler.after(settings.reply_wait_s * 1_000, () =>
        reject(new LatchkeyError('BROKER_UNREACHABLE', `no connection to ${settings.mqtt.url}`)),
      );
      signal.addEventListener('abort', () => reject(signal.reason), { once: true });
      this.#connection.start({
        connected: () => {
          this.#connection.subscribe([`${this.#root}/reply`, `${this.#root}/enrolment`]).then(() => {
            limit.cancel();
            resolve();
          }, reject);
        },
        lost: () => undefined,
        message: (topic, payload) => {
          if (topic === `${this.#root}/enrolment`) this.#trust.enrolment(payload);
          else this.#taking?.(payload);
        },
      });
    });
    // What is retained comes after the SUBACK.
    await sleep(scheduler, SETTLE_MS, signal);
  }

  async run(request: CommandRequest, log: string, signal: AbortSignal): Promise<Reply> {
    let here = await this.#ask(request, { log, start: NO_START, up_ms: 0 }, 0, signal);
    const validMs = this.#parts.settings.valid_s * 1_000;
    let reply = await this.#ask(request, here, validMs, signal);
    // It began a start or a log in between: what it refused for that it has not done.
    if (reply.outcome === 'refused' && ['start', 'log'].includes(reply.result)) {
      here = reply;
      reply = await this.#ask(request, here, validMs, signal);
    }
    return reply;
  }

  /** Publishes one command until its reply came. */
  async #ask(
    request: CommandRequest,
    here: Pick<Reply, 'log' | 'start' | 'up_ms'>,
    validMs: number,
    signal: AbortSignal,
  ): Promise<Reply> {
    const command: Command = {
      ...request,
      log: here.log,
      start: here.start,
      id: base64url(Uint8Array.from(randomBytes(16))),
      until_up_ms: here.up_ms + validMs,
    };
    const signed = this.#parts.key.sign(command);
    const { scheduler, settings } = this.#parts;
    const ended = new AbortController();
    const either = AbortSignal.any([ended.signal, signal]);
    try {
      return await new Promise<Reply>((resolve, reject) => {
        const waitMs = settings.reply_wait_s * 1_000;
        const timer = scheduler.after(waitMs, () => reject(noReply(request.gateway, settings.reply_wait_s)));
        either.addEventListener('abort', () => timer.cancel(), { once: true });
        signal.addEventListener('abort', () => reject(signal.reason), { once: true });
        this.#taking = (message) => {
          const reply = this.#trust.replyTo(message, command.id, signed.hash);
          if (reply !== undefined) resolve(reply);
        };
        void this.#publish(signed, either).catch((error: unknown) => {
          if (!either.aborted) reject(error);
        });
      });
    } finally {
      this.#taking = undefined;
      ended.abort(new LatchkeyError('TIMED_OUT', 'answered'));
    }
  }

  async #publish({ bytes, command }: SignedCommand, signal: AbortSignal): Promise<void> {
    const { scheduler, logger } = this.#parts;
    for (;;) {
      const code = await this.#connection
        .publish(`${this.#root}/command`, bytes, { signal })
        .catch((error: unknown) => {
          signal.throwIfAborted();
          if (!(error instanceof LatchkeyError)) throw error;
          return undefined;
        });
      if (code !== undefined && code >= 128) {
        throw new LatchkeyError('BROKER_REFUSED', `the broker refused the command (${code})`);
      }
      if (code === 16) logger.warn({ gateway: command.gateway }, 'nobody listens to commands there now');
      await sleep(scheduler, AGAIN_EVERY_MS, signal);
    }
  }
}

function noReply(gateway: string, waitS: number): LatchkeyError {
  const message = `no believed reply of ${gateway} within ${waitS} s: the command may have been carried out, its log says so`;
  return new LatchkeyError('TIMED_OUT', message);
}
