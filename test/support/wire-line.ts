/** The driver of the open wire on a real port, and what it reported: for tests with firmware in C. */
import { MemoryMetrics } from '../../src/base/metrics.ts';
import { systemScheduler } from '../../src/base/system-scheduler.ts';
import type { Port } from '../../src/edge/contracts/port.ts';
import type { Reading } from '../../src/edge/contracts/reading.ts';
import { LatchkeyLine } from '../../src/edge/drivers/latchkey/latchkey-line.ts';
import { pairDevice, parsePairingCode } from '../../src/edge/drivers/latchkey/pair.ts';
import { type LatchkeySettings, latchkeySettings } from '../../src/edge/drivers/latchkey/settings.ts';
import type { PairedDevice } from '../../src/edge/drivers/line.ts';
import { createPort } from '../../src/edge/ports/create-port.ts';
import { linkSchema } from '../../src/edge/ports/settings.ts';

const scheduler = systemScheduler();
const silent = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };
const logger = { ...silent, child: () => logger };
const BAUD = 115_200;
const PAIR_LIMIT_MS = 60_000;

export function wireSettings(name: string, keyFile: string, more: object = {}): LatchkeySettings {
  return latchkeySettings.parse({ driver: 'latchkey', name, channels: 12, key_file: keyFile, ...more });
}

function portAt(path: string, metrics: MemoryMetrics): Port {
  const settings = { name: 'wire', link: linkSchema.parse({ kind: 'serial', path }) };
  return createPort({ settings, baudDefault: BAUD, scheduler, logger, metrics });
}

export function pairAt(path: string, settings: LatchkeySettings, code: string, marginMs = 200): Promise<PairedDevice> {
  const parsed = parsePairingCode(code);
  if (!parsed.ok) throw new Error(parsed.detail);
  const port = portAt(path, new MemoryMetrics());
  const signal = AbortSignal.timeout(PAIR_LIMIT_MS);
  return pairDevice({ port, baud: BAUD, marginMs, scheduler, signal, say: () => undefined, settings }, parsed.value);
}

export interface RunningLine {
  readonly line: LatchkeyLine;
  readonly readings: readonly Reading[];
  readonly metrics: MemoryMetrics;
  /** `found authenticated`, oldest first. */
  changes(device: string): readonly string[];
}

/** `wallMs`: what the clock shows, where somebody says where it has it from. */
export function startLine(
  path: string,
  devices: readonly LatchkeySettings[],
  marginMs = 200,
  wallMs?: () => number,
  recorded?: () => Promise<void>,
): RunningLine {
  const readings: Reading[] = [];
  const metrics = new MemoryMetrics();
  const startMs = scheduler.monotonicMs();
  const upMs = (): number => Math.trunc(scheduler.monotonicMs() - startMs);
  const line = new LatchkeyLine({
    port: portAt(path, metrics),
    sink: (reading) => void readings.push(reading),
    observer: {
      observe: () => ({
        wallMs: wallMs?.() ?? 0,
        upMs: upMs(),
        clock: { src: wallMs === undefined ? ('none' as const) : ('ntp' as const) },
      }),
    },
    ...(recorded !== undefined && { recorded }),
    scheduler,
    logger,
    metrics,
    devices,
    baud: BAUD,
    cycleMs: 20,
    marginMs,
  });
  line.start();
  const changes = (device: string): readonly string[] =>
    readings.flatMap((one) => (one.kind === 'device' && one.device === device ? [`${one.state} ${one.reason}`] : []));
  return { line, readings, metrics, changes };
}
