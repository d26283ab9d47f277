/** Sites as the console may show them: a calm one, and one at which everything that can be wrong is. */
import {
  type CompartmentView,
  type ConsoleView,
  type EntryView,
  type Finding,
  QUALITY_STEP_S,
  type QualityPoint,
} from '../../../src/edge/contracts/console-view.ts';

export const LOG = 'lockers.example/gw-0007/003-9f2c';
const REFS = ['p-5f3a9c1e', 'p-0b77d2aa', 'p-c91e04f8', 'p-7d10be56', 'p-e2446b03'];
const HOUR_POINTS = 360;

type Odd = { readonly [Name in keyof CompartmentView]?: CompartmentView[Name] | undefined };

function compartment(name: string, device: string, channel: number, odd: Odd = {}): CompartmentView {
  const base = { name, device, channel, door: 'shut' as const, held: 0, visited: false };
  // Through JSON, as it comes: what is undefined is not there.
  return JSON.parse(JSON.stringify({ ...base, commissioned: true, maintenance: false, occupied: false, ...odd }));
}

function filled(i: number, grams?: number): Odd {
  const weight = grams === undefined ? {} : { grams };
  const lastEvent = { type: 'parcel.deposited', n: 1_180 + i, agoMs: 600_000 * (i + 1) };
  return { occupied: true, held: 1, lastRef: REFS[i % REFS.length] ?? '', lastEvent, ...weight };
}

function wall(odd: Readonly<Record<string, Odd>>): readonly CompartmentView[] {
  return ['bank-a', 'bank-b'].flatMap((device, board) =>
    Array.from({ length: 12 }, (_, i) => {
      const name = `${board === 0 ? 'A' : 'B'}${i + 1}`;
      return compartment(name, device, i + 1, odd[name]);
    }),
  );
}

const FILLED: Readonly<Record<string, Odd>> = {
  A1: filled(0, 1_240),
  A3: filled(1, 380),
  A4: { ...filled(2, 5_410), door: 'open', visited: true },
  A8: filled(3, 730),
  B2: filled(4),
  B5: filled(0),
  B6: filled(1),
  B9: filled(2),
};

function quality(dip: (i: number) => number): readonly QualityPoint[] {
  return Array.from({ length: HOUR_POINTS }, (_, i) => {
    const agoMs = (HOUR_POINTS - 1 - i) * 1_000 * QUALITY_STEP_S;
    return { agoMs, answered: Math.max(0, 1 - dip(i)), cycleMs: 180 + (i % 7) };
  });
}

export function calmView(): ConsoleView {
  return {
    gateway: 'gw-0007',
    version: '0.1.0',
    at: new Date().toISOString(),
    upMs: 273_600_000,
    clock: { src: 'ntp', errMs: 11 },
    assurance: 'anchored',
    healthy: true,
    findings: [],
    compartments: wall(FILLED),
    lines: [
      {
        port: 'bank',
        state: 'open',
        reason: '',
        cycleMs: 184,
        unseenMaxMs: 420,
        quality: quality((i) => (i === 120 ? 0.04 : 0)),
        devices: [
          board('bank-a', 1_462_018, 3),
          board('bank-b', 1_462_010, 11),
          { ...board('lock-1', 98_220, 0), driver: 'latchkey' },
        ],
      },
      {
        port: 'desk',
        state: 'open',
        reason: '',
        quality: [],
        devices: [
          {
            name: 'scanner-1',
            driver: 'text_scanner',
            state: 'found',
            reason: '',
            lastAnswerAgoMs: 41_000,
            lastScan: { text: 'p-c91e04f8', agoMs: 41_000 },
          },
        ],
      },
    ],
    log: {
      origin: LOG,
      vkey: `${LOG}+3c9f21aa+AbYc0oq3mZJ8yqk1T4h0y2p7m9C4vFh1mZr6Q2w8nS5X`,
      entries: 1_204,
      signed: 1_204,
      anchored: 1_198,
      receipted: 1_201,
      boot: 4,
    },
    broker: {
      url: 'mqtts://broker.lockers.example:8883',
      connected: true,
      phase: 'live',
      waiting: 3,
      unsendable: 0,
      receiptAgeMs: 2_400,
      alarms: [],
    },
    disk: {
      room: 'ok',
      freeBytes: 11_800_000_000,
      journalBytes: 96_400_000,
      budgetBytes: 2_147_483_648,
      atRiskEvents: 0,
      atRiskMs: 50,
    },
    tpm: {
      target: 'device:/dev/tpmrm0',
      state: 'idle',
      counter: 41_877,
      anchors: 2_204,
      lastAgoMs: 95_000,
      lifeYears: 61,
      lifeYearsAtLeast: 20,
    },
    opening: { opening: [], open: 1, openMax: 3 },
    windows: [],
  };
}

function board(name: string, asked: number, silent: number) {
  const polls = { asked, answered: asked - silent - 1, silent, damaged: 1 };
  return { name, driver: 'keyed_bus', state: 'found' as const, reason: '', lastAnswerAgoMs: 200, polls };
}

const problem = (about: Finding['about'], text: string, remedy: string, name?: string): Finding => ({
  severity: 'problem',
  about,
  text,
  remedy,
  ...(name !== undefined && { name }),
});

const FINDINGS: readonly Finding[] = [
  problem(
    'compartment',
    'The door of A6 was forced: it opened and nobody had asked for it.',
    'Look at the door and its lock, then recount. The journal has the moment, and the photo if there is a camera.',
    'A6',
  ),
  problem(
    'port',
    'port desk is lost: /dev/serial/by-id/usb-scanner is gone',
    'Plug the cable in again; it is opened by itself.',
    'desk',
  ),
  problem(
    'broker',
    'the broker is not connected: entries wait in the journal',
    'Look at the network, the broker and its login; it is tried again by itself.',
  ),
  problem(
    'receipts',
    'no receipt moves although 212 entries wait for one',
    'Look at the consumer: does it run, does it believe this log, has its store room.',
  ),
  problem(
    'disk',
    'room on the disk: little (low)',
    'Make room, or raise journal.size_max_mib; what is receipted is pruned by itself.',
  ),
  problem(
    'tpm',
    'the TPM has not anchored for 912 s, and nothing since is anchored: /dev/tpmrm0 does not answer',
    '"latchkey tpm show" asks it; look whether the kernel has it and who else uses it.',
  ),
  problem('clock', 'The clock is not set: events have no time.', 'Give the box a time source, see "latchkey doctor".'),
  problem(
    'enrolment',
    'the enrolment service does not know the newest log',
    'Let it be reached, it is told by itself.',
  ),
  {
    severity: 'notice',
    about: 'opening',
    text: 'openings are stopped by technician t-114',
    remedy: 'An administrator resumes them.',
  },
  {
    severity: 'notice',
    about: 'gateway',
    text: 'the TPM was cleared once: what it had sealed is gone, and its keys and counter were made anew',
    remedy: 'Nothing is to be done: the newest log says so too.',
  },
];

export function troubledView(): ConsoleView {
  const calm = calmView();
  const [bank, desk] = calm.lines;
  if (bank === undefined || desk === undefined) throw new Error('two lines');
  const away = 'the board bank-b does not answer since 14:02';
  const unknown = Object.fromEntries(
    Array.from({ length: 12 }, (_, i): [string, Odd] => [
      `B${i + 1}`,
      { door: 'unknown', doorWhy: away, occupied: undefined },
    ]),
  );
  return {
    ...calm,
    healthy: false,
    assurance: 'anchored',
    clock: { src: 'none' },
    findings: FINDINGS,
    compartments: wall({
      ...FILLED,
      ...unknown,
      A6: { door: 'open', lastEvent: { type: 'door.forced', n: 1_203, agoMs: 8_000 } },
      A7: { maintenance: true },
      A9: { held: 2, occupied: true, lastRef: 'p-e2446b03' },
      A10: { door: 'unknown', doorWhy: 'its contact was not commissioned', commissioned: false },
      A11: { held: 1, occupied: false, lastRef: 'p-7d10be56' },
    }),
    lines: [
      {
        ...bank,
        quality: quality((i) => (i > 300 ? 0.5 : i % 40 === 0 ? 0.07 : 0)),
        devices: bank.devices.map((device) =>
          device.name === 'bank-b'
            ? {
                ...device,
                state: 'lost' as const,
                reason: 'no answer to 24 questions',
                remedy: 'Look at its power and its place on the line; nothing is believed of its doors meanwhile.',
                lastAnswerAgoMs: 740_000,
              }
            : device,
        ),
      },
      {
        ...desk,
        state: 'lost',
        reason: '/dev/serial/by-id/usb-scanner is gone: plug it in again',
        devices: desk.devices.map((device) => ({
          ...device,
          state: 'lost' as const,
          reason: 'its port is away',
          remedy: 'Plug the cable in again.',
        })),
      },
    ],
    log: { ...calm.log, receipted: 992, anchored: 1_020 },
    broker: {
      ...calm.broker,
      connected: false,
      phase: 'offline',
      waiting: 212,
      unsendable: 1,
      receiptAgeMs: 1_934_000,
      alarms: ['entries_unsendable 1 lockers.example/gw-0007/002-51d0'],
    },
    disk: { ...calm.disk, room: 'low', freeBytes: 41_000_000, journalBytes: 2_090_000_000, atRiskEvents: 4 },
    tpm: {
      target: 'device:/dev/tpmrm0',
      state: 'away',
      reason: 'no answer within 5 s',
      counter: 41_877,
      anchors: 2_204,
      lastAgoMs: 912_000,
      lifeYearsAtLeast: 20,
    },
    opening: { stopped: { by: 't-114', reason: 'asked at the console' }, opening: ['A12'], open: 2, openMax: 3 },
    windows: [{ id: 'w-1', by: 't-114', compartments: ['A7'] }],
  };
}

/** So many doors, of which one stands open on each board. */
export function largeView(doors = 200): ConsoleView {
  const calm = calmView();
  const compartments = Array.from({ length: doors }, (_, i) =>
    compartment(`L${i + 1}`, `bank-${1 + Math.floor(i / 20)}`, 1 + (i % 20), i % 20 === 3 ? { door: 'open' } : {}),
  );
  return { ...calm, compartments };
}

/** What a stranger may print on a parcel or write into a device. */
export const HOSTILE = '<img src=x onerror="window.pwned=1">"\'</script><script>window.pwned=1</script>';

export function hostileView(): ConsoleView {
  const calm = calmView();
  return {
    ...calm,
    gateway: HOSTILE,
    findings: [problem('device', HOSTILE, HOSTILE, HOSTILE)],
    compartments: [
      compartment(HOSTILE, HOSTILE, 1, { door: 'unknown', doorWhy: HOSTILE, lastRef: HOSTILE }),
      ...calm.compartments,
    ],
    lines: calm.lines.map((line) => ({
      ...line,
      devices: line.devices.map((device) => ({
        ...device,
        name: `${device.name} ${HOSTILE}`,
        state: 'faulted' as const,
        reason: HOSTILE,
        remedy: HOSTILE,
        lastScan: { text: HOSTILE, agoMs: 10 },
      })),
    })),
    broker: { ...calm.broker, url: HOSTILE, alarms: [HOSTILE] },
    windows: [{ id: 'w-1', by: HOSTILE, compartments: ['A1'] }],
  };
}

const EPISODE = {
  closed_by: 'door_shut',
  door: { opened: { from_ms: 1_000, to_ms: 1_100 }, closed: { from_ms: 15_000, to_ms: 15_100 } },
  scans: [{ device: 'scanner-1', parcel: { scheme: 's10', ref: 'p-5f3a9c1e' } }],
  item_before: false,
  item_after: true,
  weight_after_g: 5_410,
  access: { method: 'code_keypad' },
  not_seen: ['photo'],
};

const DAY: readonly (readonly [
  type: string,
  compartment?: string | undefined,
  data?: object,
  actor?: EntryView['actor'],
])[] = [
  ['gateway.alive', undefined, { interval_ms: 60_000, disk_free_kib: 11_523_000, queued: 0, readings: 1_180 }],
  ['code.scanned', undefined, { size_bytes: 13, certainty: 'check_digit' }],
  [
    'access.granted',
    'A4',
    { method: 'code_keypad', attempts: 1, credential: 'c-9' },
    { kind: 'courier', ref: 'c-201' },
  ],
  ['unlock.intended', 'A4', { id: 'pZ3', cause: 'access', channel: 4 }],
  ['door.opened', 'A4', { channel: 4, feedback: 0, polarity: 'closed_is_1' }],
  ['unlock.ended', 'A4', { id: 'pZ3', result: 'opened', took_ms: 412 }],
  ['weight.measured', 'A4', { weight_g: 5_410, stable: true }],
  ['occupancy.changed', 'A4', { occupied: true, channel: 4 }],
  ['door.closed', 'A4', { channel: 4, feedback: 1, polarity: 'closed_is_1' }],
  ['parcel.deposited', 'A4', EPISODE, { kind: 'courier', ref: 'c-201' }],
  ['anchor.made', undefined, { size: 1_198, root: 'pZ3', counter: 41_877 }],
  ['access.refused', undefined, { method: 'code_keypad', attempts: 2, reason: 'unknown_code' }],
  ['maintenance.opened', 'A7', { cause: 'command', reason: 'update' }, { kind: 'technician', ref: 't-114' }],
  ['door.forced', 'A6', { reason: 'opened_without_access', channel: 6 }],
  ['device.lost', undefined, { reason: 'no_reply', kind: 'board', last_answer_up_ms: 1_840_000 }],
  ['compartment.counted', 'B2', { reason: 'first_look', door: 'shut', occupied: true }],
];

/** Newest first, from `below` on: a day as a box has it. */
export function entries(below: number, count: number, hostile = false): readonly EntryView[] {
  return Array.from({ length: Math.min(count, below) }, (_, i) => entry(below - 1 - i, hostile));
}

export function entry(n: number, hostile = false): EntryView {
  const [type = '', compartment, data = {}, actor] = DAY[n % DAY.length] ?? [];
  const at = new Date(Date.now() - (1_204 - n) * 37_000).toISOString();
  const shown = hostile ? { reason: HOSTILE, detail: HOSTILE } : data;
  return {
    log: LOG,
    n,
    at,
    type: hostile && n % 3 === 0 ? HOSTILE : type,
    ...(compartment !== undefined && { compartment }),
    ...(actor !== undefined && { actor: hostile ? { kind: 'courier', ref: HOSTILE } : actor }),
    event: { v: 1, type, at, clock: { src: 'ntp', err_ms: 11 }, boot: 4, data: shown, log: LOG, n },
    state: 'durable',
  };
}

/** That somebody did it at the console, as the journal has it. */
export function acted(n: number, person: string, action: string, target: string, result: string): EntryView {
  const actor = { kind: 'technician', ref: person };
  return { ...entry(n), type: 'console.acted', actor, event: { data: { action, result, target } } };
}
