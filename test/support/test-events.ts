/**
 * Events for a `TestLog`: entry 0, then whatever a test needs, each with a salt that depends on its place only.
 */
import { base64url } from '../../src/base/bytes.ts';
import type { CustodyEvent, JsonObject } from '../../src/evidence/event/event.ts';
import { encodeLeaf } from '../../src/evidence/event/leaf.ts';
import { seedOf, type TestLog } from './test-log.ts';

export function eventOf(log: TestLog, n: number, type: string, data: JsonObject, more: object = {}): CustodyEvent {
  const seconds = String(n % 60).padStart(2, '0');
  const minutes = String(Math.floor(n / 60) % 60).padStart(2, '0');
  const hours = String(Math.floor(n / 3600) % 24).padStart(2, '0');
  return {
    at: `2026-11-22T${hours}:${minutes}:${seconds}.000Z`,
    boot: 1,
    clock: { src: 'ntp', err_ms: 12 },
    data,
    log: log.origin,
    n,
    salt: base64url(seedOf(`salt ${n}`).subarray(0, 16)),
    type,
    up_ms: 1000 * n,
    v: 1,
    ...more,
  };
}

/** Appends entry 0 and `count - 1` door events. */
export function fill<L extends TestLog>(log: L, count: number, after?: JsonObject): L {
  for (let n = log.size; n < count; n += 1) {
    const opened = { version: '0.1.0', ...(after !== undefined && { after }) };
    const event =
      n === 0
        ? eventOf(log, 0, 'journal.opened', opened)
        : eventOf(log, n, 'gateway.alive', { interval_ms: 60_000, disk_free_kib: 1_000_000 + n, queued: n % 7 });
    log.append(encodeLeaf(event));
  }
  return log;
}
