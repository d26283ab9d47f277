/** Switches that are no doors, and locks that a board cannot read. */
import { describe, expect, test } from 'vitest';
import type { InputKind } from '../../../src/edge/contracts/reading.ts';
import { snapshotOf, Table } from './bench.ts';

const KINDS = ['tamper', 'mains', 'battery'] as const;

function read(table: Table, what: InputKind, active: boolean, times = 2, device = 'east'): void {
  for (let i = 0; i < times; i += 1) {
    table.scheduler.advance(500);
    const observed = table.now();
    const input = what === 'tamper' ? 'cabinet_door' : what;
    table.custody.sink({ kind: 'input', device, observed, askedUpMs: observed.upMs - 20, input, what, active });
  }
}

const said = (table: Table): readonly object[] =>
  table.drafts.map(({ body }) => body).filter(({ type }) => /^(tamper|power)\./.test(type));

describe('switches of a board', () => {
  test('are said to change after two equal reads, with the interval in which they did', () => {
    const table = new Table();
    for (const what of KINDS) read(table, what, false);
    expect(said(table)).toEqual([]);
    const before = table.now().upMs;
    for (const what of KINDS) read(table, what, true);
    for (const what of KINDS) read(table, what, false);
    expect(said(table)).toMatchObject([
      { type: 'tamper.raised', device: 'east', data: { input: 'cabinet_door' } },
      { type: 'power.lost', device: 'east', data: { source: 'mains' } },
      { type: 'power.lost', device: 'east', data: { source: 'battery' } },
      { type: 'tamper.cleared', device: 'east', data: { input: 'cabinet_door' } },
      { type: 'power.restored', device: 'east', data: { source: 'mains' } },
      { type: 'power.restored', device: 'east', data: { source: 'battery' } },
    ]);
    // The last read before is of the first three turns; the change was seen by the first read after.
    expect(said(table)[0]).toMatchObject({ seen: { from_ms: before - 2_020, to_ms: before + 500 } });
    expect(table.withheld).toEqual([]);
  });

  test('a single read, or two around a silence of the board, is no change', () => {
    const table = new Table();
    read(table, 'tamper', false);
    read(table, 'tamper', true, 1);
    read(table, 'tamper', false, 1);
    read(table, 'tamper', true, 1);
    table.custody.sink({ kind: 'device', device: 'east', observed: table.now(), state: 'lost', reason: 'no_reply' });
    read(table, 'tamper', true, 1);
    expect(said(table)).toEqual([]);
    read(table, 'tamper', true, 1);
    expect(said(table)).toMatchObject([{ type: 'tamper.raised', data: { detail: 'while it could not be read' } }]);
  });

  test('what is wrong at the first look is said, and a restart neither repeats nor forgets it', () => {
    const first = new Table();
    read(first, 'tamper', true);
    read(first, 'mains', true);
    expect(said(first)).toMatchObject([
      { type: 'tamper.raised', data: { detail: 'so at the first look' } },
      { type: 'power.lost', data: { source: 'mains' } },
    ]);
    const restored = JSON.parse(JSON.stringify(snapshotOf(first))) as unknown;
    const second = new Table({ boot: 2, restored });
    read(second, 'tamper', true);
    expect(said(second)).toEqual([]);
    read(second, 'mains', false);
    expect(said(second)).toMatchObject([{ type: 'power.restored', device: 'east' }]);
  });
});

describe('a lock that its board cannot read', () => {
  /** Channel 1 of `west` is w1. */
  function answer(table: Table, ...unread: readonly number[]): void {
    table.scheduler.advance(500);
    const observed = table.now();
    const channels = [1, 2].filter((channel) => !unread.includes(channel));
    const states = channels.map((channel) => ({ channel, feedback: 1 }) as const);
    table.custody.sink({ kind: 'board', device: 'west', observed, channels: states, unread });
  }
  const told = (table: Table): readonly object[] =>
    table.drafts.map(({ body }) => body).filter(({ type }) => type === 'exception.reported');
  const isShown = (table: Table): boolean =>
    table.custody.status().some(({ name, unread }) => name === 'w1' && unread === true);

  test('is not taken for what it was', () => {
    const table = new Table();
    table.west('shut');
    answer(table, 1);
    table.west('open');
    const opened = table.drafts.find(({ body }) => body.type === 'door.opened');
    expect(opened?.body.data).toHaveProperty('unwatched_ms');
  });

  test('is said once, after two answers in a row, and shown until it is read again', () => {
    const table = new Table();
    table.west('shut');
    answer(table, 1);
    answer(table);
    answer(table, 1);
    expect([told(table), isShown(table)]).toEqual([[], false]);
    answer(table, 1);
    answer(table, 1);
    expect(told(table)).toEqual([
      { compartment: 'w1', data: { what: 'lock_unread' }, device: 'west', type: 'exception.reported' },
    ]);
    expect(isShown(table)).toBe(true);
    answer(table);
    expect(isShown(table)).toBe(false);
    expect(table.withheld).toEqual([]);
  });

  test('that comes and goes is said again after ten minutes at the earliest; one that is not commissioned, never', () => {
    const table = new Table();
    const loose = (): void => {
      for (let i = 0; i < 20; i += 1) for (const unread of [[1], [1], []]) answer(table, 2, ...unread);
    };
    loose();
    expect(told(table)).toHaveLength(1);
    table.scheduler.advance(600_000);
    loose();
    expect(told(table)).toHaveLength(2);
  });
});
