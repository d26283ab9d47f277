/**
 * Scans that no door has claimed yet: a bounded row, oldest first.
 *
 * A scan waits for a door for the scan window. What waits too long, and what a flood pushes out, is told in one report
 * per window, so that scans without doors cannot double the number of entries.
 */
import type { ParcelRef } from '../../evidence/event/event.ts';
import type { ScanReading } from '../contracts/reading.ts';
import type { SealScan } from './seals.ts';

export interface WaitingScan {
  readonly device: string;
  readonly boot: number;
  readonly upMs: number;
  /** Absent when the scan names no parcel. */
  readonly parcel: ParcelRef | undefined;
  readonly quarantined: string | undefined;
  /** It named a seal, or said something of one: no parcel. */
  readonly seal?: SealScan | undefined;
  /** It asked for this door: another one's it is not, also when the door was refused. */
  readonly meant?: string | undefined;
}

export function waitingScan(
  { device, observed, quarantined, meant }: ScanReading,
  named: Pick<WaitingScan, 'boot' | 'parcel' | 'seal'>,
): WaitingScan {
  return { ...named, device, upMs: observed.upMs, quarantined, meant };
}

export const WAITING_MAX = 64;

/** A ring: at the rate of a flood nothing is allocated per scan beside the scan itself. */
export class ScanRow {
  #ring: (WaitingScan | undefined)[] = new Array<WaitingScan | undefined>(WAITING_MAX).fill(undefined);
  #first = 0;
  #size = 0;
  #pushedOut = 0;
  #pushedOutSinceMs: number | undefined;

  get size(): number {
    return this.#size;
  }

  push(scan: WaitingScan): void {
    if (this.#size === WAITING_MAX) {
      if (this.#ring[this.#first]?.parcel !== undefined) {
        this.#pushedOut += 1;
        this.#pushedOutSinceMs ??= scan.upMs;
      }
      this.#ring[this.#first] = scan;
      this.#first = (this.#first + 1) % WAITING_MAX;
      return;
    }
    this.#ring[(this.#first + this.#size) % WAITING_MAX] = scan;
    this.#size += 1;
  }

  /** Takes out, in order, what `wanted` names. */
  take(wanted: (scan: WaitingScan) => boolean): readonly WaitingScan[] {
    const all = this.list();
    const taken = all.filter(wanted);
    if (taken.length > 0) this.#refill(all.filter((scan) => !taken.includes(scan)));
    return taken;
  }

  list(): readonly WaitingScan[] {
    const all: WaitingScan[] = [];
    for (let i = 0; i < this.#size; i += 1) {
      const scan = this.#ring[(this.#first + i) % WAITING_MAX];
      if (scan !== undefined) all.push(scan);
    }
    return all;
  }

  /** How many were pushed out, once the first of them is `windowMs` old; then counting begins anew. */
  takePushedOut(nowMs: number, windowMs: number): number {
    if (this.#pushedOutSinceMs === undefined || nowMs - this.#pushedOutSinceMs < windowMs) return 0;
    const count = this.#pushedOut;
    this.#pushedOut = 0;
    this.#pushedOutSinceMs = undefined;
    return count;
  }

  #refill(scans: readonly WaitingScan[]): void {
    this.#ring.fill(undefined);
    for (const [i, scan] of scans.entries()) this.#ring[i] = scan;
    this.#first = 0;
    this.#size = scans.length;
  }
}
