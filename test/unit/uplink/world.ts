/**
 * The world around the uplink's machine, in one thread and with time turned by hand: a journal, a broker that may forget
 * everything but what is retained, a consumer that may be away. It checks each output against rules of its own, written
 * from the formats and the continuity rules and not from the machine.
 */
import { utf8 } from '../../../src/base/bytes.ts';
import { initialState, step } from '../../../src/edge/uplink/machine.ts';
import type { Input, LogView, Output, UplinkLimits, UplinkState } from '../../../src/edge/uplink/machine-types.ts';
import { nextWakeMs } from '../../../src/edge/uplink/settle.ts';

export const LIMITS: UplinkLimits = {
  memoryQuietMs: 10_000,
  memoryLostWaitMs: 60_000,
  windowBatches: 4,
  windowBytes: 300_000,
  aheadBytesMax: 2_000_000,
  stallMs: 30_000,
  stallMaxMs: 120_000,
  retryFirstMs: 1_000,
  retryMaxMs: 8_000,
  requestIntervalMs: 10_000,
};
export const BATCH_BYTES = 100_000;
export const FIRST_LOG = 'lockers.example/gw-0001/1-00000001';

interface WorldLog {
  readonly origin: string;
  readonly ends: number[];
  receipted: number;
}

export interface PendingRead {
  readonly id: number;
  readonly origin: string;
  readonly first: number;
  readonly withLeft: boolean;
}

export interface PendingPublish {
  readonly what: 'checkpoint' | 'enrolment' | 'batch';
  readonly origin: string;
  readonly id: number;
  readonly first: number;
  readonly end: number;
}

export class World {
  state: UplinkState;
  nowMs = 1_000;
  readonly logs: WorldLog[] = [];
  connected = false;
  subscribing = false;
  comparing = false;
  enrolmentOwed = false;
  readingEnrolment = false;
  readonly reads: PendingRead[] = [];
  readonly publishes: PendingPublish[] = [];
  readonly marks: { readonly origin: string; readonly size: number }[] = [];
  /** Log to the entries that the consumer holds. */
  readonly stored = new Map<string, number>();
  /** What the consumer saw beyond what it holds. */
  gaps = 0;
  /** Commits that the journal joins in one batch, as far as it has them when it is asked. */
  joins = 1;
  opened = 1;
  readonly seen = new Map<string, number>();
  readonly outputs: Output[] = [];
  readonly limits: UplinkLimits;
  /** Of this connection. */
  #covered = new Map<string, number>();
  #enrolled = false;
  #wasCompared = false;
  #read = new Map<number, { readonly origin: string; readonly first: number; readonly end: number; left: boolean }>();
  /** Per stream: where the last batch of this connection ended. */
  #lastEnd = new Map<string, number>();

  constructor(limits: UplinkLimits = LIMITS) {
    this.limits = limits;
    this.state = initialState(limits);
    this.open(FIRST_LOG);
  }

  count(what: string): number {
    return this.seen.get(what) ?? 0;
  }

  feed(input: Input, random = 0.5): readonly Output[] {
    const { state, outputs } = step(this.state, input, { nowMs: this.nowMs, random });
    this.state = state;
    for (const output of outputs) this.#take(output);
    this.#checkBounds();
    return outputs;
  }

  open(origin: string): void {
    this.logs.push({ origin, ends: [], receipted: 0 });
    this.refresh();
  }

  append(commits: number, events = 10): void {
    const open = this.logs.at(-1);
    for (let i = 0; open !== undefined && i < commits; i += 1) open.ends.push((open.ends.at(-1) ?? 0) + events);
    this.refresh();
  }

  remove(origin: string): void {
    const at = this.logs.findIndex((log) => log.origin === origin);
    if (at >= 0 && this.logs.length > 1) this.logs.splice(at, 1);
    this.refresh();
  }

  refresh(): void {
    const logs = this.logs.map(({ origin, ends, receipted }): LogView => {
      const size = ends.at(-1);
      const note = size === undefined ? undefined : utf8(`${origin} ${size}`);
      return { origin, noteSize: size ?? 0, note, progressSize: receipted };
    });
    this.feed({ kind: 'logs', logs });
  }

  connect(receiveMaximum = 65_535): void {
    if (this.connected) return;
    this.connected = true;
    this.feed({ kind: 'connected', receiveMaximum });
  }

  drop(): void {
    if (!this.connected) return;
    this.connected = false;
    this.subscribing = false;
    this.#covered.clear();
    this.#lastEnd.clear();
    this.#enrolled = false;
    this.publishes.splice(0);
    this.feed({ kind: 'lost' });
  }

  subscribed(): void {
    if (!this.subscribing) return;
    this.subscribing = false;
    this.feed({ kind: 'subscribed' });
  }

  compared(verdict: 'agreed' | 'memory_lost' | 'breached'): void {
    if (!this.comparing) return;
    this.comparing = false;
    this.#wasCompared = true;
    this.feed({ kind: 'compared', verdict, origins: verdict === 'agreed' ? [] : this.logs.map((log) => log.origin) });
  }

  advance(byMs: number): void {
    this.nowMs += byMs;
    this.feed({ kind: 'tick' });
  }

  /** Turns time to the machine's own next alarm. False when it has none. */
  sleep(): boolean {
    const atMs = nextWakeMs(this.state, this.nowMs);
    if (atMs === undefined) return false;
    this.advance(atMs - this.nowMs);
    return true;
  }

  finishRead(how: 'ok' | 'failed' | 'nothing'): void {
    const read = this.reads.shift();
    if (read === undefined) return;
    if (how === 'failed') {
      this.feed({ kind: 'read_failed', id: read.id });
      return;
    }
    const log = this.logs.find((other) => other.origin === read.origin);
    const at = log?.ends.findIndex((end) => end > read.first) ?? -1;
    if (how === 'nothing' || log === undefined || at < 0) {
      this.feed({ kind: 'read', id: read.id, batch: undefined });
      return;
    }
    const first = log.ends[at - 1] ?? 0;
    const end = log.ends[Math.min(at + this.joins, log.ends.length) - 1] ?? 0;
    this.#read.set(read.id, { origin: read.origin, first, end, left: read.withLeft });
    this.feed({ kind: 'read', id: read.id, batch: { first, end, bytes: BATCH_BYTES } });
  }

  finishEnrolment(ok: boolean): void {
    if (!this.readingEnrolment) return;
    this.readingEnrolment = false;
    if (!this.enrolmentOwed) this.#enrolled = true;
    this.feed(ok ? { kind: 'enrolment_read', owed: this.enrolmentOwed } : { kind: 'enrolment_failed' });
  }

  finishMark(ok: boolean): void {
    const mark = this.marks.shift();
    if (mark === undefined) return;
    this.feed(ok ? { kind: 'marked', ...mark } : { kind: 'mark_failed', origin: mark.origin });
  }

  /** The broker answers the oldest message. `delivered`: a batch also reaches the consumer. */
  answer(code: number, delivered: boolean): void {
    const publish = this.publishes.shift();
    if (publish === undefined) return;
    if (publish.what === 'checkpoint') {
      if (code < 128) this.#covered.set(publish.origin, publish.end);
      this.feed({ kind: 'checkpoint_answered', origin: publish.origin, code });
    } else if (publish.what === 'enrolment') {
      if (code < 128) this.#enrolled = true;
      this.feed({ kind: 'enrolment_answered', code });
    } else {
      if (delivered && code === 0) this.#store(publish);
      this.feed({ kind: 'batch_answered', id: publish.id, code });
    }
  }

  /** The consumer's receipts for all that it holds. */
  receipt(): void {
    for (const log of this.logs) {
      const stored = this.stored.get(log.origin) ?? 0;
      const known = log.ends.filter((end) => end <= stored).at(-1) ?? 0;
      if (known === 0) continue;
      log.receipted = Math.max(log.receipted, known);
      this.refresh();
      this.feed({ kind: 'believed', origin: log.origin });
    }
  }

  get allReceipted(): boolean {
    return this.logs.every((log) => log.receipted === (log.ends.at(-1) ?? 0));
  }

  #store({ origin, first, end }: PendingPublish): void {
    const stored = this.stored.get(origin) ?? 0;
    if (first > stored) this.gaps += 1;
    else this.stored.set(origin, Math.max(stored, end));
  }

  #take(output: Output): void {
    this.seen.set(output.kind, this.count(output.kind) + 1);
    this.outputs.push(output);
    if (output.kind.startsWith('publish')) {
      must(this.connected && this.#wasCompared, 'nothing is published before the comparison, or offline');
    }
    switch (output.kind) {
      case 'subscribe':
        must(output.memory === !this.#wasCompared, 'the memory is read until it was compared');
        this.subscribing = true;
        break;
      case 'compare':
        must(!this.#wasCompared, 'the memory is compared once');
        this.comparing = true;
        break;
      case 'read_enrolment':
        this.readingEnrolment = true;
        break;
      case 'publish_enrolment':
        this.publishes.push({ what: 'enrolment', origin: '', id: 0, first: 0, end: 0 });
        break;
      case 'publish_checkpoint':
        this.#takeCheckpoint(output.origin, output.size);
        break;
      case 'mark':
        must((this.#covered.get(output.origin) ?? -1) >= output.size, 'a mark says what the broker acknowledged');
        this.marks.push({ origin: output.origin, size: output.size });
        break;
      case 'read':
        this.reads.push(output);
        must(this.reads.length === 1, 'one read at a time');
        break;
      case 'publish_batch':
        this.#takeBatch(output.id);
        break;
    }
  }

  #takeCheckpoint(origin: string, size: number): void {
    must(this.#enrolled || this.#covered.has(origin), 'owed enrolment goes before a first checkpoint');
    must(size >= (this.#covered.get(origin) ?? 0), 'a checkpoint is never replaced by a smaller one');
    const another = this.publishes.some((other) => other.what === 'checkpoint' && other.origin === origin);
    must(!another, 'one checkpoint of a log at a time');
    this.publishes.push({ what: 'checkpoint', origin, id: 0, first: 0, end: size });
  }

  #takeBatch(id: number): void {
    const batch = this.#read.get(id);
    if (batch === undefined) throw new Error('a batch that was never read');
    must(batch.end <= (this.#covered.get(batch.origin) ?? -1), 'a checkpoint at the broker covers each batch');
    must(
      this.logs.some((log) => log.origin === batch.origin),
      'nothing leaves of a log that the journal gave up',
    );
    // A lane and a replay are streams of their own: each goes on where it was, or begins again with `left`.
    const stream = `${batch.origin} ${this.state.flights.some((flight) => flight.id === id && flight.replay)}`;
    must(batch.first === 0 || this.#lastEnd.get(stream) === batch.first || batch.left, 'a resend begins with left');
    this.#lastEnd.set(stream, batch.end);
    this.publishes.push({ what: 'batch', origin: batch.origin, id, first: batch.first, end: batch.end });
  }

  #checkBounds(): void {
    const { flights, flightBytes, lanes } = this.state;
    const { windowBatches, windowBytes, aheadBytesMax } = this.limits;
    const batches = this.publishes.filter((publish) => publish.what === 'batch').length;
    must(batches === flights.length && flightBytes === batches * BATCH_BYTES, 'the machine counts what is on its way');
    must(batches <= windowBatches && flightBytes < windowBytes + BATCH_BYTES, 'the window is kept');
    for (const lane of lanes) {
      must(lane.aheadBytes < aheadBytesMax + BATCH_BYTES, 'the run-ahead is bounded');
      must(lane.ahead.length * BATCH_BYTES === lane.aheadBytes, 'the machine counts what is ahead');
    }
  }
}

/** Cheaper than `expect`, which is called a million times here. */
function must(holds: boolean, rule: string): void {
  if (!holds) throw new Error(`broken rule: ${rule}`);
}

/** Everybody does his duty until nothing moves any more. */
export function fair(world: World, turns = 2_000): void {
  for (let turn = 0; turn < turns && !world.allReceipted; turn += 1) {
    world.connect();
    world.subscribed();
    world.compared('agreed');
    world.finishEnrolment(true);
    world.finishMark(true);
    world.finishRead('ok');
    world.answer(0, true);
    world.receipt();
    const idle =
      world.reads.length === 0 && world.publishes.length === 0 && world.marks.length === 0 && !world.comparing;
    if (idle && !world.allReceipted) world.sleep();
  }
}
