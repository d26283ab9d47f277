/**
 * Signed commands: takes messages as they come, carries out those that are to be carried out, each once, and answers.
 *
 * The order is the promise: `command.received`, which stores the id, is durable before anything is done, and a reply
 * leaves only when its entry is durable. The room knows verbs by their contract alone.
 */
import { within } from '../../base/abort.ts';
import type { Scheduler } from '../../base/clock.ts';
import { explain, LatchkeyError } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import type { Metrics } from '../../base/metrics.ts';
import type { EvidenceCrypto } from '../../evidence/crypto.ts';
import type { Json } from '../../evidence/event/event.ts';
import { type Command, commandHash, replyEnvelope, replyPayload } from '../../evidence/wire/command.ts';
import { ENVELOPE_BYTES_MAX, envelopeBytes } from '../../evidence/wire/envelope.ts';
import type { Appender, EntryRef } from '../contracts/appender.ts';
import type { Observer } from '../contracts/observed.ts';
import type { ReplySigner } from '../contracts/signer.ts';
import type { VerbAnswer, Verbs } from '../contracts/verb.ts';
import { type Here, type Judgement, judgeCommand } from './judge.ts';
import { RefusalBudget } from './refusals.ts';
import { ReplyBox, type ReplyDraft } from './reply-box.ts';
import type { GrantedKey } from './settings.ts';
import { UsedIds } from './used-ids.ts';
import { idBytes } from './verbs.ts';

/** Of one key: whoever has another one waits for none of them. */
const RUNNING_MAX = 8;
/** A signature costs more to check than to send: what comes faster is not even looked at. */
const LOOKED_AT_MAX = 100;
const LOOKED_AT_WITHIN_MS = 1_000;
const RECORD_LIMIT_MS = 10_000;
/** The one verb that is never refused for want of room: it makes the others stop. */
const ALWAYS = 'stop_pick';

export interface CommandsParts {
  readonly gateway: string;
  /** base64url of the running start. */
  readonly start: string;
  readonly keys: ReadonlyMap<string, GrantedKey>;
  readonly verbs: Verbs;
  readonly crypto: EvidenceCrypto;
  readonly appender: Appender;
  /** Origin of the open log; undefined between two. */
  readonly openLog: () => string | undefined;
  /** Signs with the open log's key. Rejects with a LatchkeyError while it is away. */
  readonly signReply: ReplySigner;
  readonly publishReply: (bytes: Uint8Array) => Promise<boolean>;
  readonly observer: Observer;
  readonly scheduler: Scheduler;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

export interface CommandsStatus {
  readonly keys: number;
  readonly running: number;
  /** Replies that wait for the log key or the broker. */
  readonly waiting: number;
}

export class CommandsRoom {
  readonly #parts: CommandsParts;
  readonly #used: UsedIds;
  readonly #budget: RefusalBudget;
  readonly #replies: ReplyBox;
  readonly #ending = new AbortController();
  readonly #running = new Map<string, number>();
  #lookedAt = 0;
  #lookingSinceMs = Number.NEGATIVE_INFINITY;

  constructor(parts: CommandsParts) {
    this.#parts = parts;
    this.#used = new UsedIds(parts.keys.size);
    this.#budget = new RefusalBudget(parts.scheduler, (counts) => this.#sayCounted(counts));
    this.#replies = new ReplyBox({
      ...parts,
      sign: (draft) => this.#sign(draft),
      publish: (bytes) => parts.publishReply(bytes),
    });
  }

  /** One message from `command`. Never throws for what it holds. */
  take(message: Uint8Array): void {
    const { metrics, crypto, keys, verbs } = this.#parts;
    const here = this.#here();
    if (!this.#mayLook(here.upMs)) {
      metrics.count('commands_taken', 1, { kind: 'flood' });
      this.#budget.count('flood');
      return;
    }
    this.#used.forgetOld(here.upMs);
    const isUsed = (id: string): boolean => this.#used.has(id);
    const judgement: Judgement =
      message.length > ENVELOPE_BYTES_MAX
        ? { kind: 'strange', reason: 'form' }
        : judgeCommand(message, here, { crypto, keys, verbs, isUsed });
    metrics.count('commands_taken', 1, { kind: judgement.kind });
    switch (judgement.kind) {
      case 'strange':
        this.#budget.count(judgement.reason);
        break;
      case 'unreadable':
        this.#refuseUnread(judgement.key, judgement.reason);
        break;
      case 'refused':
        this.#refuse(judgement);
        break;
      case 'accepted':
        void this.#accept(judgement);
        break;
    }
  }

  /** A connection stands. */
  connected(): void {
    this.#replies.wake();
  }

  /** Nothing begins any more; what runs ends as its room ends it. */
  stop(): void {
    this.#ending.abort(new LatchkeyError('TIMED_OUT', 'the gateway stops'));
    this.#budget.stop();
    this.#replies.stop();
  }

  status(): CommandsStatus {
    return {
      keys: this.#parts.keys.size,
      running: [...this.#running.values()].reduce((sum, each) => sum + each, 0),
      waiting: this.#replies.waiting,
    };
  }

  #mayLook(nowMs: number): boolean {
    if (nowMs - this.#lookingSinceMs >= LOOKED_AT_WITHIN_MS) {
      this.#lookingSinceMs = nowMs;
      this.#lookedAt = 0;
    }
    this.#lookedAt += 1;
    return this.#lookedAt <= LOOKED_AT_MAX;
  }

  #here(): Here {
    const { gateway, start, openLog, observer } = this.#parts;
    const { upMs, wallMs, clock } = observer.observe();
    const isTrusted = clock.src === 'ntp' || clock.src === 'gps';
    return { gateway, start, log: openLog(), upMs, ...(isTrusted && { wallMs }) };
  }

  async #accept({ key, command, payload }: Extract<Judgement, { kind: 'accepted' }>): Promise<void> {
    const { appender, observer, logger, verbs, crypto } = this.#parts;
    const { id, verb, by } = command;
    if (this.#ending.signal.aborted) return;
    const isFull = this.#runningOf(key) >= RUNNING_MAX && verb !== ALWAYS;
    const hash = commandHash(crypto, payload);
    const judged = { id, hash, key, untilUpMs: command.until_up_ms };
    // Taken before anything that waits: the same message may come again at once.
    if (isFull || !this.#used.take(judged, this.#here().upMs, verb === ALWAYS)) {
      return this.#refuse({ kind: 'refused', key, command, payload, reason: 'busy' });
    }
    this.#running.set(key, this.#runningOf(key) + 1);
    try {
      const body = { actor: by, data: { id, key, verb }, type: 'command.received' };
      const answer = appender.append({ observed: observer.observe(), body, urgent: true });
      const isDurable = answer === 'queued' && (await this.#flushed());
      logger.info({ verb, id, key, durable: isDurable }, 'a command came');
      const done = isDurable
        ? await this.#run(command, verbs)
        : ({ outcome: 'refused', result: 'recording_stopped' } satisfies VerbAnswer);
      this.#end(command, hash, key, done);
    } finally {
      this.#running.set(key, this.#runningOf(key) - 1);
    }
  }

  #runningOf(key: string): number {
    return this.#running.get(key) ?? 0;
  }

  async #flushed(): Promise<boolean> {
    const signal = within(RECORD_LIMIT_MS, this.#ending.signal);
    try {
      await this.#parts.appender.flush(signal);
      return true;
    } catch (error) {
      this.#parts.logger.warn({ reason: explain(error) }, 'a command could not be recorded: it is not carried out');
      return false;
    }
  }

  async #run(command: Command, verbs: Verbs): Promise<VerbAnswer> {
    const { id, verb: name, args, by: actor, until_up_ms: untilUpMs } = command;
    const verb = verbs[name];
    if (verb === undefined || this.#ending.signal.aborted) return { outcome: 'refused', result: 'stopped' };
    // Writing took its time.
    if (this.#here().upMs > untilUpMs) return { outcome: 'refused', result: 'expired' };
    try {
      return await verb.run({ id: idBytes(id), args, actor, untilUpMs }, this.#ending.signal);
    } catch (error) {
      if (!(error instanceof LatchkeyError)) throw error;
      this.#parts.logger.error({ verb: name, reason: explain(error) }, 'a command failed');
      return { outcome: 'refused', result: 'failed', reason: error.code.toLowerCase() };
    }
  }

  /** The last entry of a command, and its reply once that is durable. */
  #end(command: Command, hash: string, key: string, answer: VerbAnswer): void {
    const { id, verb, by } = command;
    const { outcome, result, reason, tookMs, compartment, data } = answer;
    const body =
      outcome === 'executed'
        ? {
            id,
            ...(reason !== undefined && { reason }),
            result,
            ...(tookMs !== undefined && { took_ms: tookMs }),
            verb,
          }
        : { id, key, reason: result, verb };
    const draft = {
      id,
      command: hash,
      verb,
      outcome,
      result,
      ...(reason !== undefined && { reason }),
      ...(tookMs !== undefined && { took_ms: tookMs }),
      ...(data !== undefined && { data }),
    };
    const place = compartment === undefined ? {} : { compartment };
    this.#say({ actor: by, ...place, data: body, type: `command.${outcome}` }, ({ origin, index }) =>
      this.#replies.put({ ...draft, entry: { log: origin, n: index } }, (bytes) => this.#used.answered(id, bytes)),
    );
  }

  #refuse({ key, command, payload, reason }: Refusal): void {
    const { crypto, logger } = this.#parts;
    const { id, verb, by } = command;
    const hash = commandHash(crypto, payload);
    const known = reason === 'repeated' ? this.#used.replyTo(id, hash) : undefined;
    if (!this.#budget.takeOwn(reason)) return;
    logger.info({ verb, id, key, reason }, 'a command was refused');
    // Whoever is told that it is refused may rely on it: no time, clock or room makes it pass later. Of one that cannot be
    // remembered nothing is told.
    const isLasting = reason === 'repeated' || NEVER_LATER.has(reason);
    const judged = { id, hash, key, untilUpMs: command.until_up_ms };
    const isSure = isLasting || this.#used.has(id) || this.#used.refuse(judged, this.#here().upMs);
    // The bytes that were taken are answered as they were, or will be.
    const isSame = reason === 'repeated' && this.#used.isOf(id, hash);
    this.#say({ actor: by, data: { id, key, reason, verb }, type: 'command.refused' }, ({ origin, index }) => {
      if (known !== undefined) this.#replies.putAgain(known);
      if (isSame || !isSure) return;
      const draft = { id, command: hash, verb, outcome: 'refused', result: reason } as const;
      this.#replies.put({ ...draft, entry: { log: origin, n: index } }, (bytes) => {
        if (!isLasting) this.#used.answered(id, bytes);
      });
    });
  }

  #refuseUnread(key: string, reason: string): void {
    if (this.#budget.takeOwn(reason)) this.#say({ data: { key, reason }, type: 'command.refused' });
  }

  #sayCounted(counts: ReadonlyMap<string, number>): void {
    const reasons = [...counts].sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1));
    const count = reasons.reduce((sum, [, n]) => sum + n, 0);
    const [[reason] = ['form']] = reasons;
    this.#parts.logger.warn({ ...Object.fromEntries(reasons) }, 'commands were refused and only counted');
    this.#say({ data: { count, reason }, type: 'command.refused' });
  }

  #say(body: Body, onDurable?: (entry: EntryRef) => void): void {
    const { appender, observer } = this.#parts;
    const observed = observer.observe();
    appender.append({ observed, body, urgent: true, ...(onDurable !== undefined && { onDurable }) });
  }

  async #sign(draft: ReplyDraft): Promise<Uint8Array> {
    const { gateway, start } = this.#parts;
    const { upMs } = this.#here();
    const signed = await this.#parts.signReply((log) => replyPayload({ ...draft, gateway, log, start, up_ms: upMs }));
    return envelopeBytes(replyEnvelope(signed.payload, signed.keyId, signed.signature));
  }
}

/** Refused in this start for good, whatever comes. */
const NEVER_LATER: ReadonlySet<string> = new Set(['gateway', 'start']);

interface Refusal {
  readonly kind: 'refused';
  readonly key: string;
  readonly command: Command;
  readonly payload: Uint8Array;
  readonly reason: Extract<Judgement, { kind: 'refused' }>['reason'] | 'busy';
}

interface Body {
  readonly type: string;
  readonly actor?: Command['by'];
  readonly compartment?: string;
  readonly data: Readonly<Record<string, Json>>;
}
