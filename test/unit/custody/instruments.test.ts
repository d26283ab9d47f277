import { describe, expect, test } from 'vitest';
import type { PhotoReading, PositionReading, WeightReading } from '../../../src/edge/contracts/reading.ts';
import { custodySettingsSchema } from '../../../src/edge/custody/settings.ts';
import type { JsonObject } from '../../../src/evidence/event/event.ts';
import { PARCEL_A, snapshotOf, Table, type TableOptions } from './bench.ts';

const WITH_SCALE = custodySettingsSchema.parse({
  compartments: [
    { name: 'w1', device: 'west', channel: 1, polarity: 'closed_is_1', scale: 'floor', camera: 'eye' },
    { name: 'w2', device: 'west', channel: 2, polarity: 'closed_is_1', scale: 'floor' },
  ],
  scan_window_s: 60,
  settle_ms: 1_500,
  position: { device: 'gps', geofence: { lat: 48.1173, lon: 11.5167, radius_m: 200 }, every_min: 60, stale_s: 60 },
});

class Bench extends Table {
  constructor(options: TableOptions = {}) {
    super({ settings: WITH_SCALE, ...options });
  }

  weigh(grams: number, more: Partial<WeightReading> = {}, times = 2): void {
    for (let i = 0; i < times; i += 1) {
      this.scheduler.advance(50);
      const observed = this.now();
      const sinceUpMs = observed.upMs - 20;
      this.custody.sink({ kind: 'weight', device: 'floor', observed, sinceUpMs, state: 'stable', grams, ...more });
    }
  }

  fix(latitude: number, longitude: number, more: Partial<NonNullable<PositionReading['fix']>> = {}, times = 3): void {
    for (let i = 0; i < times; i += 1) {
      this.scheduler.advance(1_000);
      const fix = { latitude, longitude, accuracyM: 5, ...more };
      this.custody.sink({ kind: 'position', device: 'gps', observed: this.now(), fix });
    }
  }

  photo(more: Partial<PhotoReading> = {}): void {
    this.custody.sink({
      kind: 'photo',
      device: 'eye',
      observed: this.now(),
      cause: 'door_opened',
      sha256: new Uint8Array(32).fill(7),
      sizeBytes: 50_000,
      mediaType: 'image/jpeg',
      kept: true,
      ...more,
    });
  }

  two(first: 'shut' | 'open', second: 'shut' | 'open', times = 2): void {
    this.poll('west', { 1: [first === 'shut' ? 1 : 0], 2: [second === 'shut' ? 1 : 0] }, times);
  }

  /** One visit of w1, with the weights around it. */
  visit(before: number, after: number): JsonObject {
    this.two('shut', 'shut');
    this.weigh(before);
    this.two('shut', 'shut');
    this.scan(PARCEL_A, {}, ']C1');
    this.two('open', 'shut');
    this.photo({ compartment: 'w1' });
    this.two('shut', 'shut');
    this.weigh(after);
    this.two('shut', 'shut', 4);
    return this.closing().data;
  }
}

describe('weights of an episode', () => {
  test('stand before and after it, and agree with a deposit', () => {
    const table = new Bench();
    const data = table.visit(1_000, 3_500);
    expect(data).toMatchObject({ weight_before_g: 1_000, weight_after_g: 3_500 });
    expect(data['contradictions']).toBeUndefined();
    expect(data['not_seen']).not.toContain('weight_before');
    expect(data['photo']).toBe('BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc');
  });

  test.each([
    [1_000, 1_010, 'weight_unchanged'],
    [1_000, 400, 'weight_gone'],
  ])('a deposit from %i g to %i g is contradicted: %s', (before, after, word) => {
    const data = new Bench().visit(before, after);
    expect(data['contradictions']).toContain(word);
  });

  test('a collection that made it heavier is contradicted', () => {
    const table = new Bench();
    table.visit(1_000, 3_500);
    const data = table.visit(3_500, 4_000);
    expect(data['contradictions']).toContain('weight_added');
  });

  test('a weight of before the visit before is none: who comes at once after a deposit did not find it empty', () => {
    const table = new Bench();
    table.two('shut', 'shut');
    table.weigh(0);
    table.two('shut', 'shut');
    table.scan(PARCEL_A, {}, ']C1');
    table.two('open', 'shut');
    table.photo({ compartment: 'w1' });
    table.two('shut', 'shut');
    const { upMs: askedUpMs } = table.now();
    table.weigh(1_250);
    table.scheduler.advance(2_000);
    // The look that ends the visit was asked for before that weight: whether the door was shut since then, nobody knows.
    const channels = [{ channel: 1, feedback: 1 as const }];
    table.custody.sink({ kind: 'board', device: 'west', observed: table.now(), askedUpMs, channels });
    expect(table.closing().data).toMatchObject({ weight_before_g: 0, weight_after_g: 1_250 });
    table.two('open', 'shut');
    table.photo({ compartment: 'w1' });
    table.two('shut', 'shut');
    table.weigh(0);
    table.two('shut', 'shut', 20);
    const { data } = table.closing();
    expect(data['weight_after_g']).toBe(0);
    expect(data['weight_before_g']).toBeUndefined();
    expect(data['not_seen']).toContain('weight_before');
    expect(data['contradictions'] ?? []).not.toContain('weight_unchanged');
  });

  test('one reading alone is no weight, and neither is one that moves or was measured while the door was open', () => {
    const table = new Bench();
    table.two('shut', 'shut');
    table.weigh(1_000, {}, 1);
    table.two('shut', 'shut');
    table.scan(PARCEL_A, {}, ']C1');
    table.two('open', 'shut');
    table.two('shut', 'shut');
    table.weigh(3_500, { state: 'moving' });
    table.weigh(3_500, { sinceUpMs: 0 });
    table.two('shut', 'shut', 20);
    const { data } = table.closing();
    expect(data['weight_before_g']).toBeUndefined();
    expect(data['weight_after_g']).toBeUndefined();
    expect(data['not_seen']).toEqual(expect.arrayContaining(['weight_before', 'weight_after', 'photo']));
  });

  test('are of nobody while two doors over one scale are open', () => {
    const table = new Bench();
    table.two('shut', 'shut');
    table.weigh(1_000);
    table.two('shut', 'shut');
    table.scan(PARCEL_A, {}, ']C1');
    table.two('open', 'shut');
    table.two('open', 'open');
    table.two('shut', 'shut');
    table.weigh(3_500);
    table.two('shut', 'shut', 20);
    const closings = table.said().filter(({ type }) => type.startsWith('parcel.') || type.startsWith('compartment.d'));
    expect(closings).toHaveLength(2);
    for (const { data } of closings) expect(data['weight_after_g'] ?? data['weight_before_g']).toBeUndefined();
  });

  test('of before a restart stay with the visit that it cut', () => {
    const table = new Bench();
    table.two('shut', 'shut');
    table.weigh(1_000);
    table.two('shut', 'shut');
    table.scan(PARCEL_A, {}, ']C1');
    table.two('open', 'shut');
    table.photo({ compartment: 'w1' });
    const restored = JSON.parse(JSON.stringify(snapshotOf(table)));
    const again = new Bench({ boot: 2, restored });
    again.said();
    again.two('shut', 'shut');
    again.weigh(3_500);
    again.two('shut', 'shut', 6);
    const { data } = again.closing();
    expect(data).toMatchObject({ weight_before_g: 1_000, weight_after_g: 3_500 });
    expect(data['photo']).toBeDefined();
  });

  test('a board that answers late does not make a weight of an open door one of a shut one', () => {
    const table = new Bench();
    table.two('shut', 'shut');
    table.weigh(1_000);
    table.two('shut', 'shut');
    // Heard after the board took its state: the door may have been open already.
    const observed = table.now();
    table.weigh(9_000);
    table.custody.sink({
      kind: 'board',
      device: 'west',
      observed: { ...table.now() },
      askedUpMs: observed.upMs,
      channels: [{ channel: 1, feedback: 1 }],
    });
    table.scan(PARCEL_A, {}, ']C1');
    table.two('open', 'shut');
    table.two('shut', 'shut', 20);
    expect(table.closing().data['weight_before_g']).toBe(1_000);
  });
});

describe('weight.measured', () => {
  test('is told at the first weight and at a change beyond the step, not more often than the gap', () => {
    const table = new Bench();
    table.weigh(1_000);
    table.weigh(1_030);
    table.weigh(1_500);
    expect(table.bodies('weight.measured').map(({ data }) => data['weight_g'])).toEqual([1_000]);
    table.scheduler.advance(11_000);
    expect(table.bodies('weight.measured').map(({ data }) => data['weight_g'])).toEqual([1_000, 1_500]);
    for (let i = 0; i < 200; i += 1) table.weigh(2_000 + i * 100);
    expect(table.bodies('weight.measured').length).toBeLessThanOrEqual(5);
  });

  test('a scale that went away is asked to repeat itself', () => {
    const table = new Bench();
    table.weigh(1_000, {}, 1);
    table.device('lost', 'no_reply', 'floor');
    table.weigh(1_000, {}, 1);
    expect(table.bodies('weight.measured')).toEqual([]);
    table.weigh(1_000, {}, 1);
    expect(table.bodies('weight.measured')).toHaveLength(1);
    const other = new Bench();
    other.weigh(1_000);
    other.device('lost', 'no_reply', 'floor');
    other.said();
    other.weigh(5_000, {}, 1);
    expect(other.bodies('weight.measured')).toEqual([]);
  });
});

describe('photos', () => {
  test('one that was asked for belongs to the visit of its door, one of before to none', () => {
    const table = new Bench();
    table.two('shut', 'shut');
    const before = table.now();
    table.two('open', 'shut');
    table.photo({ observed: before, compartment: 'w1' });
    table.two('shut', 'shut', 20);
    const said = table.said();
    expect(said.find(({ type }) => type === 'photo.captured')?.compartment).toBe('w1');
    expect(said.find(({ type }) => type === 'compartment.disturbed')?.data['photo']).toBeUndefined();
  });

  test('one that could not be kept is told, and no visit points to it', () => {
    const table = new Bench();
    table.two('shut', 'shut');
    table.two('open', 'shut');
    table.photo({ compartment: 'w1', kept: false });
    table.two('shut', 'shut', 20);
    const said = table.said();
    expect(said.find(({ type }) => type === 'photo.captured')?.data['kept']).toBe(false);
    expect(said.find(({ type }) => type === 'compartment.disturbed')?.data['not_seen']).toContain('photo');
  });
});

describe('location.fixed', () => {
  test('is told rounded when the verdict stands, and again after the interval', () => {
    const table = new Bench();
    table.fix(48_117_312, 11_516_789);
    const [first] = table.bodies('location.fixed');
    expect(first?.data).toEqual({
      accuracy_m: 5,
      distance_m: 0,
      geofence: 'inside',
      lat_mdeg: 48_117,
      lon_mdeg: 11_517,
    });
    table.fix(48_117_312, 11_516_789, {}, 600);
    expect(table.bodies('location.fixed')).toHaveLength(1);
    table.scheduler.advance(0);
    for (let i = 0; i < 61; i += 1) table.fix(48_117_312, 11_516_789, {}, 60);
    expect(table.bodies('location.fixed').length).toBeGreaterThan(1);
  });

  test('outside needs three fixes, and the edge does not flutter', () => {
    const table = new Bench();
    table.fix(48_117_312, 11_516_789);
    table.said();
    table.fix(48_200_000, 11_516_789, {}, 2);
    table.fix(48_117_312, 11_516_789, {}, 1);
    table.fix(48_119_120, 11_516_700, { accuracyM: 30 }, 10);
    expect(table.bodies('location.fixed')).toEqual([]);
    table.fix(48_200_000, 11_516_789);
    expect(table.bodies('location.fixed').map(({ data }) => data['geofence'])).toEqual(['outside']);
  });

  test('no fix for a while is unknown, without a place', () => {
    const table = new Bench();
    table.fix(48_117_312, 11_516_789);
    table.said();
    table.scheduler.advance(61_000);
    const [told] = table.bodies('location.fixed');
    expect(told?.data['geofence']).toBe('unknown');
    expect(told?.data['lat_mdeg']).toBeUndefined();
    expect(told?.data['fix_age_ms']).toBeGreaterThanOrEqual(60_000);
  });

  test('a fix whose own time is old is none', () => {
    const table = new Bench();
    for (let i = 0; i < 70; i += 1) table.fix(48_117_312, 11_516_789, { wallMs: table.now().wallMs - 600_000 }, 1);
    expect(table.bodies('location.fixed').map(({ data }) => data['geofence'])).toEqual(['unknown']);
  });
});
