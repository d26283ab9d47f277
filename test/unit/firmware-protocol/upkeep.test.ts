/** When a device is told the time and asked for its counters, and what becomes of them. */
import { readFileSync } from 'node:fs';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { get32, join, put32 } from '../../../firmware-protocol/codec/bytes.ts';
import { SEALED_TYPES } from '../../../firmware-protocol/codec/types.ts';
import { NOTHING_TOLD } from '../../../src/edge/drivers/latchkey/device-counts.ts';
import { readDeviceKeys, writeDeviceKeys } from '../../../src/edge/drivers/latchkey/key-file.ts';
import { WireUpkeep } from '../../../src/edge/drivers/latchkey/wire-upkeep.ts';
import { makeTempDir, type TempDir } from '../../support/temp-dir.ts';

const { TIME, TIMED, COUNTERS, COUNTED, FAILED } = SEALED_TYPES;
const WALL_MS = 1_795_000_000_000;

let dir: TempDir;
let asked: { readonly type: number; readonly body: Uint8Array }[];
let told: string[];
let upMs: number;
let wallOffsetMs: number | undefined;
/** frames, damaged, no_session, forged, replayed, skipped, repeated, sessions, refused, events_dropped. */
let counts: number[];
let knows: Set<number>;
beforeEach(async () => {
  dir = makeTempDir();
  asked = [];
  told = [];
  upMs = 1_000;
  wallOffsetMs = WALL_MS;
  counts = new Array(10).fill(0);
  knows = new Set([TIME, COUNTERS]);
  await writeDeviceKeys(dir.file('keys.json'), { identity: new Uint8Array(8).fill(1), boot: 5 });
});
afterEach(() => dir.remove());

function upkeep(): WireUpkeep {
  return new WireUpkeep({
    keyFile: dir.file('keys.json'),
    clock: { monotonicMs: () => upMs, wallMs: () => (wallOffsetMs === undefined ? undefined : wallOffsetMs + upMs) },
    ask: async (type, body) => {
      asked.push({ type, body });
      if (!knows.has(type)) return { type: FAILED, body: Uint8Array.of(1) };
      if (type === TIME) return { type: TIMED, body: put32(7) };
      return { type: COUNTED, body: join(...counts.map(put32)) };
    },
    missed: (events) => void told.push(`missed ${events}`),
    attacked: (what) => void told.push(what),
  });
}

const types = (): readonly number[] => asked.splice(0).map(({ type }) => type);

test('the time is told when a session opens, each hour, and when the clock was set', async () => {
  const one = upkeep();
  one.begin(5, undefined);
  await one.turn();
  const [time] = asked;
  expect(time?.type).toBe(TIME);
  const said = get32(time?.body ?? new Uint8Array(8), 0) + 2 ** 32 * get32(time?.body ?? new Uint8Array(8), 4);
  expect(said).toBe(WALL_MS + 1_000);
  asked.length = 0;
  upMs += 59_000;
  await one.turn();
  expect(types()).toEqual([]);
  wallOffsetMs = WALL_MS - 5_000;
  await one.turn();
  expect(types()).toEqual([TIME]);
  upMs += 3_600_000;
  await one.turn();
  expect(types()).toEqual([TIME, COUNTERS]);
  // Another session: it may be another start of the device, which knows no time.
  one.begin(5, undefined);
  await one.turn();
  expect(types()).toEqual([TIME, COUNTERS]);
});

test('no time is told while nobody knows it', async () => {
  wallOffsetMs = undefined;
  const one = upkeep();
  one.begin(5, undefined);
  await one.turn();
  expect(types()).toEqual([COUNTERS]);
});

test('a device that knows neither request is asked once a session', async () => {
  knows.clear();
  const one = upkeep();
  one.begin(5, undefined);
  expect(await one.turn()).toBe(true);
  upMs += 7_200_000;
  expect(await one.turn()).toBe(true);
  expect(types()).toEqual([TIME, COUNTERS]);
  // What its numbers say is told all the same.
  expect(await one.jumped(3)).toBe(true);
  expect(told).toEqual(['missed 3']);
});

test('counters are read each minute, and what only the device heard is told once for each growth', async () => {
  const one = upkeep();
  one.begin(5, NOTHING_TOLD);
  await one.turn();
  counts[3] = 2;
  counts[4] = 1;
  upMs += 59_999;
  await one.turn();
  expect(told).toEqual([]);
  upMs += 1;
  await one.turn();
  expect(told).toEqual(['forged', 'replayed']);
  expect(one.counters).toMatchObject({ forged: 2, replayed: 1 });
  upMs += 60_000;
  await one.turn();
  expect(told).toHaveLength(2);
  counts[5] = 1;
  upMs += 60_000;
  await one.turn();
  expect(told).toEqual(['forged', 'replayed', 'skipped']);
  // Kept: another run of the gateway tells none of it again, but what came meanwhile.
  const keys = await readDeviceKeys(dir.file('keys.json'));
  expect(keys?.told).toEqual({ forged: 2, replayed: 1, skipped: 1, dropped: 0 });
  const next = upkeep();
  next.begin(5, keys?.told);
  counts[3] = 3;
  await next.turn();
  expect(told.slice(3)).toEqual(['forged']);
});

test('a device of which nothing is known yet accuses nobody', async () => {
  counts = [9, 9, 9, 9, 9, 9, 9, 9, 9, 9];
  const one = upkeep();
  one.begin(5, undefined);
  await one.turn();
  expect(told).toEqual([]);
  counts[9] = 11;
  upMs += 60_000;
  await one.turn();
  expect(told).toEqual(['missed 2']);
});

test('dropped events are told once, whether counters or numbers say it first', async () => {
  const one = upkeep();
  one.begin(5, NOTHING_TOLD);
  // The queue was full while no gateway listened.
  counts[9] = 3;
  await one.turn();
  expect(told).toEqual(['missed 3']);
  // The gap of their numbers comes later, after what the queue held.
  await one.jumped(3);
  expect(told).toHaveLength(1);
  // Two more, first seen as a gap.
  counts[9] = 5;
  await one.jumped(2);
  expect(told).toEqual(['missed 3', 'missed 2']);
  // A number that the device jumped over and did not count.
  await one.jumped(1);
  expect(told).toEqual(['missed 3', 'missed 2', 'missed 1']);
  expect(readFileSync(dir.file('keys.json'), 'utf8')).toContain('"dropped": 6');
});

test('the file of another start is not written over', async () => {
  const one = upkeep();
  one.begin(4, NOTHING_TOLD);
  counts[9] = 1;
  await one.turn();
  expect((await readDeviceKeys(dir.file('keys.json')))?.told).toBeUndefined();
});
