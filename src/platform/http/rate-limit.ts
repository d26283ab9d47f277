/** So many requests a minute for each name, as a bucket that fills again: pure but for its memory, which is bounded. */
import type { Clock } from '../../base/clock.ts';

const NAMES_MAX = 50_000;
const MINUTE_MS = 60_000;

interface Bucket {
  tokens: number;
  atMs: number;
}

export class RateLimit {
  readonly #clock: Clock;
  readonly #perMinute: number;
  readonly #atOnce: number;
  /** Least recently seen first. */
  readonly #buckets = new Map<string, Bucket>();

  /** `atOnce`: as many of a minute as may come together. */
  constructor(clock: Clock, perMinute: number, atOnce = perMinute) {
    this.#clock = clock;
    this.#perMinute = perMinute;
    this.#atOnce = atOnce;
  }

  allow(name: string): boolean {
    const nowMs = this.#clock.monotonicMs();
    const tokens = this.#tokensOf(name, nowMs);
    const isAllowed = tokens >= 1;
    this.#buckets.delete(name);
    this.#buckets.set(name, { tokens: isAllowed ? tokens - 1 : tokens, atMs: nowMs });
    for (const oldest of this.#buckets.keys()) {
      if (this.#buckets.size <= NAMES_MAX) break;
      this.#buckets.delete(oldest);
    }
    return isAllowed;
  }

  /** Whether the next would be allowed; takes nothing. */
  hasRoom(name: string): boolean {
    return this.#tokensOf(name, this.#clock.monotonicMs()) >= 1;
  }

  #tokensOf(name: string, nowMs: number): number {
    const bucket = this.#buckets.get(name);
    if (bucket === undefined) return this.#atOnce;
    const filled = bucket.tokens + ((nowMs - bucket.atMs) * this.#perMinute) / MINUTE_MS;
    return Math.min(this.#atOnce, filled);
  }
}

/** The name of an address: one subscriber has a whole /64 of IPv6. */
export function neighbourhood(address: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  if (mapped !== undefined || !address.includes(':')) return mapped ?? address;
  const [head = '', tail] = address.split('%')[0]?.split('::') ?? [];
  const groups = head === '' ? [] : head.split(':');
  const rest = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = tail === undefined ? [] : new Array<string>(Math.max(0, 8 - groups.length - rest.length)).fill('0');
  return [...groups, ...zeros, ...rest].slice(0, 4).join(':');
}
