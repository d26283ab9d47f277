/**
 * The uplink: journal to MQTT, receipts back.
 *
 * A thin shell around the machine (machine.ts). It holds the payloads, does what the machine's outputs say, and reports
 * what became of it. What it knows can be forgotten at any moment: the journal and the broker tell it again.
 * Commands are subscribed to where somebody takes them, and none is taken before the journal was compared with what has
 * left the box: until then the log that a command names may be one that is about to end.
 */
import type { Scheduler, Timer } from '../../base/clock.ts';
import { explain } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import type { Metrics } from '../../base/metrics.ts';
import type { EvidenceCrypto } from '../../evidence/crypto.ts';
import { formatStatus, parseRequest, type Status } from '../../evidence/wire/messages.ts';
import { gatewayRoot, parseTopic } from '../../evidence/wire/topics.ts';
import type { MqttConnectedInfo, MqttConnection } from '../../platform/mqtt/connection.ts';
import type { MqttWill } from '../../platform/mqtt/settings.ts';
import type { Outbox, OutboxLog, ReceiptAnswer } from '../contracts/outbox.ts';
import { Courier, endOnDefect } from './courier.ts';
import { alarmsOf, ReceiptWatch, type Unsendable, type UplinkHealth, unsendableLogs } from './health.ts';
import { initialState, step } from './machine.ts';
import type { Input, LogView, UplinkState } from './machine-types.ts';
import { NOTE_BYTES_MAX, RetainedMemory } from './memory.ts';
import { ReceiptQueue } from './receipt-queue.ts';
import { limitsOf, type UplinkSettings } from './settings.ts';
import { nextWakeMs } from './settle.ts';

export interface UplinkParts {
  readonly outbox: Outbox;
  /** Its own: the uplink starts and closes it. Made with `uplinkWill` as its will. */
  readonly connection: MqttConnection;
  readonly gateway: string;
  readonly prefix: string;
  /** Start number of the daemon, for the `status` message. */
  readonly boot: number;
  readonly crypto: EvidenceCrypto;
  readonly settings: UplinkSettings;
  readonly scheduler: Scheduler;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** Absent where no key may command. */
  readonly commands?: {
    /** One message on `command`, of any bytes up to the broker's limit. Must not throw. */
    take(message: Uint8Array): void;
    /** Replies may go out now. */
    connected(): void;
  };
  /** Uniform in [0, 1), for the jitter. */
  readonly random?: () => number;
}

export interface UplinkStopped {
  /** Every signed entry of the open log is receipted by every store. */
  readonly receipted: boolean;
  /** Signed entries of all logs that are not; they wait in the journal. */
  readonly waiting: number;
}

export interface Uplink {
  start(): void;
  /**
   * Goes on sending until the last entry of the open log is receipted (by an advisory receiver, where no store ever did), at
   * most `waitMs` or until `signal`, then says `offline` and closes the connection. Never rejects. Call it after the journal took its last entry.
   */
  stop(waitMs: number, signal?: AbortSignal): Promise<UplinkStopped>;
  health(): UplinkHealth;
  /** Publishes on `reply`; true when the broker took it. Never rejects. */
  publishReply(payload: Uint8Array): Promise<boolean>;
}

export function createUplink(parts: UplinkParts): Uplink {
  return new RunningUplink(parts);
}

/** What the broker says for a gateway that vanished. */
export function uplinkWill(crypto: EvidenceCrypto, prefix: string, gateway: string, boot: number): MqttWill {
  const topic = `${gatewayRoot(crypto, prefix, gateway)}/status`;
  return { topic, payload: formatStatus({ boot, state: 'offline' }), retain: true };
}

class RunningUplink implements Uplink {
  readonly #parts: UplinkParts;
  readonly #root: string;
  readonly #memory = new RetainedMemory();
  readonly #receipts: ReceiptQueue;
  readonly #courier: Courier;
  readonly #watch = new ReceiptWatch();
  readonly #random: () => number;
  #state: UplinkState;
  #logs: readonly OutboxLog[] = [];
  #unsendable: readonly Unsendable[] = [];
  readonly #inputs: Input[] = [];
  #stepping = false;
  #steppedAtMs = 0;
  #timer: { readonly atMs: number; readonly handle: Timer } | undefined;
  #alarms: readonly string[] = [];
  #unsubscribe: (() => void) | undefined;
  #stopping: Promise<UplinkStopped> | undefined;
  #allReceipted: (() => void) | undefined;
  #ended = false;

  constructor(parts: UplinkParts) {
    this.#parts = parts;
    this.#root = gatewayRoot(parts.crypto, parts.prefix, parts.gateway);
    this.#random = parts.random ?? Math.random;
    this.#state = initialState(limitsOf(parts.settings));
    this.#receipts = new ReceiptQueue({
      take: (name, payload) => parts.outbox.receipt(name, payload),
      answered: (name, answer) => this.#receiptAnswered(name, answer),
      failed: (name, error) => {
        endOnDefect(error);
        parts.metrics.count('uplink_receipts', 1, { answer: 'failed' });
        parts.logger.warn({ name, error: explain(error) }, 'could not store a receipt');
      },
    });
    this.#courier = new Courier({
      ...parts,
      root: this.#root,
      memory: this.#memory,
      feed: (input) => {
        this.#feed(input);
        // From here on a log without a note is one that cannot be sent.
        if (input.kind === 'compared') this.#refresh();
      },
      refresh: () => this.#refresh(),
      status: () => this.#status(this.#stopping === undefined ? 'online' : 'stopping'),
      takesCommands: parts.commands !== undefined,
      rememberedReceipts: (messages) => {
        for (const { name, payload } of messages) void this.#receipts.push(name, payload);
      },
    });
  }

  start(): void {
    this.#unsubscribe = this.#parts.outbox.onChange(() => this.#refresh());
    this.#refresh();
    this.#parts.connection.start({
      connected: (info) => this.#connected(info),
      lost: () => {
        this.#courier.newConnection();
        this.#feed({ kind: 'lost' });
      },
      message: (topic, payload, info) => this.#message(topic, payload, info.retain),
    });
  }

  stop(waitMs: number, signal?: AbortSignal): Promise<UplinkStopped> {
    this.#stopping ??= this.#stop(waitMs, signal);
    return this.#stopping;
  }

  health(): UplinkHealth {
    const { scheduler, settings, connection, metrics } = this.#parts;
    const nowMs = scheduler.monotonicMs();
    const stalled = this.#watch.stalled(nowMs, settings.stall_ms);
    const alarms = this.#alarmsNow();
    const receiptAgeMs = this.#watch.receiptAgeMs(nowMs);
    if (receiptAgeMs !== undefined) metrics.gauge('uplink_receipt_age_ms', Math.round(receiptAgeMs));
    metrics.gauge('uplink_stalled', stalled ? 1 : 0);
    return {
      healthy: !stalled && alarms.length === 0,
      connected: connection.connected,
      phase: this.#state.phase.name,
      waiting: this.#watch.waiting,
      unsendable: this.#unsendable.reduce((sum, { entries }) => sum + entries, 0),
      stalled,
      receiptAgeMs,
      windowBatches: this.#state.flights.length,
      windowBytes: this.#state.flightBytes,
      aheadBytes: this.#state.lanes.reduce((sum, lane) => sum + lane.aheadBytes, 0),
      alarms,
    };
  }

  publishReply(payload: Uint8Array): Promise<boolean> {
    return this.#ended || !this.#parts.connection.connected
      ? Promise.resolve(false)
      : this.#courier.publishReply(payload);
  }

  async #stop(waitMs: number, signal: AbortSignal | undefined): Promise<UplinkStopped> {
    const { connection, scheduler } = this.#parts;
    if (this.#state.phase.name === 'live') this.#courier.publishStatus(this.#status('stopping'));
    this.#refresh();
    await new Promise<void>((resolve) => {
      if (this.#openLogAnswered() || signal?.aborted === true || waitMs <= 0) return resolve();
      const timer = scheduler.after(waitMs, resolve);
      signal?.addEventListener('abort', () => resolve(), { once: true });
      this.#allReceipted = () => {
        timer.cancel();
        resolve();
      };
    });
    this.#ended = true;
    this.#unsubscribe?.();
    this.#timer?.handle.cancel();
    this.#courier.newConnection();
    const topic = `${this.#root}/status`;
    await connection.close({ topic, payload: this.#status('offline'), retain: true });
    return { receipted: this.#openLogReceipted(), waiting: this.#watch.waiting };
  }

  #status(state: Status['state']): Uint8Array {
    return formatStatus({ boot: this.#parts.boot, state });
  }

  #openLogReceipted(): boolean {
    const open = this.#logs.at(-1);
    return open === undefined || open.receiptedSize >= open.noteSize;
  }

  /** Also where no store ever receipted, and an advisory receiver has all of it: then nothing more is to come. */
  #openLogAnswered(): boolean {
    const open = this.#logs.at(-1);
    if (open === undefined || this.#openLogReceipted()) return true;
    return open.receiptedSize === 0 && open.progressSize >= open.noteSize;
  }

  #connected(info: MqttConnectedInfo): void {
    this.#memory.clear();
    this.#courier.newConnection();
    this.#feed({ kind: 'connected', receiveMaximum: info.receiveMaximum });
    this.#parts.commands?.connected();
  }

  /** All that comes from outside: bounded, counted, and believed only by the journal. */
  #message(topic: string, payload: Uint8Array, retained: boolean): Promise<void> | undefined {
    const { crypto, prefix, gateway } = this.#parts;
    const parsed = parseTopic(crypto, prefix, topic);
    if (!parsed.ok || parsed.value.gateway !== gateway) return this.#ignore('topic');
    const name = topic.slice(this.#root.length + 1);
    const kind = parsed.value.name;
    if (kind === 'request') return this.#request(payload);
    if (kind === 'command') return this.#command(payload, retained);
    if (kind !== 'checkpoint' && kind !== 'enrolment' && kind !== 'receipt') return this.#ignore('topic');
    if (!this.#state.compared) {
      if (!this.#memory.offer(kind, name, payload)) return this.#ignore('bounds');
      if (retained) this.#feed({ kind: 'remembered' });
      return undefined;
    }
    // Our own checkpoints come back to us until their topics are given up.
    if (kind !== 'receipt' || payload.length === 0) return undefined;
    return payload.length > NOTE_BYTES_MAX ? this.#ignore('bounds') : this.#receipts.push(name, payload);
  }

  /** One that the broker kept was for another time. */
  #command(payload: Uint8Array, retained: boolean): undefined {
    const { commands } = this.#parts;
    if (commands === undefined || retained) return this.#ignore('command');
    if (!this.#state.compared || this.#stopping !== undefined) return this.#ignore('not_yet');
    commands.take(payload);
    return undefined;
  }

  #request(payload: Uint8Array): undefined {
    const request = parseRequest(payload);
    if (!request.ok) return this.#ignore('request');
    this.#feed({ kind: 'requested', origin: request.value.origin, first: request.value.first });
    return undefined;
  }

  #ignore(reason: string): undefined {
    this.#parts.metrics.count('uplink_messages_ignored', 1, { reason });
    return undefined;
  }

  #receiptAnswered(name: string, answer: ReceiptAnswer): void {
    this.#parts.metrics.count('uplink_receipts', 1, { answer });
    if (answer === 'refused') return;
    if (answer !== 'known') this.#refresh();
    if (answer === 'breach') {
      this.#parts.logger.error({ name }, 'a receipt contradicts the journal: its log is breached');
      return;
    }
    const log = name.split('/')[1];
    const origin = this.#logs.find((other) => other.origin.endsWith(`/${log}`))?.origin;
    if (origin !== undefined) this.#feed({ kind: 'believed', origin });
  }

  /** The journal's present view: new notes, receipts that moved, logs that opened, closed or broke. */
  #refresh(): void {
    if (this.#ended) return;
    const { outbox, scheduler, metrics } = this.#parts;
    this.#logs = outbox.logs();
    const logs = this.#logs.map((log): LogView => {
      const checkpoint = outbox.checkpoint(log.origin);
      const { origin, progressSize } = log;
      return { origin, progressSize, noteSize: checkpoint?.size ?? 0, note: checkpoint?.note };
    });
    // Before the comparison no log has a note that may leave.
    const noted = new Set(logs.flatMap(({ origin, note }) => (note === undefined ? [] : [origin])));
    this.#unsendable = this.#state.compared ? unsendableLogs(this.#logs, (origin) => noted.has(origin)) : [];
    const passedOver = new Set(this.#unsendable.map(({ origin }) => origin));
    const sendable = this.#logs.filter(({ origin }) => !passedOver.has(origin));
    this.#watch.update(sendable, scheduler.monotonicMs());
    metrics.gauge('uplink_waiting_entries', this.#watch.waiting);
    const unsendable = this.#unsendable.reduce((sum, { entries }) => sum + entries, 0);
    metrics.gauge('uplink_unsendable_entries', unsendable);
    this.#feed({ kind: 'logs', logs });
    if (this.#openLogAnswered()) this.#allReceipted?.();
  }

  /** One input after another, also when doing an output produces the next one at once. */
  #feed(input: Input): void {
    this.#inputs.push(input);
    if (this.#stepping) return;
    this.#stepping = true;
    try {
      for (let next = this.#inputs.shift(); next !== undefined; next = this.#inputs.shift()) this.#step(next);
    } finally {
      this.#stepping = false;
    }
    this.#report();
    this.#schedule();
  }

  #step(input: Input): void {
    if (this.#ended) return;
    const at = { nowMs: this.#parts.scheduler.monotonicMs(), random: this.#random() };
    const { state, outputs } = step(this.#state, input, at);
    this.#state = state;
    this.#steppedAtMs = at.nowMs;
    for (const output of outputs) this.#courier.perform(output);
    this.#courier.keepOnly(state);
  }

  /** One log line per change. */
  #report(): void {
    const { logger, metrics } = this.#parts;
    metrics.gauge('uplink_window_batches', this.#state.flights.length);
    metrics.gauge('uplink_window_bytes', this.#state.flightBytes);
    const alarms = this.#alarmsNow();
    for (const alarm of alarms.filter((other) => !this.#alarms.includes(other))) logger.warn({ alarm }, 'uplink alarm');
    for (const alarm of this.#alarms.filter((other) => !alarms.includes(other))) {
      logger.info({ alarm }, 'uplink alarm is over');
    }
    this.#alarms = alarms;
    metrics.gauge('uplink_alarms', alarms.length);
  }

  #alarmsNow(): readonly string[] {
    const stuck = this.#unsendable.map(({ origin, entries }) => `entries_unsendable ${entries} ${origin}`);
    return [...alarmsOf(this.#state), ...stuck].sort();
  }

  #schedule(): void {
    const { scheduler } = this.#parts;
    // As seen by the last step: what fell due since then was not looked at yet.
    const atMs = this.#ended ? undefined : nextWakeMs(this.#state, this.#steppedAtMs);
    if (atMs === this.#timer?.atMs) return;
    this.#timer?.handle.cancel();
    this.#timer = undefined;
    if (atMs === undefined) return;
    const handle = scheduler.after(Math.max(0, atMs - scheduler.monotonicMs()), () => {
      this.#timer = undefined;
      this.#feed({ kind: 'tick' });
    });
    this.#timer = { atMs, handle };
  }
}
