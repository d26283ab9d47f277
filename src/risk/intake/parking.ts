/**
 * Bytes that wait: batches of logs that nobody vouches for yet, batches that came before their predecessors, and signed
 * batches of a version that is unknown here. Memory only: what is lost here comes again, since it was never receipted.
 *
 * Every bound has its answer: what does not fit is dropped and counted, the newest first for strangers, the farthest
 * ahead for known logs.
 */
import { equalBytes } from '../../base/bytes.ts';

export interface ParkingLimits {
  /** Bytes of one gateway. */
  readonly gatewayBytesMax: number;
  /** Unknown origins of one gateway. */
  readonly unknownOriginsMax: number;
  /** Bytes of all gateways. */
  readonly totalBytesMax: number;
}

/** Bytes parked by everybody. */
export class ParkingTotal {
  readonly bytesMax: number;
  bytes = 0;

  constructor(bytesMax: number) {
    this.bytesMax = bytesMax;
  }
}

export type ParkKind = 'unknown' | 'ahead' | 'unreadable';

export interface Parked {
  readonly kind: ParkKind;
  readonly first: number;
  readonly bytes: Uint8Array;
}

/** Signed batches that nobody here can read, kept per log. */
const UNREADABLE_MAX = 16;
/** Beside its bytes, what an item costs at least: many tiny batches are bounded too. */
const ITEM_BYTES = 1_024;

export class Parking {
  readonly #limits: ParkingLimits;
  readonly #total: ParkingTotal;
  readonly #byOrigin = new Map<string, Parked[]>();
  #bytes = 0;
  #isClosed = false;

  constructor(limits: ParkingLimits, total: ParkingTotal) {
    this.#limits = limits;
    this.#total = total;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get unknownOrigins(): readonly string[] {
    return [...this.#byOrigin].filter(([, items]) => items[0]?.kind === 'unknown').map(([origin]) => origin);
  }

  count(origin: string): number {
    return this.#byOrigin.get(origin)?.length ?? 0;
  }

  /** What a parked item is kept as: `known` is there already, `full` was dropped. */
  park(origin: string, item: Parked): 'parked' | 'known' | 'full' {
    if (this.#isClosed) return 'full';
    const items = this.#byOrigin.get(origin) ?? [];
    const twin = items.some((each) => each.first === item.first && equalBytes(each.bytes, item.bytes));
    if (twin) return 'known';
    if (item.kind === 'unknown' && items.length === 0 && this.unknownOrigins.length >= this.#limits.unknownOriginsMax) {
      return 'full';
    }
    if (item.kind === 'unreadable' && items.filter((each) => each.kind === 'unreadable').length >= UNREADABLE_MAX) {
      return 'full';
    }
    if (!this.#makeRoom(items, item)) return 'full';
    items.push(item);
    items.sort((a, b) => a.first - b.first);
    this.#byOrigin.set(origin, items);
    this.#add(sizeOf(item));
    return 'parked';
  }

  /** Takes out what begins at or below `first`, lowest first. */
  take(origin: string, kind: ParkKind, first: number): readonly Parked[] {
    const items = this.#byOrigin.get(origin) ?? [];
    const taken = items.filter((item) => item.kind === kind && item.first <= first);
    const kept = items.filter((item) => !taken.includes(item));
    if (kept.length === 0) this.#byOrigin.delete(origin);
    else this.#byOrigin.set(origin, kept);
    for (const item of taken) this.#add(-sizeOf(item));
    return taken;
  }

  /** Lets go of everything, for good. */
  clear(): void {
    this.#isClosed = true;
    this.#byOrigin.clear();
    this.#add(-this.#bytes);
  }

  /** Index of the lowest batch that waits for its predecessors. */
  firstAhead(origin: string): number | undefined {
    return this.#byOrigin.get(origin)?.find((item) => item.kind === 'ahead')?.first;
  }

  /** For a log that is known, what lies nearest is worth most: farther batches of it make room. */
  #makeRoom(items: Parked[], item: Parked): boolean {
    while (!this.#fits(sizeOf(item))) {
      const farthest = item.kind === 'ahead' ? items.findLast((each) => each.kind === 'ahead') : undefined;
      if (farthest === undefined || farthest.first <= item.first) return false;
      items.splice(items.indexOf(farthest), 1);
      this.#add(-sizeOf(farthest));
    }
    return true;
  }

  #fits(bytes: number): boolean {
    return this.#bytes + bytes <= this.#limits.gatewayBytesMax && this.#total.bytes + bytes <= this.#total.bytesMax;
  }

  #add(bytes: number): void {
    this.#bytes += bytes;
    this.#total.bytes += bytes;
  }
}

function sizeOf(item: Parked): number {
  return item.bytes.length + ITEM_BYTES;
}
