/** Leaves as a gateway would write them, for tests of intake. */
import { base64url } from '../../../src/base/bytes.ts';
import type { Carried, CustodyEvent, JsonObject } from '../../../src/evidence/event/event.ts';
import { encodeLeaf } from '../../../src/evidence/event/leaf.ts';
import { leafHash } from '../../../src/evidence/log/tree.ts';
import { nodeCrypto } from '../../../src/platform/node-crypto.ts';
import { TestLog } from '../../support/test-log.ts';

export interface EventShape {
  readonly type?: string;
  readonly data?: JsonObject;
  readonly carried?: Carried;
  /** Tells two events at one place apart. */
  readonly salt?: number;
  /** Members that TypeScript does not know. */
  readonly more?: JsonObject;
}

export function eventLeaf(origin: string, n: number, shape: EventShape = {}): Uint8Array {
  const salt = new Uint8Array(16).fill(shape.salt ?? 1);
  const event: CustodyEvent = {
    at: '2026-11-22T09:00:00.123Z',
    boot: 1,
    ...(shape.carried === undefined ? {} : { carried: shape.carried }),
    clock: { src: 'ntp', err_ms: 5 },
    data: shape.data ?? { channel: 1 + (n % 8) },
    device: 'board-1',
    log: origin,
    n,
    salt: base64url(salt),
    type: shape.type ?? 'door.opened',
    up_ms: 1_000 + n,
    v: 1,
    ...(shape.more as object),
  };
  return encodeLeaf(event);
}

/** Appends `count` events; `shape` may differ per index. */
export function grow(log: TestLog, count: number, shape: (n: number) => EventShape = () => ({})): TestLog {
  for (let i = 0; i < count; i += 1) log.append(eventLeaf(log.origin, log.size, shape(log.size)));
  return log;
}

export function newLog(seed = 'log', gateway = 'gw-0001', number = 1): TestLog {
  return new TestLog(seed, gateway, number);
}

/** What entry `n` of `log` looks like as carried over. */
export function carriedFrom(log: TestLog, n: number): Carried {
  const leaf = log.leaves[n] ?? new Uint8Array();
  return { log: log.origin, n, boot: 1, up_ms: 1_000 + n, leaf: base64url(leafHash(nodeCrypto, leaf)) };
}
