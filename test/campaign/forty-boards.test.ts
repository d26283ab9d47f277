/**
 * Forty lock boards on four lines at 9,600 baud, in real time: the simulated boards wait for as long as each byte takes on
 * a wire. How long a cycle is, whether a door that stands open for longer goes unseen, and what the daemon costs.
 */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { diceOf } from '../../simulators/dice.ts';
import { siteSchema } from '../../simulators/site/settings.ts';
import { type Site, startSite } from '../../simulators/site.ts';
import type { GatewayStatus } from '../../src/edge/gateway/status.ts';
import { cpuSeconds } from '../bench/proc.ts';
import { startWithPorts, storedEvents } from '../process/support/cables.ts';
import { makeRig, type Rig } from '../process/support/rig.ts';
import { startBroker } from '../support/broker.ts';
import { campaignSeed, recordResult } from './support/results.ts';

const LINES = ['line-1', 'line-2', 'line-3', 'line-4'] as const;
const BOARDS = 10;
const CHANNELS = 24;
const BAUD = 9_600;
const BOARD_MS = 5;
/** The boards are played on this very machine: where it is late, they did not go away. */
const REPLY_MS = 600;
const RUN_MS = 60_000;
const HANDS = 6;
/** A change is asked for again at once, behind one other question. */
const CONFIRM_MS = 200;
const CALM_MS = 20_000;
const CPU_MAX_PERCENT = 10;
/** A change of a door writes what it changed: more would be a room that is written whole again. */
const CPU_BUSY_MAX_PERCENT = 13;

let rig: Rig;
let site: Site;
let startedMs: number;

beforeEach(async () => {
  startedMs = Date.now();
  const board = (line: string, index: number): object => {
    const name = `${line}-b${index + 1}`;
    return { name, address: index + 1, channels: CHANNELS, turnaround_ms: BOARD_MS };
  };
  const lines = LINES.map((name) => ({
    name,
    tcp: {},
    family: 'xor_8a80',
    baud: BAUD,
    boards: Array.from({ length: BOARDS }, (_, index) => board(name, index)),
  }));
  site = await startSite({ site: siteSchema.parse({ name: 'forty', lines }) });
  rig = await makeRig({ broker: await startBroker(), protocol: '3.1.1' });
});
afterEach(async () => {
  await rig.close();
  await site.close();
});

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function doors(): readonly object[] {
  return site.cells().map(({ name, board, channel }) => ({ name, device: board, channel, polarity: 'closed_is_1' }));
}

function ports(): readonly object[] {
  return LINES.map((name) => {
    const [host = '', port = ''] = site.address(name).split(':');
    const devices = Array.from({ length: BOARDS }, (_, index) => {
      return { driver: 'xor_8a80', name: `${name}-b${index + 1}`, address: index + 1, channels: CHANNELS };
    });
    return {
      name,
      link: { kind: 'tcp', host, port: Number(port), baud: BAUD },
      poll: { cycle_ms: 50, reply_timeout_ms: REPLY_MS },
      devices,
    };
  });
}

async function cpuPercentOver(ms: number): Promise<number> {
  const before = cpuSeconds(rig.gateway.pid);
  const fromMs = performance.now();
  await pause(ms);
  return (100 * (cpuSeconds(rig.gateway.pid) - before)) / ((performance.now() - fromMs) / 1_000);
}

function isDoor(type: string): boolean {
  return type === 'door.opened' || type === 'door.closed';
}

interface Opening {
  readonly cell: string;
  readonly forMs: number;
}

function cycles({ lines }: GatewayStatus): readonly number[] {
  return lines.flatMap((line) => (line.cycleMs === undefined ? [] : [line.cycleMs]));
}

/** One pair of hands: doors that nobody else touches, each open for a while and shut for longer. */
async function openAndShut(cells: readonly string[], dice: () => number, endMs: number): Promise<readonly Opening[]> {
  const openings: Opening[] = [];
  for (let turn = 0; performance.now() < endMs; turn += 1) {
    const cell = cells[turn % cells.length] ?? '';
    const fromMs = performance.now();
    site.open(cell);
    await pause(300 + 2_700 * dice());
    site.shut(cell);
    openings.push({ cell, forMs: performance.now() - fromMs });
    await pause(300);
  }
  return openings;
}

test('forty boards on four lines at 9,600 baud', async () => {
  const seed = campaignSeed();
  const dice = diceOf(seed, 'hands');
  rig.gatewaySettings = { ...rig.gatewaySettings, custody: { compartments: doors() } };
  await startWithPorts(rig, ports());
  const found = (status: GatewayStatus): boolean =>
    status.lines
      .flatMap(({ devices }) => devices)
      .filter(({ state, driver }) => state === 'found' && driver === 'xor_8a80').length ===
      LINES.length * BOARDS && status.custody.compartments.every(({ door }) => door === 'shut');
  await rig.statusUntil('every door is seen shut', found);
  await pause(3_000);

  const calmPercent = await cpuPercentOver(CALM_MS);
  const fromMs = performance.now();
  const cpuBefore = cpuSeconds(rig.gateway.pid);
  const names = site.cells().map(({ name }) => name);
  const share = Math.floor(names.length / HANDS);
  const hands = Array.from({ length: HANDS }, (_, hand) =>
    openAndShut(names.slice(hand * share, (hand + 1) * share), () => dice.next(), fromMs + RUN_MS),
  );
  const seenCycles: number[] = [];
  while (performance.now() < fromMs + RUN_MS) {
    await pause(3_000);
    const now = await rig.status();
    if (now !== undefined) seenCycles.push(...cycles(now));
  }
  const openings = (await Promise.all(hands)).flat();
  const busySeconds = cpuSeconds(rig.gateway.pid) - cpuBefore;
  const busyPercent = (100 * busySeconds) / ((performance.now() - fromMs) / 1_000);
  await pause(2_000);
  const status = await rig.statusUntil('every door is seen shut again', found);
  await rig.settleAndJudge();

  const sorted = [...seenCycles].sort((a, b) => a - b);
  const [shortest = 0, median = 0, longest = 0] = [0, 0.5, 1].map(
    (part) => sorted[Math.round(part * (sorted.length - 1))],
  );
  const events = storedEvents(rig);
  const told = (type: string, cell: string): number =>
    events.filter((event) => event.type === type && event.compartment === cell).length;
  const spans = events.flatMap(({ type, seen }) =>
    isDoor(type) && seen !== undefined ? [seen.to_ms - seen.from_ms] : [],
  );
  // What the events themselves state of the time between two looks, or a whole cycle where that took longer.
  const unseenMs = Math.max(longest, ...spans);
  const long = openings.filter(({ forMs }) => forMs > unseenMs + CONFIRM_MS);
  expect(long.length, `of ${openings.length}; cycle ${median}, ${shortest} to ${longest}`).toBeGreaterThan(30);
  const missed = long.filter(({ cell }) => told('door.opened', cell) === 0 || told('door.closed', cell) === 0);
  expect(missed).toEqual([]);
  // Each of these doors was opened once or a few times: no more is told than what happened.
  for (const cell of new Set(openings.map((each) => each.cell))) {
    const times = openings.filter((each) => each.cell === cell);
    expect(told('door.opened', cell), cell).toBeLessThanOrEqual(times.length);
    expect(told('door.opened', cell), cell).toBeGreaterThanOrEqual(times.filter((each) => long.includes(each)).length);
  }
  const worst = Math.max(
    ...status.lines.flatMap(({ devices }) => devices.map(({ polls }) => polls?.unseenWorstMs ?? 0)),
  );
  const bound = Math.max(...status.lines.map(({ unseenMaxMs = 0 }) => unseenMaxMs));
  expect(Math.max(...spans)).toBeLessThanOrEqual(worst + 1);
  expect(worst).toBeLessThanOrEqual(bound);
  expect(calmPercent).toBeLessThan(CPU_MAX_PERCENT);
  expect(busyPercent).toBeLessThan(CPU_BUSY_MAX_PERCENT);
  const counts = [
    `cycle ${median} ms (${shortest} to ${longest}), changes seen within ${Math.max(...spans)} ms (since the start ${worst}, bound ${bound})`,
    `${openings.length} openings, ${long.length} longer than that, none of them missed`,
    `${calmPercent.toFixed(1)} % of a core while doors rest, ${busyPercent.toFixed(1)} % with ${HANDS} doors moving`,
  ];
  await recordResult({
    scenario: 'forty lock boards on four lines at 9,600 baud',
    counts: counts.join('; '),
    seed,
    startedMs,
  });
});
