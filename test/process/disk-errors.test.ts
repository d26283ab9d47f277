import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import type { IntakeStatus } from '../../src/risk/intake/status.ts';
import { startBroker, type TestBroker } from '../support/broker.ts';
import type { Syscall } from '../support/strace.ts';
import { until } from '../support/until.ts';
import { accounted, blindWindows } from './support/blind.ts';
import { makeRig, type Rig, type RigOptions } from './support/rig.ts';
import { sabotage } from './support/sabotage.ts';
import { tracedMessages } from './support/sightings.ts';
import { startOnSmallDisk } from './support/small-disk.ts';
import { judgeSyncs } from './support/synced.ts';

const FILE_CALLS = ['pwrite64', 'write', 'writev', 'sendmsg', 'fsync', 'fdatasync', 'ftruncate'];
const QUEUE = 256;
const JOURNAL = { reserve_mib: 1, free_min_mib: 0, retry_first_ms: 50, retry_max_ms: 200, queue_events_max: QUEUE };

/** The daemon looks once a second how full the disk is: what comes in between must find room above. */
const STOPS = { low_stop_percent: 50, custody_stop_percent: 60 };

let rig: Rig<TestBroker> | undefined;
afterEach(async () => {
  await rig?.close();
  rig = undefined;
});

async function newRig(options: Omit<RigOptions<TestBroker>, 'broker'> = {}): Promise<Rig<TestBroker>> {
  rig = await makeRig({ broker: await startBroker(), protocol: '3.1.1', gateway: { journal: JOURNAL }, ...options });
  await rig.settle();
  return rig;
}

/** Scans that the gateway took or counted, in groups below the bound of its queue. */
async function scanInGroups(site: Rig, groups: number): Promise<void> {
  for (let i = 0; i < groups; i += 1) {
    site.feed.scan(100);
    const before = site.gateway.lines('err').length + site.gateway.lines('out').length;
    await until('the daemon tried again', () => {
      const { gateway } = site;
      return gateway.lines('err').length + gateway.lines('out').length > before;
    });
  }
}

function failures(site: Rig, what: string): number {
  const { gateway } = site;
  return [...gateway.lines('out'), ...gateway.lines('err')].filter((line) => line.includes(what)).length;
}

describe('an fsync that fails under the journal', () => {
  test('lets nothing out before reopening and a full checkpoint with its fsync, and costs nothing', async () => {
    const site = await newRig();
    const before = site.oracle.entriesSeen;
    const logFile = site.dir.file('eio');
    // The commit's sync, and twice that of the reopening.
    const inject = ['fsync:error=EIO:when=1..3'];
    const fault = await sabotage(site.gateway.pid, { inject, trace: FILE_CALLS, logFile });
    site.feed.scan(50);
    await until('the scans leave', () => site.oracle.lastScan === site.feed.last);
    await site.settle();
    const calls = await fault.stop();
    const failed = calls.filter(({ error }) => error === 'EIO');
    expect(failed).toHaveLength(3);
    expect(failed[0]?.args[0]?.path).toMatch(/\.db-wal$/);
    const checkpointed = fullCheckpoint(calls, failed.at(-1)?.endLine ?? 0);
    const sent = tracedMessages(calls).filter(({ topic }) => /\/(batch|checkpoint\/.*)$/.test(topic));
    expect(sent.length).toBeGreaterThan(0);
    expect(sent.filter(({ firstLine }) => firstLine <= checkpointed)).toEqual([]);
    expect(site.oracle.entriesSeen).toBeGreaterThan(before + 50);
    expect(failures(site, 'the journal cannot be written')).toBeGreaterThanOrEqual(2);
    site.judge();
    expect(accounted(site)).toEqual({ stored: site.feed.last, blind: 0, made: site.feed.last });
  });

  test('for long: nothing leaves, the queue takes what it holds, and the rest is a signed blind window', async () => {
    const site = await newRig();
    const logFile = site.dir.file('eio');
    const inject = ['fsync:error=EIO'];
    const fault = await sabotage(site.gateway.pid, { inject, trace: ['fsync'], logFile });
    site.feed.scan(1);
    const failed = await site.statusUntil('the writer failed', ({ journal }) => journal.writer === 'failed');
    const seen = site.oracle.entriesSeen;
    expect(failed.healthy).toBe(false);
    await scanInGroups(site, 5);
    await site.statusUntil(
      'the queue is full',
      ({ journal }) => journal.writer === 'failed' && journal.waiting >= QUEUE,
    );
    expect(site.oracle.entriesSeen).toBe(seen);
    await fault.stop();
    await site.statusUntil('the writer is open again', ({ journal }) => journal.writer === 'open');
    await site.settle();
    site.judge();
    expect(blindWindows(site)).toMatchObject([{ cause: 'io_error' }]);
    const { stored, blind, made } = accounted(site);
    expect(blind).toBeGreaterThan(100);
    expect(stored + blind).toBe(made);
  });
});

/** Line at which the database file itself was synced for the first time after this line, with its WAL then emptied. */
function fullCheckpoint(calls: readonly Syscall[], after: number): number {
  const good = calls.filter(({ startLine, result }) => startLine > after && result === 0);
  const database = good.find(({ name, args }) => name === 'fsync' && args[0]?.path?.endsWith('.db') === true);
  const emptied = good.find(
    ({ name, args, startLine }) =>
      name === 'ftruncate' && args[0]?.path?.endsWith('.db-wal') === true && startLine > (database?.endLine ?? 0),
  );
  if (database === undefined || emptied === undefined) throw new Error('no full checkpoint');
  return database.endLine;
}

describe('a full disk', () => {
  test('under every write: the reserve goes, scans are counted, and the blind window is signed when room is back', async () => {
    const site = await newRig();
    const logFile = site.dir.file('enospc');
    const inject = ['pwrite64:error=ENOSPC'];
    const fault = await sabotage(site.gateway.pid, { inject, trace: ['pwrite64'], logFile });
    site.feed.scan(1);
    await site.statusUntil('the disk is full', ({ journal }) => journal.writer === 'full' && journal.room === 'full');
    const seen = site.oracle.entriesSeen;
    expect(readdirSync(join(site.gatewayData, 'journal'))).not.toContain('reserve');
    await scanInGroups(site, 3);
    expect(site.oracle.entriesSeen).toBe(seen);
    await fault.stop();
    await site.statusUntil('there is room', ({ journal }) => journal.writer === 'open' && journal.room === 'ok');
    expect(readdirSync(join(site.gatewayData, 'journal'))).toContain('reserve');
    await site.settle();
    site.judge();
    const windows = blindWindows(site);
    expect(new Set(windows.map(({ cause }) => cause))).toEqual(new Set(['disk_full']));
    const { stored, blind, made } = accounted(site);
    expect(blind).toBeGreaterThanOrEqual(200);
    expect(stored + blind).toBe(made);
  });

  test('of its own: custody stops before the end, last records have the reserve, nothing unreceipted goes', async () => {
    const site = await newRig({
      board: true,
      gateway: { journal: { ...JOURNAL, queue_events_max: 20_000, keep_days: 0, ...STOPS } },
    });
    await site.gateway.stop();
    const disk = await startOnSmallDisk(site, 24);
    await site.statusUntil('the doors are seen', ({ log }) => (log?.entries ?? 0) > 8);
    await site.settle();
    await site.broker.kill();
    disk.fill(2_500_000);
    // Custody fills what is left, and stops while there still is room.
    while ((await site.statusUntil('the daemon answers', () => true)).journal.room !== 'custody') {
      site.feed.scan(100);
      const { last } = site.feed;
      await site.statusUntil(`${last} scans are taken or counted`, ({ journal }) => journal.waiting === 0);
    }
    expect(disk.freeBytes).toBeGreaterThan(200_000);
    expect(disk.has('reserve')).toBe(true);
    const full = await site.statusUntil('all is durable', ({ journal }) => journal.waiting === 0);
    expect(full.journal.writer).toBe('open');
    site.feed.scan(100);
    // Somebody else takes the rest. How an episode ends is said all the same, out of the reserve.
    disk.fill(0);
    await playEpisode(site, 'a1');
    await site.statusUntil('its end is durable', ({ log }) => (log?.entries ?? 0) > (full.log?.entries ?? 0));
    expect(disk.has('reserve')).toBe(false);
    disk.empty();
    await site.broker.restart();
    await site.statusUntil('there is room', ({ journal }) => journal.writer === 'open' && journal.room === 'ok');
    expect(disk.has('reserve')).toBe(true);
    await site.settle();
    site.judge();
    const { stored, blind, made } = accounted(site);
    expect(blind).toBeGreaterThanOrEqual(100);
    expect(stored + blind).toBe(made);
    expect(new Set(blindWindows(site).map(({ cause }) => cause))).toEqual(new Set(['disk_full']));
  });
});

/** A door opens, a parcel is put in, the door shuts; each for as long as the daemon needs to believe it. */
async function playEpisode(rigged: Rig, compartment: string): Promise<void> {
  const { site } = rigged;
  if (site === undefined) throw new Error('a rig with a board');
  const seen = async (): Promise<void> => {
    const enough = site.requests('bank') + 6;
    await until('the board is polled', () => site.requests('bank') >= enough);
  };
  site.open(compartment);
  site.put(compartment);
  await seen();
  site.shut(compartment);
  await seen();
}

describe("the consumer's disk", () => {
  test.each([
    ['an fsync that fails', 'fdatasync:error=EIO'],
    ['a full disk', 'pwrite64:error=ENOSPC'],
  ])('%s: no receipt for what is not stored, and receipts go on afterwards', async (_what, inject) => {
    const site = await newRig({ receive: { status_interval_s: 1 } });
    const logDir = logDirOf(site);
    const names = readdirSync(logDir, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ndjson'));
    const before = new Map(names.map((name) => [join(logDir, name), readFileSync(join(logDir, name))]));
    const [origin = ''] = site.oracle.origins;
    const receipted = site.oracle.receiptSize(origin);
    const logFile = site.dir.file('consumer-fault');
    const fault = await sabotage(site.consumer.pid, { inject: [inject], trace: FILE_CALLS, logFile });
    site.feed.scan(40);
    await until('the scans leave the gateway', () => site.oracle.lastScan === site.feed.last);
    await until('the store is down', () => storeState(site) === 'down');
    expect(site.oracle.receiptSize(origin)).toBe(receipted);
    expect(site.oracle.unstoredReceipts(site.stored())).toEqual([]);
    const calls = await fault.stop();
    expect(calls.filter(({ error }) => error !== undefined && inject.includes(error)).length).toBeGreaterThan(0);
    expect(judgeSyncs(calls, before, logDir).faults).toEqual([]);
    await until('the store is back', () => storeState(site) === 'ok');
    await site.settle();
    site.judge();
    expect(accounted(site)).toEqual({ stored: site.feed.last, blind: 0, made: site.feed.last });
  });
});

function logDirOf(site: Rig): string {
  const gatewayDir = join(site.storeDir, 'logs', 'gw-rig');
  return join(gatewayDir, readdirSync(gatewayDir).find((name) => name.includes('@')) ?? '');
}

function storeState(site: Rig): string {
  const status = JSON.parse(readFileSync(join(site.storeDir, 'status.json'), 'utf8')) as IntakeStatus;
  return status.store.state;
}
