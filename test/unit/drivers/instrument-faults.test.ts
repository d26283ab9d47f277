/**
 * Each instrument's driver against its simulator, with everything of the fault plan on the line at once: a damaged, echoed,
 * stale or ambiguous answer never becomes a custody fact.
 */
import { describe, expect, test } from 'vitest';
import { FaultCounts, LINE_FAULTS, type LineFault } from '../../../simulators/faults/kinds.ts';
import type { Emission } from '../../../simulators/faults/plan.ts';
import type { Instrument, InstrumentParts } from '../../../simulators/instrument.ts';
import { FaultyLine } from '../../../simulators/line/faulty-line.ts';
import { Receiver } from '../../../simulators/position/receiver.ts';
import { Scale } from '../../../simulators/scales/scale.ts';
import { code128, type Label, s10, sscc, ssccLabel, ups } from '../../../simulators/scanners/codes.ts';
import { SsiScanner } from '../../../simulators/scanners/ssi-scanner.ts';
import { UNREAD_SCALE, type Scale as Weighing, weigh } from '../../../src/edge/custody/weights.ts';
import { type TestLine, testLine } from './support.ts';

const LATE_MS = 1_500;

interface Rig<T extends Instrument> {
  readonly line: TestLine;
  readonly instrument: T;
  readonly counts: FaultCounts;
}

/** The driver and the simulator on one clock, with the fault plan between them. */
function rig<T extends Instrument>(
  device: Record<string, unknown>,
  rates: Partial<Record<LineFault, number>>,
  seed: number,
  make: (parts: InstrumentParts) => T,
): Rig<T> {
  const line = testLine({ devices: [device as never] });
  const counts = new FaultCounts();
  const { scheduler, port } = line;
  let plugged = true;
  const cable = {
    address: 'memory',
    get plugged() {
      return plugged;
    },
    send: (bytes: Uint8Array) => {
      if (plugged) port.hear(bytes);
    },
    unplug: async () => {
      plugged = false;
      port.become('lost');
    },
    plug: async () => {
      plugged = true;
      port.become('open');
    },
    close: async () => undefined,
  };
  const settings = { seed, rates, exactly: [], lateMs: LATE_MS, unplugMs: 300 };
  const faulty = new FaultyLine({ name: 'line', cable, settings, counts, scheduler });
  const instrument = make({ scheduler, counts, emit: (emission: Emission) => faulty.emit(emission) });
  port.onWrite = (bytes) => {
    if (plugged) instrument.receive(bytes);
  };
  port.become('open');
  return { line, instrument, counts };
}

/** Each fault by itself, and all of them together. */
const PLANS: readonly (readonly [string, Partial<Record<LineFault, number>>])[] = [
  ...LINE_FAULTS.map((fault) => [fault, { [fault]: 0.2 }] as const),
  ['everything', Object.fromEntries(LINE_FAULTS.map((fault) => [fault, 0.06]))],
];

interface Load {
  readonly grams: number;
  readonly fromMs: number;
  untilMs: number;
}

/** Weights that stand by custody's rule, each held against what truly lay on the scale in the time that it names. */
async function weighings(
  device: Record<string, unknown>,
  speaks: 'mt_sics' | 'toledo',
  plan: Partial<Record<LineFault, number>>,
  seed: number,
) {
  const settings = { speaks, serial: 'B1', capacityG: 60_000, settleMs: 300, everyMs: 100 } as const;
  const { line, instrument, counts } = rig(device, plan, seed, (parts) => new Scale(settings, parts));
  const loads: Load[] = [{ grams: 0, fromMs: Number.NEGATIVE_INFINITY, untilMs: Number.POSITIVE_INFINITY }];
  for (let i = 0; i < 8; i += 1) {
    await line.run(4_000, 20);
    const nowMs = line.scheduler.monotonicMs();
    const last = loads.at(-1);
    if (last !== undefined) last.untilMs = nowMs;
    const grams = 100 + ((i * 7_919) % 50_000);
    loads.push({ grams, fromMs: nowMs, untilMs: Number.POSITIVE_INFINITY });
    instrument.put(grams);
  }
  await line.run(6_000, 20);
  instrument.close();
  let scale: Weighing = UNREAD_SCALE;
  const told: number[] = [];
  for (const reading of line.readings) {
    if (reading.kind === 'device' && reading.state !== 'found') scale = UNREAD_SCALE;
    if (reading.kind !== 'weight') continue;
    const before = scale.standing;
    scale = weigh(scale, reading);
    const { standing } = scale;
    if (standing === undefined || standing === before) continue;
    told.push(standing.grams);
    const isTrue = loads.some(
      ({ grams, fromMs, untilMs }) =>
        grams === standing.grams && fromMs <= standing.atMs && untilMs >= standing.sinceMs,
    );
    expect(isTrue, `${standing.grams} g between ${standing.sinceMs} and ${standing.atMs}`).toBe(true);
  }
  return { told, counts, grams: new Set(loads.map(({ grams }) => grams)) };
}

describe('scales under every fault', () => {
  test.each(PLANS)('MT-SICS, %s: no weight that was not there', async (name, plan) => {
    const device = { driver: 'mt_sics', name: 'floor', settle_ms: 20, poll_ms: 100, reply_timeout_ms: 1_000 };
    const { told, counts } = await weighings(device, 'mt_sics', plan, 1);
    expect(told.length).toBeGreaterThan(5);
    const isOfScanners = name === 'glued_scans' || name === 'missing_suffix';
    if (name in plan && !isOfScanners) expect(counts.of(name as LineFault)).toBeGreaterThan(0);
  });

  test.each(['sir', 'sr', 's'])('MT-SICS in mode %s with everything at once', async (mode) => {
    const device = {
      driver: 'mt_sics',
      name: 'floor',
      settle_ms: 20,
      mode,
      reply_timeout_ms: 2_500,
      latency_ms: 2_000,
    };
    const everything = Object.fromEntries(LINE_FAULTS.map((fault) => [fault, 0.04]));
    const { told } = await weighings(device, 'mt_sics', everything, 2);
    expect(told.length).toBeGreaterThan(3);
  });

  test.each(PLANS)('Toledo, %s: no weight that was not there', async (_, plan) => {
    const device = { driver: 'toledo_continuous', name: 'floor', settle_ms: 20, latency_ms: 2_000 };
    const { told } = await weighings(device, 'toledo', plan, 3);
    expect(told.length).toBeGreaterThan(5);
  });
});

describe('an SSI scanner under every fault', () => {
  test.each(PLANS)('%s: every scan is a label that was held before it, and none is told twice', async (name, plan) => {
    const device = { driver: 'ssi_scanner', name: 'desk', settle_ms: 20, debounce_ms: 0 };
    const settings = { revision: 'PAABLS00', aim: true };
    const { line, instrument, counts } = rig(device, plan, 5, (parts) => new SsiScanner(settings, parts));
    const labels: Label[] = [];
    await line.run(2_000, 10);
    for (let i = 1; i <= 30; i += 1) {
      const label = i % 3 === 0 ? ssccLabel(sscc(i)) : code128(i % 3 === 1 ? s10(i) : ups(i));
      labels.push(label);
      instrument.scan(label);
      await line.run(3_000, 20);
    }
    await line.run(8_000, 20);
    instrument.close();
    const held = labels.map(({ text }) => text);
    const scans = line.scans().filter(({ quarantined }) => quarantined === undefined);
    for (const { code } of scans) expect(held).toContain(code.text);
    for (const text of held) expect(scans.filter(({ code }) => code.text === text).length).toBeLessThanOrEqual(1);
    expect(scans.length).toBeGreaterThan(name === 'unplug' ? 8 : 18);
    if (name === 'bit_flip') expect(counts.of('retransmitted')).toBeGreaterThan(0);
  });
});

describe('a position receiver under every fault', () => {
  test.each(PLANS)('%s: every fix is where it stood', async (_, plan) => {
    const device = { driver: 'nmea', name: 'gps', settle_ms: 20 };
    const { line, instrument } = rig(device, plan, 7, (parts) => new Receiver({ talker: 'GN', everyMs: 1_000 }, parts));
    const places = [
      { lat: 48.117_3, lon: 11.516_7 },
      { lat: -33.856_66, lon: 151.215_3 },
      { lat: 0.000_5, lon: -70.5 },
    ];
    for (const place of places) {
      instrument.move(place);
      await line.run(25_000, 25);
      instrument.move(undefined);
      await line.run(5_000, 25);
    }
    instrument.close();
    const positions = line.readings.filter((reading) => reading.kind === 'position');
    const fixes = positions.flatMap(({ fix }) => (fix === undefined ? [] : [fix]));
    for (const fix of fixes) {
      const isTrue = places.some(
        ({ lat, lon }) => Math.abs(lat * 1e6 - fix.latitude) <= 2 && Math.abs(lon * 1e6 - fix.longitude) <= 2,
      );
      expect(isTrue, JSON.stringify(fix)).toBe(true);
    }
    expect(fixes.length).toBeGreaterThan(25);
    expect(positions.length).toBeGreaterThan(fixes.length);
  });
});
