/** What the process says of itself: memory, processor time, and whether its event loop moves. */
import { type IntervalHistogram, monitorEventLoopDelay } from 'node:perf_hooks';
import type { Scheduler, Timer } from '../../base/clock.ts';
import type { MetricSample } from '../../base/metrics.ts';

const RESOLUTION_MS = 20;
const WINDOW_MS = 10_000;
const NS_PER_MS = 1_000_000;
const MICROS_PER_S = 1_000_000;

export class ProcessSamples {
  readonly #scheduler: Scheduler;
  readonly #version: string;
  readonly #delay: IntervalHistogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  readonly #startS: number;
  #beforeMs = 0;
  #timer: Timer | undefined;

  constructor(scheduler: Scheduler, version: string) {
    this.#scheduler = scheduler;
    this.#version = version;
    this.#startS = Math.round(scheduler.wallMs() / 1_000 - process.uptime());
  }

  start(): void {
    this.#delay.enable();
    this.#next();
  }

  stop(): void {
    this.#timer?.cancel();
    this.#delay.disable();
  }

  /** Longest delay in the last window or since. */
  get loopDelayMaxMs(): number {
    return Math.max(this.#beforeMs, this.#sinceMs());
  }

  take(): readonly MetricSample[] {
    const { user, system } = process.cpuUsage();
    const { rss, heapUsed } = process.memoryUsage();
    const plain = {
      process_resident_memory_bytes: rss,
      process_start_time_seconds: this.#startS,
      process_cpu_seconds: (user + system) / MICROS_PER_S,
      nodejs_heap_used_bytes: heapUsed,
      nodejs_eventloop_lag_max_ms: this.loopDelayMaxMs,
    };
    const build = { name: 'build', labels: { version: this.#version, node: process.version }, value: 1 };
    return [build, ...Object.entries(plain).map(([name, value]) => ({ name, labels: {}, value }))];
  }

  #next(): void {
    this.#timer = this.#scheduler.after(WINDOW_MS, () => {
      this.#beforeMs = this.#sinceMs();
      this.#delay.reset();
      this.#next();
    });
  }

  /** The histogram measures from one wake-up to the next, its own pause included. */
  #sinceMs(): number {
    return this.#delay.count === 0 ? 0 : Math.max(0, Math.round(this.#delay.max / NS_PER_MS) - RESOLUTION_MS);
  }
}
