/** Real serial ports and TCP, real drivers, and a simulated site on the other end of the cables. */
import { readlink } from 'node:fs/promises';
import { afterAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { code128, ssccLabel } from '../../../simulators/scanners/codes.ts';
import { type SiteSettingsInput, siteSchema } from '../../../simulators/site/settings.ts';
import { type Site, startSite } from '../../../simulators/site.ts';
import { silentLogger } from '../../../src/base/logger.ts';
import { MemoryMetrics } from '../../../src/base/metrics.ts';
import { systemScheduler } from '../../../src/base/system-scheduler.ts';
import type { BoardReading, Reading, ScanReading } from '../../../src/edge/contracts/reading.ts';
import { createLine } from '../../../src/edge/drivers/create-line.ts';
import type { Line } from '../../../src/edge/drivers/line.ts';
import { lineBaud, lineShape } from '../../../src/edge/drivers/settings.ts';
import { createPort } from '../../../src/edge/ports/create-port.ts';
import { portShape } from '../../../src/edge/ports/settings.ts';
import { until } from '../../support/until.ts';
import { usualMs } from '../../support/usual.ts';

const scheduler = systemScheduler();
const entrySchema = z.strictObject({ ...portShape, ...lineShape });
const ends: (() => Promise<unknown>)[] = [];

// The tests mostly wait for lines at their true speed: they do so side by side.
afterAll(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

async function site(settings: SiteSettingsInput): Promise<Site> {
  const made = await startSite({ site: siteSchema.parse(settings) });
  ends.push(() => made.close());
  return made;
}

interface Bench {
  readonly line: Line;
  readonly readings: Reading[];
  readonly metrics: MemoryMetrics;
  boards(device: string): readonly BoardReading[];
  scans(): readonly ScanReading[];
  changes(device: string): readonly string[];
}

function bench(entry: z.input<typeof entrySchema>): Bench {
  const { name, link, poll, devices } = entrySchema.parse(entry);
  const readings: Reading[] = [];
  const metrics = new MemoryMetrics();
  const baudDefault = lineBaud(devices) ?? 9_600;
  const parts = { scheduler, logger: silentLogger, metrics };
  const startMs = scheduler.monotonicMs();
  const line = createLine({
    ...parts,
    port: createPort({ ...parts, settings: { name, link }, baudDefault }),
    settings: { poll, devices },
    baud: link.baud ?? baudDefault,
    sink: (reading) => readings.push(reading),
    observer: {
      observe: () => ({
        wallMs: scheduler.wallMs(),
        upMs: Math.floor(scheduler.monotonicMs() - startMs),
        clock: { src: 'none' },
      }),
    },
  });
  ends.push(() => line.stop());
  line.start();
  return {
    line,
    readings,
    metrics,
    boards: (device) =>
      readings.filter((reading) => reading.kind === 'board').filter((reading) => reading.device === device),
    scans: () => readings.filter((reading) => reading.kind === 'scan'),
    changes: (device) =>
      readings
        .filter((reading) => reading.kind === 'device')
        .filter((reading) => reading.device === device)
        .map((reading) => `${reading.state} ${reading.reason}`),
  };
}

/** Channels whose feedback is 0, which here means an open door, and those with an item. */
function seen(reading: BoardReading | undefined): {
  readonly open: readonly number[];
  readonly items: readonly number[];
} {
  const channels = reading?.channels ?? [];
  return {
    open: channels.filter((each) => each.feedback === 0).map((each) => each.channel),
    items: channels.filter((each) => each.item === 1).map((each) => each.channel),
  };
}

function tcpLink(address: string): { readonly kind: 'tcp'; readonly host: string; readonly port: number } {
  const [host = '', port = ''] = address.split(':');
  return { kind: 'tcp', host, port: Number(port) };
}

// Where nothing is late on purpose, a board that the machine holds up for a second is not yet a silent one.
const POLL = { cycle_ms: 100, reply_timeout_ms: 2_000 } as const;
const LEFT = { driver: 'kerong_cu16', name: 'left', address: 3, item_sensors: true } as const;
const FAR = { driver: 'xor_8a80', name: 'far', address: 1, channels: 24 } as const;

const YARD: SiteSettingsInput = {
  name: 'yard',
  lines: [
    { name: 'bus', pty: {}, family: 'kerong_cu16', boards: [{ name: 'left', address: 3, item_sensors: true }] },
    { name: 'far', tcp: {}, family: 'xor_8a80', boards: [{ name: 'far', address: 1, channels: 24, reports: 0x81 }] },
    { name: 'desk', pty: {}, scanner: {} },
  ],
};

describe.concurrent('lines of a simulated site', () => {
  test('what hands do at the compartments is read, on a serial port and over TCP', async () => {
    const yard = await site(YARD);
    const bus = bench({
      name: 'bus',
      link: { kind: 'serial', path: yard.address('bus') },
      poll: POLL,
      devices: [LEFT],
    });
    const far = bench({ name: 'far', link: tcpLink(yard.address('far')), poll: POLL, devices: [FAR] });
    await until('readings of all shut', () => bus.boards('left').length > 0 && far.boards('far').length > 0);
    expect(seen(bus.boards('left').at(-1))).toEqual({ open: [], items: [] });
    yard.open('left.3');
    yard.put('left.3');
    yard.open('far.17');
    await until(
      'the open doors',
      () => seen(bus.boards('left').at(-1)).items.length === 1 && seen(far.boards('far').at(-1)).open.length === 1,
    );
    expect(seen(bus.boards('left').at(-1))).toEqual({ open: [3], items: [3] });
    expect(seen(far.boards('far').at(-1)).open).toEqual([17]);
    yard.shut('left.3');
    await until('the shut door', () => seen(bus.boards('left').at(-1)).open.length === 0);
    expect(seen(bus.boards('left').at(-1)).items).toEqual([3]);
    expect(bus.changes('left')).toEqual(['found answered']);
    // The far board reports when it likes: that our question and its report meet is nobody's fault. On the bus we are the
    // only ones to begin, and do it only where an answer is over, or was given up.
    const givenUp = bus.metrics.value('line_timeouts', { port: 'bus' });
    expect(yard.faults('talked_over', 'bus')).toBeLessThanOrEqual(givenUp);
  });

  test.each(['kerong_cu16', 'xor_8a80'] as const)('on a bad %s line every reading is still true', async (family) => {
    const rare = ['noise', 'lost_bytes', 'bit_flip', 'no_reply', 'late_reply'] as const;
    const faults = {
      rates: { split: 0.15, echo: 0.2 },
      // Each three times, on different boards and after different neighbours.
      exactly: [0, 1, 2].flatMap((turn) => rare.map((fault, at) => ({ emission: 6 + 11 * turn + 2 * at, fault }))),
      late_ms: 600,
    };
    const boards = [1, 2].map((address) => ({ name: `b${address}`, address, channels: 16, item_sensors: true }));
    const bad = await site({
      seed: 7,
      lines: [{ name: 'bus', pty: {}, family, boards, faults }],
    });
    for (const compartment of ['b1.1', 'b1.2', 'b1.9', 'b2.16']) bad.open(compartment);
    for (const compartment of ['b1.1', 'b1.9', 'b1.10']) bad.pretendItem(compartment, true);
    const bus = bench({
      name: 'bus',
      link: { kind: 'serial', path: bad.address('bus') },
      poll: { cycle_ms: 50, reply_timeout_ms: 80, turnaround_ms: 5, late_answer_ms: 700 },
      devices:
        family === 'kerong_cu16'
          ? [1, 2].map((address) => ({ ...LEFT, name: `b${address}`, address }))
          : [1, 2].map((address) => ({ ...FAR, name: `b${address}`, address, channels: 16 as const })),
    });
    const happened = (): boolean =>
      [...rare, 'split' as const, 'echo' as const].every((fault) => bad.faults(fault) > 0);
    const many = (): boolean => ['b1', 'b2'].every((device) => bus.boards(device).length > 20);
    await until('every fault and many readings', () => happened() && many(), 100_000);
    for (const reading of bus.boards('b1')) expect(seen(reading).open).toEqual([1, 2, 9]);
    for (const reading of bus.boards('b2')) expect(seen(reading).open).toEqual([16]);
    expect(bus.metrics.value('line_echoes', { port: 'bus' })).toBeGreaterThan(0);
    expect(bus.metrics.value('line_noise_bytes', { port: 'bus' })).toBeGreaterThan(0);
  });

  test('03 inside data is data', async () => {
    const yard = await site(YARD);
    for (const channel of [3, 4, 5, 6, 7, 8]) yard.open(`left.${channel}`);
    yard.pretendItem('left.1', true);
    yard.pretendItem('left.2', true);
    const bus = bench({
      name: 'bus',
      link: { kind: 'serial', path: yard.address('bus') },
      poll: POLL,
      devices: [LEFT],
    });
    await until('a reading', () => bus.boards('left').length > 0);
    expect(yard.faults('end_in_data')).toBeGreaterThan(0);
    expect(seen(bus.boards('left')[0])).toEqual({ open: [3, 4, 5, 6, 7, 8], items: [1, 2] });
  });

  /**
   * One after the other in one chunk, as an adapter hands them over: how long the line waits for a second answer is the
   * matter of the driver's own tests, whose clock stands still while the machine does.
   */
  const inPairs = Array.from({ length: 50 }, (_, pair) => ({ emission: 2 * pair, fault: 'merge' as const }));

  test.each([
    ['one after the other', 4, 16, inPairs],
    ['on top of each other', 4, 6, []],
  ])(
    'two boards with one address that answer %s are a fault, and nothing of them is believed',
    async (_, first, second, exactly) => {
      const yard = await site({
        lines: [
          {
            name: 'bus',
            pty: {},
            family: 'kerong_cu16',
            boards: [
              { name: 'a', address: 3, turnaround_ms: first },
              { name: 'b', address: 3, turnaround_ms: second },
            ],
            faults: { exactly },
          },
        ],
      });
      yard.open('a.1');
      const bus = bench({
        name: 'bus',
        link: { kind: 'serial', path: yard.address('bus') },
        poll: { ...POLL, reply_timeout_ms: 500 },
        devices: [{ ...LEFT, name: 'left' }],
      });
      await until('the fault', () => bus.changes('left').includes('faulted duplicate_address'));
      expect(yard.faults('same_address')).toBeGreaterThan(1);
      expect(bus.boards('left')).toEqual([]);
    },
  );

  test('scans arrive whole however the cable cuts them; glued and unfinished ones are quarantined', async () => {
    const rates = { split: 0.3, merge: 0.2, glued_scans: 0.2, missing_suffix: 0.2 };
    const yard = await site({ seed: 5, lines: [{ name: 'desk', pty: {}, scanner: {}, faults: { rates } }] });
    const desk = bench({
      name: 'desk',
      link: { kind: 'serial', path: yard.address('desk') },
      devices: [{ driver: 'text_scanner', name: 'desk', aim: true, suffix: 'crlf', debounce_ms: 0, idle_gap_ms: 60 }],
    });
    await until('found', () => desk.changes('desk').length === 1);
    const labels = Array.from({ length: 60 }, (_, index) => `LABEL${String(index).padStart(5, '0')}`);
    for (const label of labels) {
      yard.scan('desk', code128(label));
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
    await until('every fault', () =>
      (Object.keys(rates) as (keyof typeof rates)[]).every((fault) => yard.faults(fault) > 0),
    );
    const sound = (): readonly ScanReading[] => desk.scans().filter((scan) => scan.quarantined === undefined);
    const glued = (): boolean => desk.scans().some((scan) => scan.quarantined === 'glued');
    await until('scans of both kinds', () => sound().length > 15 && glued());
    for (const scan of sound()) expect(labels).toContain(scan.code.text);
    for (const scan of desk.scans()) if (scan.quarantined !== undefined) expect(scan.code.identifiers).toEqual([]);
  });

  test('unplugged and back under a new name, many times: scans again within two seconds, each gap said', async () => {
    const rounds = 15;
    const yard = await site(YARD);
    const desk = bench({
      name: 'desk',
      link: { kind: 'serial', path: yard.address('desk') },
      devices: [{ driver: 'text_scanner', name: 'desk', aim: true, suffix: 'crlf' }],
    });
    const times = (change: string): number => desk.changes('desk').filter((each) => each === change).length;
    await until('found', () => times('found port_open') === 1);
    const backMs: number[] = [];
    for (let round = 1; round <= rounds; round += 1) {
      await yard.unplug('desk');
      await until('lost', () => times('lost port_lost') === round);
      await yard.plug('desk');
      const pluggedMs = performance.now();
      await until('found', () => times('found port_open') === round + 1);
      backMs.push(performance.now() - pluggedMs);
      yard.scan('desk', code128(`ROUND${round}`));
      await until('the scan', () => desk.scans().length === round);
    }
    expect(usualMs(backMs)).toBeLessThan(2_000);
    expect(desk.scans().at(-1)?.code.text).toBe(`ROUND${rounds}`);
  });

  test('a second owner of a serial port is refused by name, whatever name it opens it by', async () => {
    const yard = await site(YARD);
    const first = bench({
      name: 'bus',
      link: { kind: 'serial', path: yard.address('bus') },
      poll: POLL,
      devices: [LEFT],
    });
    await first.line.firstAttempt();
    const device = await readlink(yard.address('bus'));
    const second = bench({ name: 'again', link: { kind: 'serial', path: device }, poll: POLL, devices: [LEFT] });
    await expect(second.line.firstAttempt()).rejects.toMatchObject({ code: 'PORT_BUSY' });
    expect(second.changes('left')).toEqual(['lost port_lost']);
    await until('the first reads on', () => first.boards('left').length > 3);
    await first.line.stop();
    await until('the second has it now', () => second.boards('left').length > 0);
  });

  test('GS1 labels are recognised from the cable on', async () => {
    const yard = await site(YARD);
    const desk = bench({
      name: 'desk',
      link: { kind: 'serial', path: yard.address('desk') },
      devices: [{ driver: 'text_scanner', name: 'desk', aim: true, suffix: 'crlf' }],
    });
    await until('found', () => desk.changes('desk').length === 1);
    yard.scan('desk', ssccLabel('340123450000000017'));
    await until('the scan', () => desk.scans().length === 1);
    expect(desk.scans()[0]?.code.identifiers[0]).toEqual({
      scheme: 'sscc',
      value: '340123450000000017',
      certainty: 'check_digit',
    });
  });
});

test.concurrent('boards of three families on one simulated line are each read by their own driver, at one speed', async () => {
  const made = await site({
    name: 'mixed',
    lines: [
      {
        name: 'bus',
        pty: {},
        family: 'xor_8a80',
        boards: [
          { name: 'x', address: 1, channels: 24 },
          { name: 'w', address: 0, channels: 12, family: 'wkly' },
          { name: 'n', address: 2, channels: 4, family: 'winnsen' },
        ],
      },
    ],
  });
  const { line, boards, changes } = bench({
    name: 'bus',
    link: { kind: 'serial', path: made.address('bus') },
    poll: POLL,
    devices: [
      { driver: 'xor_8a80', name: 'x', address: 1, channels: 24 },
      { driver: 'wkly', name: 'w', address: 0, channels: 12 },
      { driver: 'winnsen', name: 'n', address: 2, channels: 4 },
    ],
  });
  for (const [name, channel] of [
    ['x', 20],
    ['w', 7],
    ['n', 3],
  ] as const) {
    await until(`${name} is read`, () => boards(name).length > 0);
    made.open(`${name}.${channel}`);
    // A winnsen board is asked lock by lock: the reading that names this one says that it alone is open.
    await until(`${name} is seen open`, () => boards(name).some((reading) => seen(reading).open.includes(channel)));
    expect(boards(name).flatMap((reading) => seen(reading).open)).toSatisfy((open: readonly number[]) =>
      open.every((each) => each === channel),
    );
    expect(changes(name)).toEqual(['found answered']);
  }
  const { devices } = line.status();
  expect(devices.map(({ state }) => state)).toEqual(['found', 'found', 'found']);
  expect(made.requests('bus')).toBeGreaterThan(6);
});
