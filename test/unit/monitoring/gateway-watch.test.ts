import { expect, test } from 'vitest';
import { ManualScheduler } from '../../../src/base/manual-scheduler.ts';
import { MemoryMetrics } from '../../../src/base/metrics.ts';
import { GatewayWatch } from '../../../src/edge/gateway/health.ts';
import type { JournalStatus } from '../../../src/edge/journal/journal-status.ts';
import type { UplinkHealth } from '../../../src/edge/uplink/health.ts';

const ORIGIN = 'lockers.example/gw-1/1-0a0b0c0d';

class Bench {
  readonly scheduler = new ManualScheduler();
  readonly metrics = new MemoryMetrics();
  waiting = 0;
  size = 10;
  noteSize = 10;
  state: Partial<JournalStatus> = {};
  uplink: Partial<UplinkHealth> = {};
  readonly watch = new GatewayWatch({
    journal: { status: () => this.#journal() },
    uplink: { health: () => this.#uplink() },
    metrics: this.metrics,
    scheduler: this.scheduler,
    aliveIntervalMs: 60_000,
    stallMs: 30_000,
  });

  reasons(): readonly string[] {
    return this.watch.readiness().reasons.map(({ reason }) => reason);
  }

  /** In steps, as the daemon looks. */
  pass(ms: number): void {
    for (let done = 0; done < ms; done += 1_000) this.scheduler.advance(1_000);
  }

  #journal(): JournalStatus {
    const { waiting, size, noteSize } = this;
    const rest = { receiptedSize: noteSize, progressSize: noteSize, settled: false, key: 'here' } as const;
    const log = { origin: ORIGIN, state: 'open', size, noteSize, ...rest } as const;
    const still = { compared: true, setAside: [], gone: [], leftAlone: [] };
    return { logs: [log], open: ORIGIN, writer: 'open', room: 'ok', waiting, ...still, ...this.state };
  }

  #uplink(): UplinkHealth {
    const window = { windowBatches: 0, windowBytes: 0, aheadBytes: 0, alarms: [], receiptAgeMs: undefined };
    const still = { healthy: true, connected: true, phase: 'live', waiting: 0, unsendable: 0, stalled: false } as const;
    return { ...still, ...window, ...this.uplink };
  }
}

function started(): Bench {
  const bench = new Bench();
  bench.watch.start();
  return bench;
}

test('a gateway that is quiet is ready, as long as it writes its signs of life', () => {
  const bench = started();
  for (let minute = 0; minute < 10; minute += 1) {
    bench.pass(60_000);
    bench.metrics.count('journal_commits');
    expect(bench.reasons()).toEqual([]);
  }
  bench.pass(200_000);
  expect(bench.reasons()).toEqual(['journal_silent']);
});

test('events that wait while no commit moves make it not ready, and the next commit ready', () => {
  const bench = started();
  bench.waiting = 3;
  for (let turn = 0; turn < 20; turn += 1) {
    bench.pass(5_000);
    bench.metrics.count('journal_commits');
    expect(bench.reasons()).toEqual([]);
  }
  bench.pass(12_000);
  expect(bench.reasons()).toEqual(['journal_not_committing']);
  bench.metrics.count('journal_commits');
  expect(bench.reasons()).toEqual([]);
});

test('entries that nobody signs can never leave, and are a reason after the time of a stall', () => {
  const bench = started();
  bench.size = 12;
  bench.pass(29_000);
  expect(bench.reasons()).toEqual([]);
  bench.pass(5_000);
  expect(bench.reasons()).toEqual(['entries_unsigned']);
  bench.noteSize = 12;
  expect(bench.reasons()).toEqual([]);
});

test('a broker that is connected while no receipt moves is no ready gateway', () => {
  const bench = started();
  bench.uplink = { stalled: true, waiting: 7 };
  const { ready, reasons } = bench.watch.readiness();
  expect(ready).toBe(false);
  expect(reasons).toMatchObject([{ reason: 'receipts_stalled', detail: expect.stringContaining('7 entries') }]);
  bench.uplink = { connected: false };
  expect(bench.reasons()).toEqual(['broker_away']);
});

test('a journal that does not write, or has no room for custody, is named; one that is low on room works', () => {
  const bench = started();
  bench.state = { room: 'low' };
  expect(bench.reasons()).toEqual([]);
  bench.state = { room: 'custody' };
  expect(bench.reasons()).toEqual(['journal_full']);
  bench.state = { writer: 'failed' };
  expect(bench.reasons()).toEqual(['journal_not_writing']);
});
