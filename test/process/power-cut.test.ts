import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { diceOf } from '../../simulators/dice.ts';
import { startBroker, type TestBroker } from '../support/broker.ts';
import { judgeCovered } from './support/covered.ts';
import { chooseCuts, missingAfter, replay, startAfter, type TracedRun, traceLoad } from './support/power-cut.ts';
import { makeRig, type Rig } from './support/rig.ts';

const SEED = 20_261_124;
const CUTS = 20;
const STARTS = 3;
/** So many small commits that the write-ahead log is taken over into the database on the way. */
const SINGLES = 350;

const JOURNAL = { group_commit_ms: 0, reserve_mib: 1, free_min_mib: 0 };

let rig: Rig<TestBroker>;
let run: TracedRun;

beforeAll(async () => {
  rig = await makeRig({ broker: await startBroker(), protocol: '3.1.1', gateway: { journal: JOURNAL } });
  await rig.gateway.stop();
  // The start makes a new log too: file, key and names are written under the trace.
  rmSync(join(rig.gatewayData, 'journal'), { recursive: true });
  run = await traceLoad(rig, { bursts: [300, 3_500, 20], singles: SINGLES });
});
afterAll(() => rig.close());

describe('a power cut', () => {
  test('no byte of a batch reaches a socket before the fsync that covers it', () => {
    const judge = judgeCovered(run.calls, run.messages, rig.gatewayData);
    const report = judge();
    expect(report.faults).toEqual([]);
    expect(report.batches).toBeGreaterThan(200);
    expect(report.entries).toBeGreaterThan(4_150);
    // The load was enough for a checkpoint in the middle: the database itself was written and synced.
    const isLog = (path: string | undefined): boolean => /\/\d+-[0-9a-f]{8}\.db$/.test(path ?? '');
    const middle = run.messages.at(-2)?.firstLine ?? 0;
    const pages = run.calls.filter((call) => call.name === 'pwrite64' && isLog(call.args[0]?.path));
    expect(pages.filter((call) => call.startLine < middle).length).toBeGreaterThan(100);
    // The judge sees what is not synced: the same trace, as of a daemon that leaves one sync out.
    const syncs = run.calls.filter((call) => /-wal$/.test(call.args[0]?.path ?? '') && /sync$/.test(call.name));
    const noticed = syncs.slice(-40).filter((one) => judge((call) => call !== one).faults.length > 0);
    // How many of them covered something by themselves hangs on how busy the machine was.
    expect(noticed.length).toBeGreaterThan(2);
  });

  test(`at ${CUTS} points leaves everything that was published, whatever of the unsynced survives`, async () => {
    const dice = diceOf(SEED, 'cuts');
    const random = (): number => dice.next();
    const cuts = chooseCuts(run, CUTS, random);
    const started = new Set(Array.from({ length: STARTS }, (_, i) => Math.floor(((i + 0.5) * CUTS) / STARTS)));
    let published = 0;
    await replay(rig, run, cuts, random, async (cut, nth) => {
      expect(missingAfter(cut)).toEqual([]);
      if (cut.seen.length > 0) published += 1;
      if (started.has(nth)) expect(await startAfter(rig, run, cut)).toEqual([]);
    });
    expect(published).toBeGreaterThan(CUTS / 2);
  });

  test('would be noticed, had it cost anything: the same cuts on a disk that syncs nothing', async () => {
    const dice = diceOf(SEED, 'cuts');
    const random = (): number => dice.next();
    const cuts = chooseCuts(run, CUTS, random)
      .filter(({ survivors }) => survivors === 'none')
      .slice(-3);
    const isLog = (path = ''): boolean => /\.db(-wal)?$/.test(path);
    const moments = run.moments.filter(({ call }) => !(/sync$/.test(call.name) && isLog(call.args[0]?.path)));
    let noticed = 0;
    await replay(rig, { ...run, moments }, cuts, random, (cut) => {
      if (missingAfter(cut).some((fault) => /was published and is missing/.test(fault))) noticed += 1;
    });
    expect(noticed).toBe(cuts.length);
  });
});
