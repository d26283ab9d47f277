/** So many requests a minute from each address, as a bucket that fills again: pure but for its memory, which is bounded. */
import type { Clock } from '../../base/clock.ts';

const ADDRESSES_MAX = 50_000;
const MINUTE_MS = 60_000;

interface Bucket {
  tokens: number;
  atMs: number;
}

export class RateLimit {
  readonly #clock: Clock;
  readonly #perMinute: number;
  /** Least recently seen first. */
  readonly #buckets = new Map<string, Bucket>();

  constructor(clock: Clock, perMinute: number) {
    this.#clock = clock;
    this.#perMinute = perMinute;
  }

  allow(address: string): boolean {
    const name = neighbourhood(address);
    const nowMs = this.#clock.monotonicMs();
    const bucket = this.#buckets.get(name) ?? { tokens: this.#perMinute, atMs: nowMs };
    const filled = bucket.tokens + ((nowMs - bucket.atMs) * this.#perMinute) / MINUTE_MS;
    const tokens = Math.min(this.#perMinute, filled);
    const isAllowed = tokens >= 1;
    this.#buckets.delete(name);
    this.#buckets.set(name, { tokens: isAllowed ? tokens - 1 : tokens, atMs: nowMs });
    for (const oldest of this.#buckets.keys()) {
      if (this.#buckets.size <= ADDRESSES_MAX) break;
      this.#buckets.delete(oldest);
    }
    return isAllowed;
  }
}

/** One subscriber has a whole /64 of IPv6. */
function neighbourhood(address: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  if (mapped !== undefined || !address.includes(':')) return mapped ?? address;
  const [head = '', tail] = address.split('%')[0]?.split('::') ?? [];
  const groups = head === '' ? [] : head.split(':');
  const rest = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = tail === undefined ? [] : new Array<string>(Math.max(0, 8 - groups.length - rest.length)).fill('0');
  return [...groups, ...zeros, ...rest].slice(0, 4).join(':');
}
