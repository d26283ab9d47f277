/** Puts scans into a running gateway, fast or evenly, and sees what becomes of them. */
import { setTimeout as pause, setImmediate as turn } from 'node:timers/promises';
import type { Observer } from '../../src/edge/contracts/observed.ts';
import type { ReadingSink } from '../../src/edge/contracts/reading.ts';
import type { Gateway } from '../../src/edge/gateway/gateway.ts';
import type { Counts, FillAnswer, FloodAnswer, Order, SteadyAnswer } from './protocol.ts';
import { ScanSource } from './readings.ts';
import { SCANNER } from './site.ts';
import type { WatchedMetrics } from './watched-metrics.ts';

/** Scans put in between two looks at the event loop, and how many may wait for the disk. */
const AT_ONCE = 256;
const WAITING_MAX = 1_024;
const WAIT_LIMIT_MS = 120_000;

export interface InjectorParts {
  readonly gateway: Gateway;
  readonly metrics: WatchedMetrics;
  readonly sink: ReadingSink;
  readonly observer: Observer;
}

export class Injector {
  readonly #parts: InjectorParts;
  readonly #scans = new ScanSource(SCANNER);
  /** Entries that were receipted before this start: the uplink begins there. */
  readonly #sentBefore: number;

  constructor(parts: InjectorParts) {
    this.#parts = parts;
    this.#sentBefore = parts.gateway.journal.log().progressSize;
  }

  perform(order: Exclude<Order, { do: 'stop' }>): Promise<object> {
    switch (order.do) {
      case 'live':
        return this.#live();
      case 'commits':
        return Promise.resolve({ commits: this.#parts.metrics.sum('journal_commits') });
      case 'flood':
        return this.#flood(order.seconds);
      case 'fill':
        return this.#fill(order.events);
      case 'steady':
        return this.#steady(order.perSecond, order.seconds);
      case 'groups':
        return this.#groups(order.size, order.times);
    }
  }

  get #durable(): number {
    return this.#parts.gateway.journal.log().size;
  }

  get #acknowledged(): number {
    return this.#sentBefore + this.#parts.metrics.sum('uplink_entries_acknowledged');
  }

  async #live(): Promise<object> {
    await this.#until('the uplink is live', () => this.#parts.gateway.uplink.health().phase === 'live');
    await this.#untilAcknowledged();
    return {};
  }

  async #flood(seconds: number): Promise<FloodAnswer> {
    const before = this.#counts();
    const cpuBefore = process.cpuUsage();
    const anchorsBefore = this.#parts.metrics.sum('anchors_made');
    const startMs = performance.now();
    const injected = await this.#inject(() => performance.now() - startMs < seconds * 1_000);
    const durableS = (performance.now() - startMs) / 1_000;
    await this.#untilAcknowledged();
    const acknowledgedS = (performance.now() - startMs) / 1_000;
    const { user, system } = process.cpuUsage(cpuBefore);
    const anchors = this.#parts.metrics.sum('anchors_made') - anchorsBefore;
    const cpuS = (user + system) / 1e6;
    return { ...since(before, this.#counts()), injected, durableS, acknowledgedS, cpuS, anchors };
  }

  async #fill(events: number): Promise<FillAnswer> {
    const before = this.#counts();
    const startMs = performance.now();
    let left = events;
    const injected = await this.#inject(() => {
      left -= 1;
      return left >= 0;
    });
    const durableS = (performance.now() - startMs) / 1_000;
    return { ...since(before, this.#counts()), injected, durableS };
  }

  /** Puts in scans while `more` says so and the journal keeps up; resolves when all are durable. */
  async #inject(more: () => boolean): Promise<number> {
    const { journal } = this.#parts.gateway;
    const base = this.#durable + journal.status().waiting;
    let injected = 0;
    for (let goesOn = true; goesOn; ) {
      const room = WAITING_MAX - (base + injected - this.#durable);
      for (let i = Math.min(AT_ONCE, room); i > 0; i -= 1) {
        goesOn = more();
        if (!goesOn) break;
        this.#scan();
        injected += 1;
      }
      await turn();
    }
    await journal.appender.flush(AbortSignal.timeout(WAIT_LIMIT_MS));
    return injected;
  }

  /** Scans at even distances in time: looks each millisecond, and what fell due goes in. */
  async #steady(perSecond: number, seconds: number): Promise<SteadyAnswer> {
    const { gateway, metrics } = this.#parts;
    const before = this.#counts();
    const durable = new Progress(this.#durable);
    const acknowledged = new Progress(this.#acknowledged);
    metrics.onDurable = (entries) => durable.by(entries);
    metrics.onAcknowledged = (entries) => acknowledged.by(entries);
    const startMs = performance.now();
    let injected = 0;
    while (injected < perSecond * seconds) {
      while (performance.now() - startMs >= (injected * 1_000) / perSecond) {
        const index = this.#durable + gateway.journal.status().waiting;
        const nowMs = performance.now();
        durable.begin(index, nowMs);
        acknowledged.begin(index, nowMs);
        this.#scan();
        injected += 1;
      }
      await pause(1);
    }
    await this.#untilAcknowledged();
    metrics.onDurable = () => undefined;
    metrics.onAcknowledged = () => undefined;
    const tookMs = { durableMs: durable.tookMs, acknowledgedMs: acknowledged.tookMs };
    return { ...since(before, this.#counts()), injected, ...tookMs };
  }

  async #groups(size: number, times: number): Promise<Counts> {
    const before = this.#counts();
    for (let i = 0; i < times; i += 1) {
      for (let j = 0; j < size; j += 1) this.#scan();
      await this.#parts.gateway.journal.appender.flush(AbortSignal.timeout(WAIT_LIMIT_MS));
      await this.#untilAcknowledged();
    }
    return { ...since(before, this.#counts()), injected: size * times };
  }

  #scan(): void {
    this.#parts.sink(this.#scans.next(this.#parts.observer));
  }

  #counts(): Counts {
    const { metrics } = this.#parts;
    return {
      injected: 0,
      refused: metrics.sum('journal_events_refused') + metrics.sum('custody_events_refused'),
      commits: metrics.sum('journal_commits'),
      entries: metrics.sum('journal_entries'),
      acknowledged: metrics.sum('uplink_entries_acknowledged'),
      rewinds: metrics.sum('uplink_rewinds'),
    };
  }

  #untilAcknowledged(): Promise<void> {
    return this.#until('everything is acknowledged', () => this.#acknowledged >= this.#durable);
  }

  async #until(what: string, condition: () => boolean): Promise<void> {
    const endMs = performance.now() + WAIT_LIMIT_MS;
    while (!condition()) {
      if (performance.now() > endMs) throw new Error(`waited ${WAIT_LIMIT_MS} ms in vain until ${what}`);
      await pause(1);
    }
  }
}

/** When entries began and how long each took; entries end in the order of their indices. */
class Progress {
  readonly tookMs: number[] = [];
  readonly #beganMs = new Map<number, number>();
  #next: number;

  constructor(next: number) {
    this.#next = next;
  }

  begin(index: number, nowMs: number): void {
    this.#beganMs.set(index, nowMs);
  }

  by(entries: number): void {
    const nowMs = performance.now();
    for (const end = this.#next + entries; this.#next < end; this.#next += 1) {
      const beganMs = this.#beganMs.get(this.#next);
      if (beganMs !== undefined) this.tookMs.push(nowMs - beganMs);
      this.#beganMs.delete(this.#next);
    }
  }
}

function since(before: Counts, after: Counts): Counts {
  return {
    injected: after.injected - before.injected,
    refused: after.refused - before.refused,
    commits: after.commits - before.commits,
    entries: after.entries - before.entries,
    acknowledged: after.acknowledged - before.acknowledged,
    rewinds: after.rewinds - before.rewinds,
  };
}
