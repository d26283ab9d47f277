/** What is written of the room at a change: what changed, and together always what a whole snapshot says. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { PART_COMPARTMENTS } from '../../../src/edge/custody/saved-parts.ts';
import { custodySettingsSchema } from '../../../src/edge/custody/settings.ts';
import type { JsonObject } from '../../../src/evidence/event/event.ts';
import { PARCEL_A, PARCEL_B, refOf, snapshotOf, Table } from './bench.ts';

const DOORS = 40;
const settings = custodySettingsSchema.parse({
  compartments: Array.from({ length: DOORS }, (_, i) => {
    return { name: `c${i + 1}`, device: 'wall', channel: i + 1, polarity: 'closed_is_1', item_sensor: i % 2 === 0 };
  }),
  scan_window_s: 60,
  door_open_max_s: 120,
  settle_ms: 1_500,
});

/** Forty doors on one board, and what a disk would hold of them. */
class Wall {
  readonly table: Table;
  readonly disk = new Map<number | 'head', JsonObject>();
  readonly open = new Set<number>();
  readonly filled = new Set<number>();
  #saved = -1;

  constructor(table = new Table({ settings })) {
    this.table = table;
    this.save(true);
  }

  poll(times: number): void {
    const reads = Array.from({ length: DOORS }, (_, i) => {
      const item: 0 | 1 = this.filled.has(i + 1) ? 1 : 0;
      const door: 0 | 1 = this.open.has(i + 1) ? 0 : 1;
      return [i + 1, i % 2 === 0 ? [door, item] : [door]] as const;
    });
    for (let i = 0; i < times; i += 1) {
      this.table.poll('wall', Object.fromEntries(reads) as unknown as Parameters<Table['poll']>[1]);
      if (this.table.custody.revision !== this.#saved) this.save(false);
    }
  }

  deposit(door: number): void {
    this.table.scan(PARCEL_A);
    this.open.add(door);
    this.poll(2);
    this.filled.add(door);
    this.open.delete(door);
    this.poll(8);
  }

  save(whole: boolean): readonly (number | 'head')[] {
    this.#saved = this.table.custody.revision;
    const parts = this.table.custody.changes({ whole });
    // As text and back: no object is shared with the room.
    for (const { number, state } of parts)
      this.disk.set(number ?? 'head', JSON.parse(JSON.stringify(state)) as JsonObject);
    return parts.map(({ number }) => number ?? 'head');
  }

  /** The parts in the order in which a start reads them. */
  parts(): readonly JsonObject[] {
    return [...this.disk].sort(([a], [b]) => (a === 'head' ? -1 : b === 'head' ? 1 : a - b)).map(([, part]) => part);
  }
}

/** Looks go on without a change. */
function withoutLooks(compartments: unknown): unknown {
  return JSON.parse(JSON.stringify(compartments), (key, value: unknown) =>
    key === 'door' || key === 'item' ? (value as { value?: unknown }).value : value,
  );
}

describe('a change', () => {
  test('writes the head, its own part and one more in turn, however many compartments there are', () => {
    const wall = new Wall();
    wall.poll(4);
    wall.save(false);
    const turns = [0, 1, 2, 3].map(() => wall.save(false));
    expect(turns.map((numbers) => numbers.length)).toEqual([2, 2, 2, 2]);
    // Each part comes in its turn, the first one again after the last.
    expect(new Set(turns.slice(0, 3).flat())).toEqual(new Set(['head', 0, 1, 2]));
    expect(turns[3]).toEqual(turns[0]);
    wall.open.add(PART_COMPARTMENTS + 1);
    wall.table.poll('wall', { [PART_COMPARTMENTS + 1]: [0, 0] }, 2);
    const written = wall.save(false);
    expect(written).toContain(1);
    expect(written.length).toBeLessThanOrEqual(3);
  });

  test('is in the parts together as it is in a whole snapshot, whatever changed', () => {
    const step = fc.record({
      door: fc.constantFrom(1, 2, 17, 33, DOORS),
      what: fc.constantFrom('open', 'shut', 'fill', 'clear', 'scan A', 'scan B', 'lose', 'wait', 'deposit'),
    });
    let episodes = 0;
    let held = 0;
    fc.assert(
      fc.property(fc.array(step, { minLength: 20, maxLength: 40 }), (steps) => {
        const wall = new Wall();
        wall.poll(2);
        for (const { door, what } of steps) {
          if (what === 'open') wall.open.add(door);
          if (what === 'shut') wall.open.delete(door);
          if (what === 'fill') wall.filled.add(door);
          if (what === 'clear') wall.filled.delete(door);
          if (what === 'scan A') wall.table.scan(PARCEL_A);
          if (what === 'scan B') wall.table.scan(PARCEL_B);
          if (what === 'lose') wall.table.device('lost', 'silent', 'wall');
          if (what === 'deposit') wall.deposit(door);
          wall.poll(what === 'wait' ? 10 : 2);
        }
        // As a clean stop saves the head: scans that wait change it without an event of theirs.
        wall.save(false);
        const found = wall.parts().flatMap((part) => part['compartments'] as readonly JsonObject[]);
        const whole = snapshotOf(wall.table)['compartments'] as readonly JsonObject[];
        expect(withoutLooks(found)).toEqual(withoutLooks(whole));
        episodes += whole.filter(({ episode }) => episode !== undefined).length;
        held += whole.filter((each) => (each['held'] as readonly unknown[]).length > 0).length;
      }),
      { numRuns: 40 },
    );
    // Or the property would hold of walls where nothing ever happens.
    expect(episodes).toBeGreaterThan(10);
    expect(held).toBeGreaterThan(0);
  });
});

describe('a start', () => {
  test('reads what the parts say together', () => {
    const wall = new Wall();
    wall.poll(2);
    wall.deposit(33);
    expect(wall.table.bodies('parcel.deposited')).toHaveLength(1);
    const next = new Table({ settings, boot: 2, parts: wall.parts() });
    expect(next.custody.status().filter(({ held }) => held > 0)).toMatchObject([{ name: 'c33', door: 'shut' }]);
    next.custody.recount(next.now());
    const counted = next.bodies('compartment.counted').find(({ compartment }) => compartment === 'c33');
    expect(counted?.data['held']).toEqual([refOf(PARCEL_A)]);
  });

  test('believes no part of another start than its head, as an older version leaves them behind', () => {
    const wall = new Wall();
    wall.open.add(20);
    wall.poll(2);
    const [head = {}, ...parts] = wall.parts();
    const older = { ...head, boot: 7, compartments: snapshotOf(new Wall().table)['compartments'] };
    const next = new Table({ settings, boot: 8, parts: [older as JsonObject, ...parts] });
    expect(next.custody.status().every(({ door }) => door === 'unknown')).toBe(true);
    // With the head that they belong to they are believed.
    const same = new Table({ settings, boot: 8, parts: [head, ...parts] });
    expect(same.custody.status().find(({ name }) => name === 'c20')).toMatchObject({ door: 'open' });
  });

  test('goes on without a part that cannot be read, and without all when that is the head', () => {
    const wall = new Wall();
    wall.poll(4);
    const [head = {}, first = {}, ...rest] = wall.parts();
    const door = (table: Table, name: string) => table.custody.status().find((each) => each.name === name)?.door;
    const one = new Table({ settings, boot: 2, parts: [head, { v: 9 }, ...rest] });
    expect([door(one, 'c1'), door(one, 'c33')]).toEqual(['unknown', 'shut']);
    const none = new Table({ settings, boot: 2, parts: [{ v: 9 }, first, ...rest] });
    expect(none.custody.status().every((each) => each.door === 'unknown')).toBe(true);
  });
});
