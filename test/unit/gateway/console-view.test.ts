/** The gateway as its console shows it: what is unknown says why, and nothing that opens a door is shown. */
import { beforeEach, expect, test } from 'vitest';
import { ManualScheduler } from '../../../src/base/manual-scheduler.ts';
import type { ScanReading, WeightReading } from '../../../src/edge/contracts/reading.ts';
import type { LineStatus } from '../../../src/edge/drivers/line.ts';
import { ConsoleMemory } from '../../../src/edge/gateway/console-memory.ts';
import { newestOf } from '../../../src/edge/gateway/console-recall.ts';
import { type ConsoleViewParts, consoleView } from '../../../src/edge/gateway/console-view.ts';
import { gatewaySettingsSchema } from '../../../src/edge/gateway/settings.ts';
import type { GatewayStatus } from '../../../src/edge/gateway/status.ts';
import type { EventBody } from '../../../src/evidence/event/event.ts';

const ORIGIN = 'lockers.example/gw-1/1-9f2c01aa';
const settings = gatewaySettingsSchema.parse({
  gateway: { id: 'gw-1', operator_domain: 'lockers.example', data_dir: '/var/lib/latchkey' },
  keys: 'software',
  mqtt: { url: 'mqtt://broker.example:1883', protocol: '3.1.1' },
  references: { kind: 'clear' },
  ports: [
    {
      name: 'bank',
      link: { kind: 'tcp', host: '127.0.0.1', port: 4001 },
      devices: [{ driver: 'xor_8a80', name: 'b-1', address: 1, channels: 12 }],
    },
  ],
  custody: {
    compartments: [
      { name: 'A1', device: 'b-1', channel: 1, polarity: 'closed_is_1' },
      { name: 'A2', device: 'b-1', channel: 2 },
    ],
  },
});
const LINE: LineStatus = {
  port: 'bank',
  state: 'open',
  reason: 'opened',
  cycleMs: 50,
  unseenMaxMs: 200,
  devices: [
    {
      name: 'b-1',
      driver: 'xor_8a80',
      state: 'found',
      reason: 'answered',
      lastAnswerUpMs: 9_000,
      polls: { asked: 0, answered: 0, silent: 0, damaged: 0, doubles: 0, recentFailuresPercent: 0, unseenWorstMs: 0 },
    },
  ],
};
const log = { origin: ORIGIN, vkey: 'vkey', entries: 12, receipted: 5, boot: 1 };
const STATUS: GatewayStatus = {
  gateway: 'gw-1',
  version: '0.1.0',
  assurance: 'A0',
  healthy: true,
  problems: [],
  notices: [],
  up_ms: 10_000,
  clock: { src: 'ntp', err_ms: 3 },
  log,
  journal: {
    logs: [
      {
        origin: ORIGIN,
        state: 'open',
        size: 12,
        noteSize: 10,
        receiptedSize: 5,
        progressSize: 5,
        settled: false,
        key: 'here',
      },
    ],
    open: ORIGIN,
    writer: 'open',
    room: 'ok',
    waiting: 2,
    compared: true,
    setAside: [],
    gone: [],
    leftAlone: [],
  },
  uplink: {
    healthy: true,
    connected: true,
    phase: 'live',
    waiting: 7,
    unsendable: 0,
    stalled: false,
    receiptAgeMs: 12.4,
    windowBatches: 0,
    windowBytes: 0,
    aheadBytes: 0,
    alarms: [],
  },
  lines: [LINE],
  custody: {
    refusing: false,
    compartments: [{ name: 'A1', device: 'b-1', door: 'shut', held: 1, visited: false }],
    expected: { assignments: 0, windows: [] },
  },
  opening: { doors: { opening: [], open: 0, openMax: 1 }, commands: undefined },
  metrics: [{ name: 'journal_used_bytes', labels: {}, value: 4_096 }],
};

let scheduler: ManualScheduler;
let memory: ConsoleMemory;
let lines: LineStatus[];
let durable: (body: EventBody, n: number) => void;
let appended: (body: EventBody) => void;
/** What the journal keeps for the console, over restarts. */
let kept: string | undefined;

beforeEach(() => {
  scheduler = new ManualScheduler(0);
  lines = [LINE];
  kept = undefined;
  memory = remember();
});

/** A start of the gateway. */
function remember(): ConsoleMemory {
  const keeper = {
    onEvent: (listener: typeof appended) => {
      appended = listener;
    },
    onDurable: (listener: typeof durable) => {
      durable = listener;
    },
    parcelOf: ({ code }: ScanReading) => {
      const ref = String(code);
      return ref.startsWith('JJD') ? { ref, scheme: 's10' } : undefined;
    },
  };
  const state = {
    load: () => kept,
    save: (text: string) => {
      kept = text;
    },
  };
  return new ConsoleMemory({
    settings,
    keeper,
    state,
    lines: () => lines.map((status) => ({ status: () => status })),
    scheduler,
  });
}

function view(more: Partial<ConsoleViewParts> = {}) {
  return consoleView({
    settings,
    status: STATUS,
    findings: [],
    memory,
    commissioned: [{ compartment: 'A1', device: 'b-1', channel: 1, at: '2026-11-22T09:00:00.000Z' }],
    windows: [],
    freeBytes: 1_000,
    at: '2026-11-22T09:00:10.000Z',
    nowMs: scheduler.monotonicMs(),
    ...more,
  });
}

test('sizes, disk, broker and clock stand in it as the status has them', () => {
  expect(view()).toMatchObject({
    clock: { src: 'ntp', errMs: 3 },
    log: { ...log, signed: 10 },
    disk: { room: 'ok', freeBytes: 1_000, journalBytes: 4_096, atRiskEvents: 2, atRiskMs: 20 },
    broker: { url: 'mqtt://broker.example:1883', connected: true, waiting: 7, receiptAgeMs: 12 },
  });
  expect(view().log).not.toHaveProperty('anchored');
  expect(view()).not.toHaveProperty('tpm');
});

test('a door that cannot be seen says why, and one that was seen last says that', () => {
  const [seen, raw] = view().compartments;
  expect(seen).toMatchObject({ name: 'A1', door: 'shut', commissioned: true, held: 1 });
  expect(seen).not.toHaveProperty('doorWhy');
  expect(raw).toMatchObject({ name: 'A2', door: 'unknown', commissioned: false });
  expect(raw?.doorWhy).toContain('commission');
  const lost = { ...STATUS, lines: [{ ...LINE, state: 'lost', reason: 'unplugged' } as const] };
  expect(view({ status: lost }).compartments[0]?.doorWhy).toBe('port bank is lost: seen last');
});

test('a window over all compartments is one over each', () => {
  const windows = [{ id: 'w', by: 'tech-1', compartments: [] }];
  expect(view({ windows }).compartments.map(({ maintenance }) => maintenance)).toEqual([true, true]);
  const one = [{ id: 'w', by: 'tech-1', compartments: ['A2'] }];
  expect(view({ windows: one }).compartments.map(({ maintenance }) => maintenance)).toEqual([false, true]);
});

test('the newest event and parcel of a compartment are remembered, of others nothing', () => {
  const parcels = [{ ref: 'JJD01', scheme: 's10' }];
  durable({ type: 'parcel.deposited', compartment: 'A1', data: { parcels } }, 8);
  durable({ type: 'door.opened', compartment: 'A1', data: {} }, 9);
  durable({ type: 'door.opened', compartment: 'Z9', data: {} }, 10);
  scheduler.advance(1_500);
  expect(view().compartments[0]).toMatchObject({
    lastRef: 'JJD01',
    lastEvent: { type: 'door.opened', n: 9, agoMs: 1_500 },
  });
  expect(memory.lastEvent('Z9')).toBeUndefined();
});

test('a forced door is a problem while it stands open, then a notice until its compartment is counted', () => {
  const found = (door: 'open' | 'shut') => {
    const [compartment] = STATUS.custody.compartments;
    if (compartment === undefined) throw new Error('a compartment');
    return view({ status: { ...STATUS, custody: { ...STATUS.custody, compartments: [{ ...compartment, door }] } } })
      .findings;
  };
  // Before it is durable, too: a full disk takes it off no page.
  appended({ type: 'door.forced', compartment: 'A1', data: {} });
  expect(found('open')).toMatchObject([{ severity: 'problem', about: 'compartment', name: 'A1' }]);
  scheduler.advance(180_000);
  expect(found('shut')).toMatchObject([
    { severity: 'notice', name: 'A1', text: 'the door of A1 was forced 3 min ago, and is shut again' },
  ]);
  appended({ type: 'compartment.counted', compartment: 'A1', data: {} });
  expect(found('shut')).toEqual([]);
});

test('a state that the journal keeps tells forced doors after a restart, and one that says nothing is no state', () => {
  const texts = () => view().findings.map(({ text }) => text);
  expect(memory.isBlank).toBe(true);
  appended({ type: 'door.forced', compartment: 'A1', data: {} });
  appended({ type: 'door.forced', compartment: 'Z9', data: {} });
  memory = remember();
  expect(memory.isBlank).toBe(false);
  expect(texts()).toEqual(['the door of A1 was forced before this start, and is shut again']);
  appended({ type: 'compartment.counted', compartment: 'A1', data: {} });
  memory = remember();
  expect([memory.isBlank, texts()]).toEqual([false, []]);
  for (const strange of ['', '{}', '{"v":2,"forced":["A1"]}', '{"v":1,"forced":[7]}']) {
    kept = strange;
    expect([strange, remember().isBlank]).toEqual([strange, true]);
  }
});

test('without a state the newest entries of all logs are looked at, and what lies before them is counted', () => {
  const logs = [
    { origin: 'o/g/1', size: 3_000 },
    { origin: 'o/g/2', size: 0 },
    { origin: 'o/g/3', size: 4_900 },
    { origin: 'o/g/4', size: 2 },
  ];
  expect(newestOf(logs)).toEqual({
    spans: [
      { origin: 'o/g/1', from: 2_902, to: 3_000 },
      { origin: 'o/g/3', from: 0, to: 4_900 },
      { origin: 'o/g/4', from: 0, to: 2 },
    ],
    beyond: 2_902,
  });
  expect(newestOf([])).toEqual({ spans: [], beyond: 0 });
});

test('a door that was forced before a restart is told until it is counted; damaged entries end the looking back', () => {
  const leaf = (type: string, compartment: string): { readonly leaf: Uint8Array } => ({
    leaf: new TextEncoder().encode(JSON.stringify({ compartment, type })),
  });
  const texts = () => view().findings.map(({ text }) => text);
  memory.recall([leaf('door.forced', 'A1'), {}, leaf('door.forced', 'Z9'), leaf('door.opened', 'A1')]);
  expect(texts().join()).toMatch(/the door of A1 was forced before this start/);
  expect(texts().join()).not.toMatch(/Z9/);
  memory.recall([leaf('compartment.counted', 'A1')]);
  expect(texts()).toEqual([]);
  function* damaged(): Generator<{ readonly leaf: Uint8Array }> {
    yield leaf('door.forced', 'A1');
    throw new Error('damaged');
  }
  expect(() => memory.recall(damaged())).toThrow('damaged');
  expect(texts().join()).toMatch(/A1 was forced/);
});

function scan(text: string, more: Partial<ScanReading> = {}): ScanReading {
  const observed = { wallMs: 0, upMs: 0, clock: { src: 'none' } } as const;
  const code = text as unknown as ScanReading['code'];
  return { kind: 'scan', device: 'b-1', observed, code, suppressed: 0, ...more };
}

test('a scan is shown as the journal names its parcel; what is none is not shown at all', () => {
  const sink = memory.tapping(() => undefined);
  const shown = () => view().lines[0]?.devices[0]?.lastScan?.text;
  sink(scan('JJD01<script>'));
  expect(shown()).toBe('s10 JJD01<script>');
  sink(scan('4711 secret'));
  expect(shown()).toBe('no parcel');
  sink(scan('JJD02', { hidden: true }));
  expect(shown()).toBe('damaged, and not shown');
});

test('a stable weight stays until the scale says otherwise', () => {
  const sink = memory.tapping(() => undefined);
  const observed = { wallMs: 0, upMs: 0, clock: { src: 'none' } } as const;
  const weigh = (state: WeightReading['state'], grams?: number): void =>
    sink({ kind: 'weight', device: 's', observed, sinceUpMs: 0, state, ...(grams !== undefined && { grams }) });
  weigh('stable', 1_200);
  weigh('moving');
  expect(memory.grams('s')).toBe(1_200);
  weigh('over');
  expect(memory.grams('s')).toBeUndefined();
});

test('the line quality is the share of answers in each step, an hour of it at most', () => {
  memory.start();
  const polled = (asked: number, answered: number): LineStatus => {
    const [device] = LINE.devices;
    const polls = { ...device?.polls, asked, answered } as NonNullable<NonNullable<typeof device>['polls']>;
    return { ...LINE, devices: [{ ...(device as NonNullable<typeof device>), polls }] };
  };
  lines = [polled(100, 100)];
  scheduler.advance(10_000);
  lines = [polled(200, 175)];
  scheduler.advance(10_000);
  expect(view().lines[0]?.quality).toEqual([
    { agoMs: 10_000, answered: 1, cycleMs: 50 },
    { agoMs: 0, answered: 0.75, cycleMs: 50 },
  ]);
  for (let i = 0; i < 400; i += 1) scheduler.advance(10_000);
  expect(view().lines[0]?.quality).toHaveLength(360);
  memory.stop();
});
