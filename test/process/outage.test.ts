import { afterEach, describe, expect, test } from 'vitest';
import { startBroker } from '../support/broker.ts';
import { runLatchkey } from '../support/child.ts';
import { startMosquitto } from '../support/mosquitto.ts';
import { until } from '../support/until.ts';
import { drain, missingScans, recordScans, watchMemory } from './support/backlog.ts';
import { scanNumbers } from './support/oracle.ts';
import { makeRig, type Rig } from './support/rig.ts';

const EVENTS = 30_000;
const CUTS = 8;
const BACKLOG = 4_000;
const MEMORY_MAX_MIB = 180;
/** A bounded heap, so that the collector's leisure cannot be mistaken for growth, nor growth for leisure. */
const SMALL_HEAP = { NODE_OPTIONS: '--max-old-space-size=64 --max-semi-space-size=4' };

let rig: Rig | undefined;
afterEach(async () => {
  await rig?.close();
  rig = undefined;
});

function storedScans(of: Rig): readonly number[] {
  return of.stored().flatMap(({ entries }) => scanNumbers(entries.map(({ line }) => line)));
}

describe('a broker that is away', () => {
  test('30,000 events wait for it and all arrive once, in order, memory flat, with 8 cuts of the link', async () => {
    const broker = await startMosquitto();
    const site = await makeRig({ broker, env: SMALL_HEAP });
    rig = site;
    await broker.kill();
    const memory = watchMemory(site.gateway.pid);
    await recordScans(site, EVENTS / 2);
    const half = memory.takeMax();
    await recordScans(site, EVENTS / 2);
    const full = memory.takeMax();
    await broker.restart();
    await drain(site, CUTS, () => site.tap.proxy.cut());
    const drained = memory.takeMax();
    memory.stop();
    site.judge();
    expect(storedScans(site)).toHaveLength(EVENTS + 1);
    expect(missingScans(site, storedScans(site))).toEqual([]);
    // Memory follows neither what waits on the disk nor what was sent: the second half costs no more than the first.
    expect(full).toBeLessThan(half + 30);
    expect(Math.max(half, full, drained)).toBeLessThan(MEMORY_MAX_MIB);
  }, 300_000);

  test('what waits survives kills of gateway, consumer and broker during the drain', async () => {
    const broker = await startMosquitto();
    const site = await makeRig({ broker });
    rig = site;
    await broker.kill();
    await recordScans(site, BACKLOG);
    const kills = [
      async () => {
        await site.gateway.stop('SIGKILL');
        await site.startGateway();
      },
      async () => {
        await site.consumer.stop('SIGKILL');
        await site.startConsumer();
      },
      async () => {
        // It keeps nothing: retained messages are lost with it.
        await broker.kill('SIGKILL');
        await broker.restart();
      },
      async () => {
        await broker.kill('SIGKILL');
        await site.gateway.stop('SIGKILL');
        await broker.restart();
        await site.startGateway();
      },
    ];
    // Not even the network is there when the gateway starts with its backlog.
    await site.gateway.stop('SIGKILL');
    await site.startGateway();
    await broker.restart();
    await drain(site, kills.length, (nth) => kills[nth - 1]?.());
    site.judge();
    expect(missingScans(site, storedScans(site))).toEqual([]);
  });
});

describe('a broker that acknowledges and forgets', () => {
  test('prunes nothing, and everything arrives later', async () => {
    const broker = await startBroker();
    const site = await makeRig({
      broker,
      protocol: '3.1.1',
      gateway: { journal: { keep_days: 0, reserve_mib: 1, free_min_mib: 0 } },
    });
    rig = site;
    const { log: before } = await site.receipted();
    let forgotten = 0;
    broker.judge(({ topic }) => {
      if (!topic.endsWith('/batch')) return 'deliver';
      forgotten += 1;
      return 'forget';
    });
    await recordScans(site, 600);
    // The same entries are sent again and again, since no receipt comes.
    await until('batches are acknowledged and forgotten', () => forgotten >= 6);
    const { log } = await site.statusUntil('the daemon answers', () => true);
    expect(log.receipted).toBe(before.entries);
    const out = site.dir.file('export.ndjson');
    const config = site.dir.file('gateway.yaml');
    const exported = await runLatchkey([
      'journal',
      'export',
      '--config',
      config,
      '--from',
      String(log.receipted),
      '-o',
      out,
      '--json',
    ]);
    expect(exported.code).toBe(0);
    expect(JSON.parse(exported.err)).toMatchObject({ entries: log.entries - log.receipted, size: log.entries });
    broker.judge(() => 'deliver');
    await site.settle();
    site.judge();
    expect(missingScans(site, storedScans(site))).toEqual([]);
  });
});
