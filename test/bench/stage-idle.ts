/** A quiet site: sixteen boards polled at the default pace, and nothing happens. */

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { stringify } from 'yaml';
import { startLatchkey } from '../support/child.ts';
import type { Bench, IdleFigures } from './bench.ts';
import { ReceiptGiver, statusOf } from './children.ts';
import { cpuSeconds, residentMb } from './proc.ts';
import { type BenchSite, makeSite } from './site.ts';

const BUSES = 4;
const BOARDS_EACH = 4;
const CHANNELS = 16;
const IDLE_S = 15;
const FOUND_LIMIT_MS = 60_000;

interface Board {
  readonly name: string;
  readonly address: number;
  readonly channels: number;
}

export async function measureIdle(bench: Bench): Promise<IdleFigures> {
  const linksDir = join(bench.folder, 'links');
  mkdirSync(linksDir);
  const buses = Array.from({ length: BUSES }, (_, bus) => ({
    name: `bus-${bus}`,
    family: bus % 2 === 0 ? 'xor_8a80' : 'kerong_cu16',
    boards: Array.from(
      { length: BOARDS_EACH },
      (_unused, i): Board => ({ name: `board-${bus}-${i}`, address: i + 1, channels: CHANNELS }),
    ),
  }));
  const siteFile = join(bench.folder, 'site.yaml');
  const lines = buses.map(({ name, family, boards }) => ({ name, pty: { link: name }, family, boards }));
  writeFileSync(siteFile, stringify({ name: 'idle', links_dir: linksDir, lines }));
  const simulator = bench.own(startLatchkey(['simulate', '--site', siteFile]));
  await simulator.line(/bus-3/);

  const site = makeSite({
    parent: bench.folder,
    name: 'idle',
    brokerUrl: bench.broker.url,
    ports: buses.map(({ name, family, boards }) => ({
      name,
      link: { kind: 'serial', path: join(linksDir, name) },
      devices: boards.map((board) => ({ driver: family, ...board })),
    })),
    compartments: buses.flatMap(({ boards }) =>
      boards.flatMap(({ name }) =>
        Array.from({ length: CHANNELS }, (_, i) => ({
          name: `${name}.${i + 1}`,
          device: name,
          channel: i + 1,
          polarity: 'closed_is_1',
        })),
      ),
    ),
  });
  const giver = await ReceiptGiver.start(bench.broker.url, site);
  const daemon = bench.own(startLatchkey(['run', '--config', site.gatewayConfig]));
  const cycleMs = await untilFound(site);
  const before = cpuSeconds(daemon.pid);
  const startMs = performance.now();
  await pause(IDLE_S * 1_000);
  const seconds = (performance.now() - startMs) / 1_000;
  const cpuPct = (100 * (cpuSeconds(daemon.pid) - before)) / seconds;
  const figures = { boards: BUSES * BOARDS_EACH, seconds, cpuPct, cycleMs, rssMb: residentMb(daemon.pid) };
  await daemon.stop();
  await giver.stop();
  await simulator.stop();
  bench.progress(`idle with ${figures.boards} boards: ${cpuPct.toFixed(1)} % of a core`);
  return figures;
}

/** All boards answer; the longest round of polls, ms. */
async function untilFound(site: BenchSite): Promise<number> {
  const endMs = performance.now() + FOUND_LIMIT_MS;
  for (;;) {
    const status = await statusOf(site);
    const devices = status?.lines.flatMap((line) => line.devices) ?? [];
    if (devices.length === BUSES * BOARDS_EACH && devices.every(({ state }) => state === 'found')) {
      // A few rounds more, until everything that the first look says is written and sent.
      await pause(3_000);
      const settled = await statusOf(site);
      return Math.max(...(settled?.lines ?? []).map((line) => line.cycleMs ?? 0));
    }
    if (performance.now() > endMs) throw new Error(`not all boards were found: ${JSON.stringify(devices)}`);
    await pause(200);
  }
}
