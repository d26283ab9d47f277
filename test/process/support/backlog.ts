/** What waits at the gateway while the broker is away, and how it gets out. */
import { readFileSync } from 'node:fs';
import { until } from '../../support/until.ts';
import type { Rig } from './rig.ts';

/** Below the bound of the journal's queue. */
const BLOCK = 5_000;
const LIMIT_MS = 180_000;
const SAMPLE_MS = 25;

/** Resident memory of a process, MiB. */
export function residentMib(pid: number): number {
  const kib = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  if (kib === undefined) throw new Error(`process ${pid} has no memory`);
  return Number(kib) / 1_024;
}

export interface MemoryWatch {
  /** Highest sample since the last call. */
  takeMax(): number;
  stop(): void;
}

export function watchMemory(pid: number): MemoryWatch {
  let max = residentMib(pid);
  const timer = setInterval(() => {
    max = Math.max(max, residentMib(pid));
  }, SAMPLE_MS);
  return {
    takeMax() {
      const taken = Math.max(max, residentMib(pid));
      max = 0;
      return taken;
    },
    stop: () => clearInterval(timer),
  };
}

/** Scans `count` codes as fast as the gateway records them, and waits until all are durable. */
export async function recordScans(rig: Rig, count: number): Promise<void> {
  const { log } = await rig.statusUntil('the daemon answers', () => true);
  for (let done = 0; done < count; ) {
    const block = Math.min(BLOCK, count - done);
    rig.feed.scan(block);
    done += block;
    const wanted = log.entries + done;
    await rig.statusUntil(`${done} scans are durable`, (status) => status.log.entries >= wanted, LIMIT_MS);
  }
}

/**
 * Lets everything out, and calls `disturb` each time when another part of the receipts has come: `times` in all, evenly.
 * Resolves when everything is receipted.
 */
export async function drain(rig: Rig, times: number, disturb: (nth: number) => Promise<void> | void): Promise<void> {
  const origin = rig.oracle.origins[0] ?? '';
  const { log } = await rig.statusUntil('the daemon answers', () => true);
  const from = rig.oracle.receiptSize(origin);
  for (let nth = 1; nth <= times; nth += 1) {
    const wanted = from + Math.floor(((log.entries - from) * nth) / (times + 1));
    await until(`receipts reach ${wanted} of ${log.entries}`, () => rig.oracle.receiptSize(origin) >= wanted, LIMIT_MS);
    await disturb(nth);
  }
  await rig.settle(LIMIT_MS);
}

/** Every scan that was ever made is stored; for histories in which nothing was killed before it was durable. */
export function missingScans(rig: Rig, scans: readonly number[]): readonly number[] {
  const held = new Set(scans);
  const missing: number[] = [];
  for (let number = 1; number <= rig.feed.last && missing.length < 10; number += 1) {
    if (!held.has(number)) missing.push(number);
  }
  return missing;
}
