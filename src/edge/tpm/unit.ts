/** One unit of work: sends commands in its session, repeats what the TPM asks to repeat, and knows what it holds. */

import { sleep } from '../../base/abort.ts';
import { assert } from '../../base/assert.ts';
import { Backoff } from '../../base/backoff.ts';
import type { Scheduler } from '../../base/clock.ts';
import { LatchkeyError } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import type { Result } from '../../base/result.ts';
import { handleType, TPM_HT } from '../../tpm2/algorithms.ts';
import type { TpmCrypto } from '../../tpm2/crypto.ts';
import { decodeResponseCode } from '../../tpm2/response-code.ts';
import { TpmReader, TpmWriter } from '../../tpm2/wire.ts';
import { COMMANDS } from './command-table.ts';
import { type TamperReason, TpmRefusedError, TpmTamperedError } from './errors.ts';
import { ProtectedCall, type TpmAnswer, type TpmCall } from './protected-call.ts';
import type { Secret } from './secret.ts';
import type { TpmSession } from './session.ts';
import type { TpmTransport } from './transport.ts';

export interface TpmTimes {
  readonly ordinaryMs: number;
  readonly slowMs: number;
  /** Waits before a command is sent again, because the TPM asked for it. */
  readonly retryFirstMs: number;
  readonly retryMaxMs: number;
  readonly retriesMax: number;
}

interface UnitSettings {
  readonly transport: TpmTransport;
  readonly crypto: TpmCrypto;
  readonly scheduler: Scheduler;
  readonly times: TpmTimes;
  readonly logger: Logger;
  readonly signal: AbortSignal | undefined;
}

/** What a bare TPM holds, of objects and of sessions. */
const LOADED_MAX = 3;

export class Tpm {
  readonly crypto: TpmCrypto;
  readonly #settings: UnitSettings;
  readonly #objects = new Set<number>();
  readonly #sessions = new Map<number, TpmSession | undefined>();
  #session: TpmSession | undefined;
  /** The connection failed or lied: what the TPM holds is unknown, and no further command goes out. */
  #broken = false;
  #untidy = false;
  #underWay = false;
  #ended = false;

  constructor(settings: UnitSettings) {
    this.crypto = settings.crypto;
    this.#settings = settings;
  }

  /** The session that protects every command of this unit, once there is one (StartAuthSession with `protect`). */
  get session(): TpmSession | undefined {
    return this.#session;
  }

  /** Transient objects and sessions that this unit holds now. */
  get loaded(): { readonly objects: number; readonly sessions: number } {
    return { objects: this.#objects.size, sessions: this.#sessions.size };
  }

  /** After the end: this unit may have left something in the TPM, or found no room in it. */
  get untidy(): boolean {
    return this.#broken || this.#untidy;
  }

  /** From now on this session authorises, encrypts and audits every command of the unit. */
  protectBy(session: TpmSession): void {
    assert(session.type === 'hmac', 'an HMAC session protects a unit of work');
    assert(this.#session === undefined, 'one session protects a unit of work');
    this.#session = session;
  }

  /**
   * Sends one command. Rejects with TpmRefusedError, TpmTamperedError, TPM_UNAVAILABLE, or the signal's reason. The
   * last three end the unit: sessions and objects are lost to it.
   */
  call(call: TpmCall): Promise<TpmAnswer> {
    return this.#call(call, this.#session);
  }

  /** The same without the unit's session, for the first question about a handle whose Name is not known yet. */
  callBare(call: TpmCall): Promise<TpmAnswer> {
    return this.#call(call, undefined);
  }

  /** A secret that goes in as first parameter of the next command is encrypted, or empty. */
  assertEncrypting(secret: Secret): void {
    assert(secret.sizeBytes === 0 || this.#session?.encrypts === true, 'a secret is never sent in clear');
  }

  async #call(call: TpmCall, session: TpmSession | undefined): Promise<TpmAnswer> {
    assert(!this.#ended, 'a unit of work that has ended sends no command');
    if (this.#broken) {
      throw new LatchkeyError('TPM_UNAVAILABLE', `${call.command}: an earlier command of this unit of work failed`);
    }
    const row = COMMANDS[call.command];
    if (row.handle) {
      const held = call.command === 'StartAuthSession' ? this.#sessions.size : this.#objects.size;
      assert(held < LOADED_MAX, `${call.command}: a unit of work holds ${LOADED_MAX} objects and sessions at most`);
    }
    // Nonces roll with each command: two at a time would prove nothing.
    assert(!this.#underWay, `${call.command}: a unit of work sends one command at a time`);
    const wrapped = new ProtectedCall(this.crypto, call, row.sessions ? session : undefined);
    this.#underWay = true;
    const answer = await this.#sendUntilAnswered(call, wrapped, this.#settings.signal).finally(() => {
      this.#underWay = false;
    });
    if (answer.handle !== undefined) this.#adopt(call, answer.handle);
    return answer;
  }

  /** Reads an answer's parameters to their end. A failure to do so ends the unit. */
  read<T>(command: string, parameters: Uint8Array, parse: (reader: TpmReader) => T): T {
    const reader = new TpmReader(parameters);
    const value = parse(reader);
    if (!reader.ended) this.distrust('response_fields', `the answer to ${command} does not have the expected fields`);
    return value;
  }

  /** The value of a parsed part of an answer. */
  accepted<T>(command: string, result: Result<T>): T {
    if (!result.ok) this.distrust('response_fields', `the answer to ${command}: ${result.detail} (${result.reason})`);
    return result.value;
  }

  /** Ends the unit: an answer was sound, and yet not what the TPM that was enrolled would say. */
  distrust(reason: TamperReason, message: string): never {
    this.#break();
    throw new TpmTamperedError(reason, message);
  }

  /** A session that StartAuthSession made. */
  holdSession(session: TpmSession): void {
    this.#sessions.set(session.handle, session);
  }

  /** FlushContext, for an object or a session of this unit. */
  async flush(handle: number): Promise<void> {
    await this.call({ command: 'FlushContext', parameters: new TpmWriter().u32(handle).bytes() });
    this.#forget(handle);
  }

  /** Flushes what is left. Never rejects: what remains is cleared up by the next unit. */
  async end(): Promise<void> {
    for (const handle of [...this.#objects, ...this.#sessions.keys()]) {
      if (this.#broken) break;
      const flush = { command: 'FlushContext', parameters: new TpmWriter().u32(handle).bytes() } as const;
      try {
        // Without the unit's signal: work that was aborted is cleared up all the same.
        await this.#sendUntilAnswered(flush, new ProtectedCall(this.crypto, flush, undefined), undefined);
      } catch (error) {
        // The TPM was reset under us and holds nothing, or the handle that we were given was a lie.
        this.#untidy = true;
        if (error instanceof TpmRefusedError) continue;
        this.#settings.logger.warn({ err: error }, 'a unit of work could not flush what it held');
      }
    }
    for (const handle of [...this.#objects, ...this.#sessions.keys()]) this.#forget(handle);
    // The kernel's resource manager flushes what a connection held; elsewhere the next unit does.
    if (this.untidy) this.#settings.transport.reset();
    this.#ended = true;
  }

  #adopt(call: TpmCall, handle: number): void {
    const type = handleType(handle);
    if (call.command === 'StartAuthSession') {
      if (type !== TPM_HT.HMAC_SESSION && type !== TPM_HT.POLICY_SESSION) {
        this.distrust('response_handle', `StartAuthSession gave 0x${handle.toString(16)}, which is no session`);
      }
      if (this.#sessions.has(handle)) this.#distrustTwice(call, handle);
      this.#sessions.set(handle, undefined);
      return;
    }
    if (type !== TPM_HT.TRANSIENT) {
      this.distrust('response_handle', `${call.command} gave 0x${handle.toString(16)}, which is no transient object`);
    }
    if (this.#objects.has(handle)) this.#distrustTwice(call, handle);
    this.#objects.add(handle);
  }

  #distrustTwice(call: TpmCall, handle: number): never {
    this.distrust('response_handle', `${call.command} gave 0x${handle.toString(16)}, which this unit holds already`);
  }

  #forget(handle: number): void {
    this.#objects.delete(handle);
    const session = this.#sessions.get(handle);
    session?.end();
    this.#sessions.delete(handle);
    if (session !== undefined && session === this.#session) this.#session = undefined;
  }

  #break(): void {
    this.#broken = true;
    this.#settings.transport.reset();
  }

  async #sendUntilAnswered(call: TpmCall, wrapped: ProtectedCall, signal?: AbortSignal): Promise<TpmAnswer> {
    const { times, scheduler, logger } = this.#settings;
    const backoff = new Backoff({ firstMs: times.retryFirstMs, maxMs: times.retryMaxMs });
    for (let tries = 0; ; tries += 1) {
      const answer = await this.#sendOnce(call, wrapped, signal);
      if (!('code' in answer)) return answer;
      const rc = decodeResponseCode(answer.code);
      if (rc.remedy === 'resource') this.#untidy = true;
      if (rc.remedy !== 'retry' || tries === times.retriesMax) throw new TpmRefusedError(call.command, rc);
      // Nonces do not roll on such an answer, so the very same bytes may go again.
      const waitMs = backoff.nextMs();
      logger.debug({ command: call.command, rc: rc.name, wait_ms: waitMs }, 'the TPM asks to repeat a command');
      await sleep(scheduler, waitMs, signal);
    }
  }

  async #sendOnce(call: TpmCall, wrapped: ProtectedCall, signal?: AbortSignal) {
    const { transport, times } = this.#settings;
    const timeoutMs = COMMANDS[call.command].slow ? times.slowMs : times.ordinaryMs;
    let response: Uint8Array;
    try {
      response = await transport.send(wrapped.bytes, signal === undefined ? { timeoutMs } : { timeoutMs, signal });
    } catch (error) {
      this.#broken = true;
      throw error;
    }
    const opened = wrapped.open(response);
    if (!opened.ok) this.distrust(opened.reason, `the answer to ${call.command}: ${opened.detail}`);
    return opened.value;
  }
}
