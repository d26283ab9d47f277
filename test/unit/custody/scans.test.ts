import { expect, test } from 'vitest';
import { clearReferences, pseudonymousReferences } from '../../../src/edge/custody/references.ts';
import { WAITING_MAX } from '../../../src/edge/custody/scans.ts';
import { crypto, DECEMBER, NOVEMBER, PARCEL_A, PARCEL_B, refOf, snapshotOf, Table } from './bench.ts';

const CARD = '4111111111111111';

test('under pseudonyms neither text nor bytes of a scan are written', () => {
  const table = new Table();
  table.scan('Shelf 7, M\u00fcller');
  table.scan(new Uint8Array([0x41, 0xff]));
  expect(table.said()).toEqual([
    { type: 'code.scanned', device: 'desk', parcel: refOf('Shelf 7, M\u00fcller'), data: { size_bytes: 16 } },
    { type: 'code.scanned', device: 'desk', data: { size_bytes: 2 } },
  ]);
});

test('in clear text the scan is written as it was, and bytes that are not UTF-8 as raw', () => {
  const table = new Table({ references: clearReferences() });
  table.scan(PARCEL_A, { suppressed: 3 });
  table.scan(new Uint8Array([0x41, 0xff]));
  table.scan(`${'\ud83d\ude02'.repeat(127)}x\ud83d\ude02`);
  const [clear, raw, long] = table.said();
  expect(clear).toEqual({
    type: 'code.scanned',
    device: 'desk',
    parcel: { ref: PARCEL_A, scheme: 'sscc' },
    data: { candidates: ['sscc'], certainty: 'check_digit', size_bytes: 18, suppressed: 3, text: PARCEL_A },
  });
  expect(raw?.data).toEqual({ raw: 'Qf8', size_bytes: 2 });
  expect(long?.data).toMatchObject({ cut: true, size_bytes: 513, text: `${'\ud83d\ude02'.repeat(127)}x` });
});

test('an element string tells its identifiers and schemes, not its values', () => {
  const table = new Table();
  table.scan(`00${PARCEL_A}400ORDER77`, {}, ']C1');
  expect(table.said()).toEqual([
    {
      type: 'code.scanned',
      device: 'desk',
      parcel: refOf(PARCEL_A),
      data: { aim: ']C1', ais: ['00', '400'], candidates: ['sscc'], certainty: 'check_digit', size_bytes: 30 },
    },
  ]);
});

test.each([
  ['pseudonyms', () => pseudonymousReferences(crypto, [NOVEMBER])],
  ['clear text', clearReferences],
])('a scanned card number is dropped, told, and never named a parcel, under %s', (_name, references) => {
  const table = new Table({ references: references() });
  table.east('shut', 0);
  table.scan(CARD);
  table.scan(`pay ${CARD.replace(/(.{4})(?=.)/g, '$1 ')}`);
  table.east('open', 0);
  table.east('shut', 0, 6);
  expect(table.withheld).toEqual(['/data/text', '/data/text']);
  expect(JSON.stringify([table.drafts, snapshotOf(table)])).not.toMatch(/1111/);
  expect(table.bodies('code.scanned').every(({ parcel }) => parcel === undefined)).toBe(true);
  expect(table.closing().data).toMatchObject({ contradictions: ['unread_scan'] });
});

test.each(['glued', 'too_long', 'no_read', 'incomplete'] as const)(
  'a scan quarantined as %s never names a parcel',
  (quarantined) => {
    const table = new Table();
    table.east('shut', 0);
    table.scan(PARCEL_A, { quarantined });
    expect(table.said().at(-1)).toEqual({
      type: 'code.scanned',
      device: 'desk',
      data: { candidates: ['sscc'], certainty: 'check_digit', quarantined, size_bytes: 18 },
    });
    table.east('open', 0);
    table.east('open', 1);
    table.east('shut', 1, 6);
    const { body, data } = table.closing();
    expect(body.type).toBe('compartment.disturbed');
    expect(data).toMatchObject({ contradictions: ['item_without_scan', 'unread_scan'], scans: [{ quarantined }] });
  },
);

test('what lies in a compartment keeps the key of its deposit', () => {
  const keys = { newest: [NOVEMBER] };
  const table = new Table({ references: pseudonymousReferences(crypto, keys.newest) });
  table.east('shut', 0);
  table.scan(PARCEL_A);
  table.east('open', 0);
  table.east('open', 1);
  table.east('shut', 1, 6);
  const later = new Table({
    boot: 2,
    restored: snapshotOf(table),
    references: pseudonymousReferences(crypto, [NOVEMBER, DECEMBER]),
  });
  later.east('shut', 1);
  later.scan(PARCEL_A);
  later.scan(PARCEL_B);
  expect(later.bodies('code.scanned').map(({ parcel }) => parcel)).toEqual([
    refOf(PARCEL_A),
    refOf(PARCEL_B, DECEMBER),
  ]);
  later.east('open', 1);
  later.east('open', 0);
  later.east('shut', 0, 6);
  later.said();
  later.scan(PARCEL_A);
  expect(later.said()[0]?.parcel).toEqual(refOf(PARCEL_A, DECEMBER));
});

test('a flood of scans makes one entry each, two reports at most, and bounded memory', () => {
  const table = new Table();
  table.east('shut', 0);
  table.said();
  const total = 5_000;
  for (let i = 0; i < total; i += 1) {
    if (i % 50 === 0) table.scheduler.advance(10);
    table.scan(`parcel ${i}`);
  }
  expect(table.said()).toHaveLength(total);
  expect(JSON.stringify(snapshotOf(table)).length).toBeLessThan(200 * WAITING_MAX);
  table.scheduler.advance(62_000);
  const reports = table.said();
  expect(new Set(reports.map(({ type }) => type))).toEqual(new Set(['exception.reported']));
  expect(reports.length).toBeLessThanOrEqual(2);
  expect(reports.reduce((sum, { data }) => sum + Number(data['count']), 0)).toBe(total);
});

test('while the journal refuses, custody says so and counts', () => {
  const table = new Table();
  table.answer = 'refused';
  table.scan(PARCEL_A);
  expect(table.custody.refusing).toBe(true);
  expect(table.metrics.value('custody_events_refused')).toBe(1);
  table.answer = 'queued';
  table.scan(PARCEL_A);
  expect(table.custody.refusing).toBe(false);
});
