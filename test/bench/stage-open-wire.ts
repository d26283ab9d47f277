/**
 * The open wire beside the plain 8A/80 protocol at the speeds of real lines: the drivers of the gateway, firmware in C and a simulated
 * board, each on a cable that takes as long as a real one. What a frame costs both processors is measured without a line.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { stringify } from 'yaml';
import { MemoryMetrics } from '../../src/base/metrics.ts';
import { systemScheduler } from '../../src/base/system-scheduler.ts';
import { createLine } from '../../src/edge/drivers/create-line.ts';
import { lineShape } from '../../src/edge/drivers/settings.ts';
import { createPort } from '../../src/edge/ports/create-port.ts';
import { linkSchema } from '../../src/edge/ports/settings.ts';
import { startLatchkey } from '../support/child.ts';
import { compileFirmware } from '../support/firmware.ts';
import { startLocker } from '../support/locker.ts';
import { pairAt, wireSettings } from '../support/wire-line.ts';
import { sealedLine, verdictOf } from '../support/wire-verdict.ts';
import type { Bench, OpenWireFigures, WireCost, WireLine } from './bench.ts';
import { type Exchange, openPacedCable } from './paced-cable.ts';

const BAUDS = [9_600, 115_200] as const;
const CHANNELS = 12;
const LOOKS = 300;
const LIMIT_MS = 180_000;
const CPU_SIZES = [5, 32, 250] as const;
const CPU_ROUNDS = 5_000;

export async function measureOpenWire(bench: Pick<Bench, 'folder' | 'own' | 'progress'>): Promise<OpenWireFigures> {
  const dir = join(bench.folder, 'open-wire');
  mkdirSync(dir);
  const lines: WireLine[] = [];
  const locker = await startLocker({ dir, sanitized: false });
  const settings = wireSettings('bank', join(dir, 'keys.json'));
  await pairAt(locker.path, settings, locker.pairingCode);
  for (const baud of BAUDS) lines.push(await measureLine('open wire', locker.path, settings, baud));
  await locker.stop();

  const site = join(dir, 'site.yaml');
  const board = { name: 'board', address: 1, channels: CHANNELS, turnaround_ms: 0 };
  // Its own idea of the line's time would come on top of the cable's.
  const sites = [{ name: 'plain', family: 'xor_8a80', baud: 921_600, boards: [board] }];
  writeFileSync(site, stringify({ name: 'plain', links_dir: dir, lines: sites }));
  const simulator = bench.own(startLatchkey(['simulate', '--site', site]));
  await simulator.line(/plain/);
  const plain = { driver: 'xor_8a80', name: 'board', address: 1, channels: CHANNELS };
  for (const baud of BAUDS) lines.push(await measureLine('8A/80', join(dir, 'plain'), plain, baud));
  await simulator.stop();

  for (const { protocol, baud, p50Ms, perS } of lines) {
    bench.progress(`${protocol} at ${baud} baud: a look in ${p50Ms.toFixed(1)} ms, ${perS.toFixed(0)}/s`);
  }
  return { lines, costs: costs() };
}

async function measureLine(protocol: string, path: string, device: object, baud: number): Promise<WireLine> {
  const cable = await openPacedCable(path, baud);
  const scheduler = systemScheduler();
  const silent = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };
  const logger = { ...silent, child: () => logger };
  const metrics = new MemoryMetrics();
  const poll = lineShape.poll.parse({ turnaround_ms: 2 });
  const settings = { poll: { ...poll, cycle_ms: 0 }, devices: lineShape.devices.parse([device]) };
  const startMs = performance.now();
  const upMs = (): number => Math.trunc(performance.now() - startMs);
  const link = linkSchema.parse({ kind: 'serial', path: cable.path });
  let looks = 0;
  const line = createLine({
    port: createPort({ settings: { name: 'line', link }, baudDefault: baud, scheduler, logger, metrics }),
    settings,
    baud,
    sink: (reading) => {
      if (reading.kind === 'board') looks += 1;
    },
    observer: { observe: () => ({ wallMs: 0, upMs: upMs(), clock: { src: 'none' } }) },
    scheduler,
    logger,
    metrics,
  });
  try {
    line.start();
    // What comes first is a handshake, or a search for an echo.
    await waitFor(
      () => looks >= 10,
      () => `${protocol}: ${JSON.stringify(line.status())}`,
    );
    cable.take();
    const from = looks;
    await waitFor(
      () => looks >= from + LOOKS,
      () => `${protocol}: ${looks - from} looks`,
    );
    return figuresOf(protocol, baud, cable.take());
  } finally {
    await line.stop();
    await cable.close();
  }
}

async function waitFor(holds: () => boolean, why: () => string): Promise<void> {
  const endMs = performance.now() + LIMIT_MS;
  while (!holds()) {
    if (performance.now() > endMs) throw new Error(`waited ${LIMIT_MS} ms in vain: ${why()}`);
    await pause(5);
  }
}

function figuresOf(protocol: string, baud: number, exchanges: readonly Exchange[]): WireLine {
  const sorted = exchanges.map(({ ms }) => ms).sort((a, b) => a - b);
  const at = (share: number): number => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0;
  const apartMs = exchanges.reduce((sum, one) => sum + one.apartMs, 0) / exchanges.length;
  const usual = usualOf(exchanges);
  return {
    protocol,
    baud,
    looks: exchanges.length,
    bytesOut: usual.bytesOut,
    bytesBack: usual.bytesBack,
    leastMs: at(0),
    p50Ms: at(0.5),
    p99Ms: at(0.99),
    perS: 1_000 / apartMs,
  };
}

/** The exchange in the middle of all, by its bytes: a poll, not what comes once a minute. */
function usualOf(exchanges: readonly Exchange[]): Exchange {
  const sorted = [...exchanges].sort((a, b) => a.bytesOut + a.bytesBack - b.bytesOut - b.bytesBack);
  const usual = sorted[Math.floor(sorted.length / 2)];
  if (usual === undefined) throw new Error('expected exchanges, found none');
  return usual;
}

/** A frame sealed, framed, cut out of the bytes again, and opened: one side's whole work for it, twice. */
function costs(): readonly WireCost[] {
  const program = compileFirmware({ main: 'test/harness.c', sanitized: false });
  const told = execFileSync(program, ['bench'], { timeout: LIMIT_MS }).toString().trim().split('\n');
  const inC = new Map(told.map((line): [number, number] => [Number(line.split(' ')[0]), Number(line.split(' ')[1])]));
  return CPU_SIZES.map((bodyBytes) => {
    const plain = new Uint8Array(bodyBytes + 1).fill(0x19);
    const run = (): void => {
      for (let i = 0; i < CPU_ROUNDS; i += 1) {
        const verdict = verdictOf(sealedLine(false, 7, i, plain));
        if (!verdict.endsWith(' ok;')) throw new Error(verdict);
      }
    };
    // Once for the compiler.
    run();
    const before = process.cpuUsage();
    run();
    const { user, system } = process.cpuUsage(before);
    return { bodyBytes, cUs: inC.get(bodyBytes) ?? 0, tsUs: (user + system) / CPU_ROUNDS };
  });
}
