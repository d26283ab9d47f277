/**
 * Intake: what gateways publish becomes verified, stored, receipted entries (FORMAT.md sections 4, 6 and 7).
 *
 * It knows topics and bytes but no connection: whoever runs it hands messages in and publishes what comes out. Nothing
 * that was not receipted is promised, so at any moment everything in memory may be lost.
 */

import { present } from '../../base/assert.ts';
import type { Scheduler, Timer } from '../../base/clock.ts';
import { LatchkeyError } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import type { Metrics } from '../../base/metrics.ts';
import type { EvidenceCrypto } from '../../evidence/crypto.ts';
import { parseOrigin } from '../../evidence/log/origin.ts';
import { formatRequest } from '../../evidence/wire/messages.ts';
import {
  gatewayRoot,
  JSON_CONTENT_TYPE,
  NOTE_CONTENT_TYPE,
  parseTopic,
  receiptName,
} from '../../evidence/wire/topics.ts';
import { Alarms } from './alarms.ts';
import { INTAKE_LIMITS, type IntakeContext, type IntakeLimits } from './context.ts';
import { GatewayIntake } from './gateway-intake.ts';
import type { LogIntake } from './log-intake.ts';
import { Mailbox, Turns } from './mailbox.ts';
import type { Outcome } from './outcome.ts';
import { ParkingTotal } from './parking.ts';
import { type IntakeLink, Publisher } from './publisher.ts';
import { makeReceipt } from './receipts.ts';
import type { IntakeStore } from './store.ts';
import type { IntakePolicy } from './trust.ts';
import type { WitnessKey } from './witness-key.ts';
import { Writer } from './writer.ts';

export interface IntakeParts {
  readonly crypto: EvidenceCrypto;
  readonly store: IntakeStore;
  readonly key: WitnessKey;
  readonly link: IntakeLink;
  readonly scheduler: Scheduler;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** Topic prefix. */
  readonly prefix: string;
  readonly policy: IntakePolicy;
  readonly trustFirstUse?: boolean;
  /** `false`: what is stored is not receipted, so gateways keep everything. */
  readonly receipts?: boolean;
  readonly acceptedGaps?: ReadonlyMap<string, number>;
  readonly limits?: Partial<IntakeLimits>;
  /**
   * Gateways that this receiver is for, by partition; all when absent. Others' stored logs are left alone. When it says
   * something else than before, `takeOver` or `dropForeign` follows.
   */
  readonly isMine?: (gateway: string) => boolean;
  /** The store answered that another receiver has taken this gateway over. */
  readonly fenced?: (gateway: string) => void;
}

interface Tracked {
  readonly intake: GatewayIntake;
  readonly mailbox: Mailbox;
}

const TICK_MS = 1_000;
/** Gateways that are loaded at once: a store has few connections. */
const LOADS_AT_ONCE = 2;
/** The same receipt is not sent more often than this. */
const RECEIPT_REPEAT_MS = 1_000;

export class Intake {
  readonly alarms: Alarms;
  readonly #parts: IntakeParts;
  readonly #limits: IntakeLimits;
  readonly #context: IntakeContext;
  readonly #writer: Writer;
  readonly #publisher: Publisher;
  readonly #gateways = new Map<string, Tracked>();
  readonly #turns = new Turns();
  #policy: IntakePolicy;
  /** Gateways that policy or store know. */
  #known = new Set<string>();
  #waitingBytes = 0;
  #room: (() => void)[] = [];
  #loading = 0;
  readonly #loadsWaiting: (() => void)[] = [];
  #tick: Timer | undefined;
  #closed = false;

  private constructor(parts: IntakeParts) {
    const { crypto, store, scheduler, logger, metrics } = parts;
    this.#parts = parts;
    this.#limits = { ...INTAKE_LIMITS, ...parts.limits };
    this.#policy = parts.policy;
    this.alarms = new Alarms(scheduler, logger, metrics);
    this.#publisher = new Publisher(parts.link, logger, metrics);
    this.#writer = new Writer({ crypto, store, scheduler, logger, metrics }, this.#writerEvents());
    this.#context = {
      crypto,
      store,
      scheduler,
      logger,
      metrics,
      alarms: this.alarms,
      writer: this.#writer,
      limits: this.#limits,
      parkingTotal: new ParkingTotal(this.#limits.totalBytesMax),
      trustFirstUse: parts.trustFirstUse ?? false,
      acceptedGaps: parts.acceptedGaps ?? new Map(),
      policy: () => this.#policy,
      known: (gateway) => this.#known.add(gateway),
      request: (log, first) => this.#request(log, first),
    };
  }

  /** Loads what the store holds. Rejects with the store's codes. */
  static async open(parts: IntakeParts): Promise<Intake> {
    const intake = new Intake(parts);
    await intake.takeOver();
    if (parts.trustFirstUse === true) {
      parts.logger.warn({}, 'trust on first use is on: the first log key of each gateway is believed unseen');
    }
    intake.#later();
    return intake;
  }

  /** Loads what the store holds of gateways that are this receiver's and were not. Rejects with the store's codes. */
  async takeOver(): Promise<void> {
    const stored = await this.#parts.store.gateways();
    const fresh = stored.filter((gateway) => this.#isMine(gateway) && !this.#gateways.has(gateway));
    this.#nameGateways();
    for (const gateway of fresh) this.#known.add(gateway);
    const one = async (): Promise<void> => {
      for (let gateway = fresh.pop(); gateway !== undefined; gateway = fresh.pop()) await this.#loadOne(gateway);
    };
    await Promise.all(Array.from({ length: LOADS_AT_ONCE }, one));
  }

  /** Forgets gateways that are not this receiver's any more: nothing more of them is stored or receipted here. */
  dropForeign(): void {
    const names = [...this.#known, ...this.#gateways.keys()];
    for (const gateway of names) if (!this.#isMine(gateway)) this.#drop(gateway);
    this.#makeRoom();
  }

  get storeFailure(): LatchkeyError | undefined {
    return this.#writer.failure;
  }

  /** Loaded gateways, for status. */
  get gateways(): readonly GatewayIntake[] {
    return [...this.#gateways.values()].map(({ intake }) => intake);
  }

  get waitingBytes(): number {
    return this.#waitingBytes + this.#writer.bytes;
  }

  /**
   * One message from the broker. The answer is a promise when too much waits: read nothing more until it resolves. It
   * never waits for what is published. `payload` is intake's from here on.
   */
  message(topic: string, payload: Uint8Array): Promise<void> | undefined {
    const { crypto, metrics, prefix } = this.#parts;
    const parsed = parseTopic(crypto, prefix, topic);
    if (!parsed.ok || this.#closed || !this.#isMine(parsed.value.gateway)) {
      metrics.count('intake_messages_refused', 1, { kind: 'topic' });
      return undefined;
    }
    const { gateway, name } = parsed.value;
    metrics.count('intake_messages', 1, { kind: name });
    if (!this.#known.has(gateway) && !this.#gateways.has(gateway) && !this.#admit(gateway, name)) {
      return undefined;
    }
    this.#post(gateway, payload.length, (tracked) => tracked.message(parsed.value, payload));
    return this.waitingBytes > this.#limits.waitingBytesMax ? this.#untilRoom() : undefined;
  }

  /** Hands in one batch of an export: what it holds is taken, also where it leaves a gap below. */
  importBatch(bytes: Uint8Array, gateway: string): Promise<Outcome> {
    this.#known.add(gateway);
    return new Promise((resolve, reject) => {
      this.#post(gateway, bytes.length, async (intake) => {
        await intake.batch(bytes, { imported: true }).then(resolve, reject);
      });
    });
  }

  /** What was accepted before the call is durable, or given up because the store is down. */
  async settled(): Promise<void> {
    for (const { mailbox } of this.#gateways.values()) await mailbox.idle();
    await this.#writer.settled();
  }

  /** A connection stands and the subscriptions are made: every newest receipt is sent again. */
  connected(): void {
    this.#publisher.connected();
    for (const { intake } of this.#gateways.values()) {
      for (const log of intake.logs.values()) log.receiptSentMs = Number.NEGATIVE_INFINITY;
      intake.receiptsDue();
    }
  }

  lost(): void {
    this.#publisher.lost();
  }

  /** What is believed now. */
  get policy(): IntakePolicy {
    return this.#policy;
  }

  setPolicy(policy: IntakePolicy): void {
    this.#policy = policy;
    this.#nameGateways();
    for (const { intake, mailbox } of this.#gateways.values()) mailbox.post(() => intake.policyChanged());
  }

  /** Takes no more messages; resolves when what was taken is durable and its receipts are handed to the link. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#tick?.cancel();
    for (const { mailbox } of this.#gateways.values()) await mailbox.idle();
    await this.#writer.close();
  }

  get isPublished(): boolean {
    return this.#publisher.isIdle;
  }

  /** A stranger is let in with a batch, or an enrolment where a service's word counts; and not without end. */
  #admit(gateway: string, name: string): boolean {
    const enrols = name === 'enrolment' && (this.#policy.services ?? []).length > 0;
    if (name !== 'batch' && !enrols) return false;
    if (this.#gateways.size - this.#known.size < this.#limits.strangersMax) return true;
    for (const [name, { intake, mailbox }] of this.#gateways) {
      if (!this.#known.has(name) && mailbox.isIdle && intake.isEmpty) this.#gateways.delete(name);
    }
    if (this.#gateways.size - this.#known.size < this.#limits.strangersMax) return true;
    this.alarms.raise('gateways_full', gateway);
    return false;
  }

  #isMine(gateway: string): boolean {
    return this.#parts.isMine?.(gateway) !== false;
  }

  /** In its mailbox, so that a message that comes meanwhile waits for it. */
  #loadOne(gateway: string): Promise<void> {
    const { intake, mailbox } = this.#gateways.get(gateway) ?? this.#fresh(gateway);
    return new Promise((resolve, reject) => {
      mailbox.post(async () => {
        if (!intake.isLoaded)
          await this.#load(intake)
            .then(() => intake.receiptsDue())
            .catch(reject);
        resolve();
      });
    });
  }

  #drop(gateway: string): void {
    this.#gateways.get(gateway)?.intake.parking.clear();
    this.#gateways.delete(gateway);
    this.#known.delete(gateway);
    this.#writer.forget(gateway);
  }

  #post(gateway: string, bytes: number, work: (intake: GatewayIntake) => Promise<void>): void {
    const { intake, mailbox } = this.#gateways.get(gateway) ?? this.#fresh(gateway);
    this.#waitingBytes += bytes;
    mailbox.post(async () => {
      try {
        if (!intake.isLoaded) await this.#load(intake);
        await work(intake);
      } catch (error) {
        // Reading failed: nothing was taken, and it comes again.
        if (!(error instanceof LatchkeyError)) throw error;
        this.alarms.raise('store_down', gateway, undefined, error.message);
      } finally {
        this.#waitingBytes -= bytes;
        this.#makeRoom();
      }
    });
  }

  #fresh(gateway: string): Tracked {
    const tracked = { intake: new GatewayIntake(this.#context, gateway), mailbox: new Mailbox(this.#turns) };
    this.#gateways.set(gateway, tracked);
    return tracked;
  }

  /** A few at a time: after a take-over the first messages of thousands of gateways ask for it at once. */
  async #load(intake: GatewayIntake): Promise<void> {
    while (this.#loading >= LOADS_AT_ONCE) await new Promise<void>((resolve) => this.#loadsWaiting.push(resolve));
    this.#loading += 1;
    try {
      intake.load(await this.#parts.store.load(intake.gateway));
    } finally {
      this.#loading -= 1;
      this.#loadsWaiting.shift()?.();
    }
  }

  #nameGateways(): void {
    for (const origin of this.#policy.logs.keys()) {
      const parsed = parseOrigin(origin);
      if (parsed.ok && this.#isMine(parsed.value.gateway)) this.#known.add(parsed.value.gateway);
    }
  }

  #untilRoom(): Promise<void> {
    return new Promise((resolve) => this.#room.push(resolve));
  }

  #makeRoom(): void {
    if (this.#room.length === 0 || this.waitingBytes > this.#limits.waitingBytesMax / 2) return;
    const room = this.#room;
    this.#room = [];
    for (const resolve of room) resolve();
  }

  #later(): void {
    this.#tick = this.#parts.scheduler.after(TICK_MS, () => {
      const nowMs = this.#parts.scheduler.monotonicMs();
      if (this.#writer.failure === undefined) {
        for (const gateway of this.#gateways.keys()) this.#post(gateway, 0, (intake) => intake.tick(nowMs));
      }
      this.#makeRoom();
      this.#later();
    });
  }

  #writerEvents(): ConstructorParameters<typeof Writer>[1] {
    return {
      receiptable: (log) => this.#sendReceipt(log),
      forked: (log) => {
        log.forks += 1;
        this.alarms.raise('fork', log.gateway, log.origin);
      },
      conflict: async (log) => {
        const held = await this.#parts.store.load(log.gateway);
        log.load(held.logs.find((each) => each.origin === log.origin));
        this.#parts.metrics.count('intake_conflicts');
      },
      fenced: (gateway) => {
        this.#parts.metrics.count('intake_fenced');
        this.#parts.logger.warn({ gateway }, 'another receiver has taken this gateway over');
        this.#drop(gateway);
        this.#parts.fenced?.(gateway);
      },
      refused: ({ gateway, origin }) =>
        this.alarms.raise('refused_signed', gateway, origin, 'refused: the store cannot hold what it says'),
      contradicted: (log) => this.alarms.raise('receipt_contradicted', log.gateway, log.origin),
      stored: () => this.#makeRoom(),
      down: (error) => {
        this.alarms.raise('store_down', '', undefined, error.message);
        this.#makeRoom();
      },
      up: async () => {
        this.#parts.logger.warn({}, 'the store is back');
        for (const { intake } of this.#gateways.values()) {
          await this.#load(intake);
          intake.receiptsDue();
        }
      },
    };
  }

  #sendReceipt(log: LogIntake): void {
    const { key, metrics, scheduler } = this.#parts;
    const { cosigned } = log;
    if (cosigned === undefined || this.#parts.receipts === false) return;
    const nowMs = scheduler.monotonicMs();
    const isNew = log.receiptSize !== cosigned.size;
    if (!isNew && nowMs - log.receiptSentMs < RECEIPT_REPEAT_MS) return;
    if (isNew || log.receipt === undefined) {
      log.receipt = makeReceipt(key, cosigned.note, Math.floor(scheduler.wallMs() / 1_000));
      log.receiptSize = cosigned.size;
      metrics.count('intake_receipts');
    }
    log.receiptSentMs = nowMs;
    const parsed = parseOrigin(log.origin);
    const name = receiptName(present(parsed.ok ? parsed.value : undefined, 'origin of a log'), key.vkey.keyId);
    this.#publish(log.gateway, name, log.receipt, true, NOTE_CONTENT_TYPE);
  }

  #request(log: Pick<LogIntake, 'gateway' | 'origin'>, first: number): void {
    this.#parts.metrics.count('intake_requests');
    this.#parts.logger.info({ gateway: log.gateway, log: log.origin, first }, 'asking for entries again');
    this.#publish(log.gateway, 'request', formatRequest({ origin: log.origin, first }), false, JSON_CONTENT_TYPE);
  }

  #publish(gateway: string, name: string, payload: Uint8Array, retain: boolean, contentType: string): void {
    const root = gatewayRoot(this.#parts.crypto, this.#parts.prefix, gateway);
    this.#publisher.put(`${root}/${name}`, { payload, retain, contentType });
  }
}
