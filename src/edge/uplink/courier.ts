/** Does what the machine's outputs say, and feeds back what became of it. Answers of an older connection are dropped. */
import { AssertionError } from '../../base/assert.ts';
import { equalBytes } from '../../base/bytes.ts';
import type { Scheduler } from '../../base/clock.ts';
import { explain, LatchkeyError } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import type { Metrics } from '../../base/metrics.ts';
import { parseOrigin } from '../../evidence/log/origin.ts';
import {
  BATCH_CONTENT_TYPE,
  batchProperties,
  checkpointName,
  JSON_CONTENT_TYPE,
  NOTE_CONTENT_TYPE,
} from '../../evidence/wire/topics.ts';
import type { MqttConnection, MqttPublishOptions } from '../../platform/mqtt/connection.ts';
import type { Outbox, OutboxBatch, RetainedMessage } from '../contracts/outbox.ts';
import type { Input, Output, UplinkState } from './machine-types.ts';
import type { RetainedMemory } from './memory.ts';

export interface CourierParts {
  readonly outbox: Outbox;
  readonly connection: MqttConnection;
  readonly scheduler: Scheduler;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly root: string;
  readonly memory: RetainedMemory;
  feed(input: Input): void;
  refresh(): void;
  status(): Uint8Array;
  /** A gateway listens to what it can answer. */
  readonly takesCommands: boolean;
  rememberedReceipts(messages: readonly RetainedMessage[]): void;
}

const MEMORY_FILTERS = ['checkpoint/#', 'enrolment'];
const LASTING_FILTERS = ['receipt/#', 'request'];
const COMMAND_FILTER = 'command';

export class Courier {
  readonly #parts: CourierParts;
  /** Batches that were read and not yet given to the connection: one per log, and one of a replay. */
  readonly #held = new Map<number, OutboxBatch>();
  #connection = 0;
  #comparing = false;
  #enrolment: Uint8Array | undefined;
  #enrolmentSent: Uint8Array | undefined;

  constructor(parts: CourierParts) {
    this.#parts = parts;
  }

  /** From here on answers to what was sent before are void. */
  newConnection(): void {
    this.#connection += 1;
    this.#enrolmentSent = undefined;
  }

  /** Forgets the payloads that the machine no longer holds. */
  keepOnly(state: UplinkState): void {
    if (this.#held.size === 0) return;
    const kept = new Set([state.reading?.id, ...[...state.lanes, state.replay].map((from) => from?.held?.id)]);
    for (const id of this.#held.keys()) if (!kept.has(id)) this.#held.delete(id);
  }

  publishStatus(payload: Uint8Array): void {
    this.#publish('status', payload, { retain: true, contentType: JSON_CONTENT_TYPE }, (code) => {
      if (code >= 128) this.#parts.logger.warn({ code }, 'the broker refused our status');
    });
  }

  /** True when the broker took it. Never rejects; no connection is dropped for it. */
  publishReply(payload: Uint8Array): Promise<boolean> {
    const { connection, logger } = this.#parts;
    return connection.publish(this.#topic('reply'), payload, { contentType: JSON_CONTENT_TYPE }).then(
      (code) => {
        if (code >= 128) logger.warn({ code }, 'the broker refused our reply');
        return code < 128;
      },
      () => false,
    );
  }

  perform(output: Output): void {
    const { logger, metrics } = this.#parts;
    switch (output.kind) {
      case 'subscribe':
        this.#subscribe([
          ...(output.memory ? MEMORY_FILTERS : []),
          ...LASTING_FILTERS,
          ...(this.#parts.takesCommands ? [COMMAND_FILTER] : []),
        ]);
        break;
      case 'forget_memory_topics':
        void this.#parts.connection.unsubscribe(MEMORY_FILTERS.map((name) => this.#topic(name))).catch(() => undefined);
        break;
      case 'compare':
        void this.#compare();
        break;
      case 'publish_status':
        this.publishStatus(this.#parts.status());
        break;
      case 'read_enrolment':
        void this.#readEnrolment();
        break;
      case 'publish_enrolment':
        this.#publishEnrolment();
        break;
      case 'publish_checkpoint':
        this.#publishCheckpoint(output.origin, output.note);
        break;
      case 'mark':
        void this.#mark(output.origin, output.size);
        break;
      case 'read':
        void this.#read(output);
        break;
      case 'publish_batch':
        this.#publishBatch(output.id);
        break;
      case 'went_back':
        metrics.count('uplink_rewinds', 1, { why: output.why });
        logger.info({ log: output.origin, to: output.to, why: output.why }, 'sending again from an earlier entry');
        break;
      case 'request_ignored':
        metrics.count('uplink_requests_ignored', 1, { why: output.why });
        break;
    }
  }

  #topic(name: string): string {
    return `${this.#parts.root}/${name}`;
  }

  #subscribe(names: readonly string[]): void {
    const { connection, feed, logger } = this.#parts;
    const asked = this.#connection;
    connection.subscribe(names.map((name) => this.#topic(name))).then(
      () => {
        if (asked === this.#connection) feed({ kind: 'subscribed' });
      },
      (error: unknown) => {
        if (asked !== this.#connection) return;
        logger.warn({ error: explain(error) }, 'cannot subscribe to receipts');
        if (error instanceof LatchkeyError && error.code === 'BROKER_REFUSED') feed({ kind: 'subscription_refused' });
        connection.drop('cannot subscribe to receipts');
      },
    );
  }

  /** The comparison of a lost connection still runs: its answer counts, and there is one for each start. */
  async #compare(): Promise<void> {
    const { outbox, memory, feed, refresh, logger, rememberedReceipts } = this.#parts;
    if (this.#comparing) return;
    this.#comparing = true;
    const verdict = await outbox.compareMemory(memory.messages()).catch((error: unknown) => {
      endOnDefect(error);
      logger.warn({ error: explain(error) }, 'cannot compare the journal with what the broker retained');
    });
    this.#comparing = false;
    if (verdict === undefined) {
      feed({ kind: 'compare_failed' });
      return;
    }
    logger.info({ verdict: verdict.kind }, 'compared the journal with what the broker retained');
    refresh();
    feed({ kind: 'compared', verdict: verdict.kind, origins: verdict.kind === 'agreed' ? [] : verdict.origins });
    rememberedReceipts(memory.messages(['receipt']));
    memory.clear();
  }

  async #readEnrolment(): Promise<void> {
    const { outbox, feed, logger } = this.#parts;
    const asked = this.#connection;
    const input = await outbox.enrolment().then(
      (payload): Input => {
        this.#enrolment = payload;
        const sent = this.#enrolmentSent;
        const owed = payload !== undefined && (sent === undefined || !equalBytes(sent, payload));
        return { kind: 'enrolment_read', owed };
      },
      (error: unknown): Input => {
        endOnDefect(error);
        logger.warn({ error: explain(error) }, 'cannot read the enrolment');
        return { kind: 'enrolment_failed' };
      },
    );
    if (asked === this.#connection) feed(input);
  }

  #publishEnrolment(): void {
    const payload = this.#enrolment;
    if (payload === undefined) return;
    this.#publish('enrolment', payload, { retain: true, contentType: JSON_CONTENT_TYPE }, (code) => {
      if (code < 128) this.#enrolmentSent = payload;
      this.#parts.feed({ kind: 'enrolment_answered', code });
    });
  }

  #publishCheckpoint(origin: string, note: Uint8Array): void {
    this.#parts.metrics.count('uplink_checkpoints_published');
    this.#publish(checkpointNameOf(origin), note, { retain: true, contentType: NOTE_CONTENT_TYPE }, (code) => {
      this.#parts.feed({ kind: 'checkpoint_answered', origin, code });
    });
  }

  async #mark(origin: string, size: number): Promise<void> {
    const { outbox, feed, logger } = this.#parts;
    const input = await outbox.markPublished(origin, size).then(
      (): Input => ({ kind: 'marked', origin, size }),
      (error: unknown): Input => {
        endOnDefect(error);
        logger.warn({ log: origin, error: explain(error) }, 'cannot mark what was published');
        return { kind: 'mark_failed', origin };
      },
    );
    feed(input);
  }

  async #read({ id, origin, first, withLeft }: Extract<Output, { kind: 'read' }>): Promise<void> {
    const { outbox, feed, logger } = this.#parts;
    const input = await outbox.batch(origin, first, withLeft).then(
      (batch): Input => {
        if (batch === undefined) return { kind: 'read', id, batch: undefined };
        this.#held.set(id, batch);
        return {
          kind: 'read',
          id,
          batch: { first: batch.first, end: batch.first + batch.count, bytes: batch.bytes.length },
        };
      },
      (error: unknown): Input => {
        endOnDefect(error);
        logger.warn({ log: origin, error: explain(error) }, 'cannot read a batch');
        return { kind: 'read_failed', id };
      },
    );
    feed(input);
  }

  #publishBatch(id: number): void {
    const { feed, metrics } = this.#parts;
    const batch = this.#held.get(id);
    if (batch === undefined) return;
    this.#held.delete(id);
    metrics.count('uplink_batches_sent');
    metrics.count('uplink_bytes_sent', batch.bytes.length);
    const options = { contentType: BATCH_CONTENT_TYPE, userProperties: batchProperties(batch) };
    this.#publish('batch', batch.bytes, options, (code) => {
      metrics.count('uplink_batches_answered', 1, { answer: answerOf(code) });
      if (code === 0) metrics.count('uplink_entries_acknowledged', batch.count);
      feed({ kind: 'batch_answered', id, code });
    });
  }

  #publish(name: string, payload: Uint8Array, options: MqttPublishOptions, answered: (code: number) => void): void {
    const { connection } = this.#parts;
    const asked = this.#connection;
    connection.publish(this.#topic(name), payload, options).then(
      (code) => {
        if (asked === this.#connection) answered(code);
      },
      (error: unknown) => {
        // Of unknown fate: only a new connection knows a beginning again. Mostly this one is gone already.
        if (asked === this.#connection) connection.drop(`a message was not acknowledged: ${explain(error)}`);
      },
    );
  }
}

/** A broken invariant is nobody's to retry: unhandled, it ends the process. */
export function endOnDefect(error: unknown): void {
  if (error instanceof AssertionError) throw error;
}

function answerOf(code: number): 'taken' | 'undelivered' | 'refused' {
  if (code === 0) return 'taken';
  return code < 128 ? 'undelivered' : 'refused';
}

function checkpointNameOf(origin: string): string {
  const parsed = parseOrigin(origin);
  return parsed.ok ? checkpointName(parsed.value) : `checkpoint/${origin.slice(origin.lastIndexOf('/') + 1)}`;
}
