import { expect, test } from 'vitest';
import { LatchkeyError } from '../../../src/base/errors.ts';
import { ManualScheduler } from '../../../src/base/manual-scheduler.ts';
import { MemoryMetrics } from '../../../src/base/metrics.ts';
import { intakeSamples, ReceiverMonitor, type ReceiverMonitorParts } from '../../../src/risk/receive/monitor.ts';
import { serviceHealth } from '../../../src/risk/service/health.ts';
import { TextLogger } from '../intake/harness.ts';

class Bench {
  readonly scheduler = new ManualScheduler();
  readonly metrics = new MemoryMetrics();
  readonly intake = {
    storeFailure: undefined as LatchkeyError | undefined,
    gateways: [],
    waitingBytes: 0,
    isPublished: true,
    alarms: { list: () => [], unlisted: 0 } as unknown as ReceiverMonitorParts['intake']['alarms'],
  };
  connected = true;
  subscribed = true;
  database: () => Promise<unknown> = async () => undefined;
  ledgerFailure: string | undefined;
  readonly monitor = new ReceiverMonitor({
    intake: this.intake,
    isConnected: () => this.connected,
    isSubscribed: () => this.subscribed,
    askDatabase: () => this.database(),
    metrics: this.metrics,
    scheduler: this.scheduler,
    logger: new TextLogger(),
    version: '1.2.3',
    more: () =>
      serviceHealth({ read: 5, ...(this.ledgerFailure !== undefined && { failure: this.ledgerFailure }) }, undefined),
  });

  async reasons(): Promise<readonly string[]> {
    return (await this.monitor.readiness()).reasons.map(({ reason }) => reason);
  }

  pass(seconds: number): void {
    for (let done = 0; done < seconds; done += 1) {
      this.scheduler.advance(1_000);
      this.monitor.look();
    }
  }
}

test('a consumer that is connected while what it took is not stored is not ready, until something is', async () => {
  const bench = new Bench();
  bench.intake.waitingBytes = 4_096;
  bench.pass(29);
  expect(await bench.reasons()).toEqual([]);
  bench.pass(5);
  expect(await bench.reasons()).toEqual(['intake_stalled']);
  bench.metrics.count('intake_store_groups');
  expect(await bench.reasons()).toEqual([]);
});

test('a consumer that always has something waiting, and stores on, is ready', async () => {
  const bench = new Bench();
  bench.intake.waitingBytes = 4_096;
  for (let turn = 0; turn < 10; turn += 1) {
    bench.pass(20);
    bench.metrics.count('intake_batches', 1, { outcome: 'known' });
    expect(await bench.reasons()).toEqual([]);
  }
});

test('receipts that a connected broker takes none of are a reason', async () => {
  const bench = new Bench();
  bench.intake.isPublished = false;
  bench.pass(35);
  expect(await bench.reasons()).toEqual(['receipts_stalled']);
  bench.connected = false;
  expect(await bench.reasons()).toEqual(['broker_away']);
});

test('a broker without a subscription, a store that is down, a ledger that stands still are reasons of their own', async () => {
  const bench = new Bench();
  bench.subscribed = false;
  expect(await bench.reasons()).toEqual(['not_subscribed']);
  bench.subscribed = true;
  bench.intake.storeFailure = new LatchkeyError('STORE_IO', 'postgres://ann:hunter2@db');
  bench.ledgerFailure = 'hunter2';
  const { reasons } = await bench.monitor.readiness();
  expect(reasons.map(({ reason }) => reason)).toEqual(['store_down', 'ledger_stopped']);
  expect(JSON.stringify(reasons)).not.toContain('hunter2');
});

test('a database that refuses or does not answer in time is away', async () => {
  const bench = new Bench();
  bench.database = () => Promise.reject(new Error('password hunter2 is wrong'));
  const { reasons } = await bench.monitor.readiness();
  expect(reasons.map(({ reason }) => reason)).toEqual(['database_away']);
  expect(JSON.stringify(reasons)).not.toContain('hunter2');
  bench.database = () => new Promise(() => undefined);
  const asked = bench.reasons();
  bench.scheduler.advance(2_001);
  expect(await asked).toEqual(['database_away']);
});

test('the text says what readiness says, and which version runs', async () => {
  const bench = new Bench();
  bench.connected = false;
  const { text } = await bench.monitor.text();
  expect(text).toContain('latchkey_ready 0\n');
  expect(text).toContain('latchkey_not_ready{reason="broker_away"} 1\n');
  expect(text).toContain('version="1.2.3"');
  expect(text).toContain('latchkey_ledger_entries_read_total 5\n');
  expect(text).not.toContain('Not documented');
});

test('figures of logs are sums over the fleet, whoever is in it', () => {
  const log = {
    origin: 'lockers.example/gw-1/1-0a0b0c0d',
    trusted_by: 'policy',
    closed: false,
    entries: 90,
    size: 100,
    contiguous: 40,
    receipted: 40,
    receipts: 'behind',
    announced: 130,
    gaps: [
      [5, 10],
      [40, 45],
    ],
    gap_accepted_below: 10,
    parked: 0,
    forks: 1,
    recovered_cut_bytes: 0,
  } as const;
  const gateway = (name: string) => ({ gateway: name, parked_bytes: 7, unknown_origins: [], logs: [log] });
  const still = { store: { state: 'ok' as const }, waiting_bytes: 3, alarms: [], alarms_unlisted: 0 };
  const samples = intakeSamples({ ...still, gateways: [gateway('gw-1'), gateway('gw-2')] });
  const figure = (name: string) => samples.find((sample) => sample.name === name)?.value;
  expect(figure('intake_behind_entries')).toBe(60);
  expect(figure('intake_unreceipted_entries')).toBe(120);
  expect(figure('intake_gaps')).toBe(2);
  expect(figure('intake_parked_bytes')).toBe(14);
  expect(samples.find(({ labels }) => labels['receipts'] === 'behind')?.value).toBe(2);
  expect(JSON.stringify(samples)).not.toContain('gw-1');
});
