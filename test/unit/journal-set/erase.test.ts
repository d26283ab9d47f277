/** Erasing one person's entries: what goes, what stays provable, and what is refused by name. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { eraseSelection } from '../../../src/edge/gateway/erase-selection.ts';
import type { EraseReport, EraseSelection } from '../../../src/edge/journal/erase.ts';
import { pseudonym } from '../../../src/evidence/event/reference.ts';
import { nodeCrypto } from '../../../src/platform/node-crypto.ts';
import { makeTempDir } from '../../support/temp-dir.ts';
import { Box } from './box.ts';
import { Witness } from './consumer.ts';

const ANNA = '2026-11.AAAAAAAAAAAAAAAAAAAAAA';
const OTHER = '2026-11.BBBBBBBBBBBBBBBBBBBBBA';

let box: Box;
beforeEach(async () => {
  box = new Box();
  await box.start();
  await box.compare();
});
afterEach(() => box.end());

const forever = AbortSignal.timeout(60_000);
const of = (...references: readonly string[]): EraseSelection => ({ kind: 'references', references });
const erase = (selection: EraseSelection, execute: boolean): Promise<EraseReport> =>
  box.journal.erase({ selection, execute, signal: forever });

/** A scan, and an episode that names the parcel in a list. */
async function visit(ref: string): Promise<void> {
  const observed = { wallMs: box.scheduler.wallMs(), upMs: 7, clock: { src: 'none' as const } };
  const parcel = { ref, scheme: 'sscc' };
  const { appender } = box.journal;
  appender.append({ observed, body: { type: 'code.scanned', device: 'scanner-1', parcel, data: { size_bytes: 20 } } });
  const scans = [{ device: 'scanner-1', parcel, up_ms: 7 }];
  const data = { closed_by: 'door_shut', scans };
  appender.append({ observed, body: { type: 'compartment.disturbed', device: 'board-1', compartment: 'A1', data } });
  await appender.flush(forever);
}

/** Whether a text is anywhere in the files of the journal. */
function isOnDisk(text: string): boolean {
  const directory = join(box.dir, 'journal');
  return readdirSync(directory)
    .filter((name) => /\.db(-wal)?$/.test(name))
    .some((name) => readFileSync(join(directory, name)).includes(text));
}

const bodies = (origin: string): readonly boolean[] => {
  const log = box.journal.log(origin);
  return [...log.database.leaves(0, log.size)].map(({ leaf }) => leaf !== undefined);
};

const lastEntry = (origin: string): unknown => {
  const log = box.journal.log(origin);
  const [last] = [...log.database.leaves(log.size - 1, log.size)];
  return JSON.parse(Buffer.from(last?.leaf ?? []).toString());
};

test('a dry run names the entries and changes nothing', async () => {
  await visit(ANNA);
  await visit(OTHER);
  await box.send();
  const report = await erase(of(ANNA), false);
  expect(report).toMatchObject({
    outcome: 'found',
    logs: [{ origin: box.journal.origin(), found: 2, erased: 0, indices: [1, 2] }],
    unsearched: [],
  });
  expect(isOnDisk(ANNA)).toBe(true);
  expect(box.journal.log().size).toBe(5);
});

test('done, only the hashes stay: checks, receipts, later entries and exports above are as before', async () => {
  await visit(ANNA);
  await visit(OTHER);
  await box.send();
  const origin = box.journal.origin();
  const receipted = box.journal.log().receiptedSize;
  const report = await erase(of(ANNA), true);
  expect(report).toMatchObject({ outcome: 'erased', logs: [{ origin, found: 2, erased: 2 }] });
  expect(isOnDisk(ANNA)).toBe(false);
  expect(isOnDisk(OTHER)).toBe(true);
  expect(bodies(origin)).toEqual([true, false, false, true, true, true]);
  // What was done is said, without what it was about.
  expect(lastEntry(origin)).toMatchObject({
    type: 'console.acted',
    data: { action: 'journal_erase', target: `2 entries of ${origin.split('/')[2]}`, result: 'accepted' },
  });
  expect(await box.journal.check(origin, forever)).toMatchObject({ sound: true, reduced: 2 });
  expect(box.journal.log().receiptedSize).toBe(receipted);
  await box.send();
  expect(box.consumer.violations).toEqual([]);
  expect(box.journal.log().receiptedSize).toBe(6);
  // What was erased can be neither sent nor exported any more, and that is said; what stands above it can.
  expect(await box.journal.outbox.batch(origin, 0, false)).toMatchObject({ count: 1 });
  expect(await box.journal.outbox.batch(origin, 1, true)).toBeUndefined();
  expect(await box.journal.outbox.batch(origin, 3, true)).toBeDefined();
  const write = async (): Promise<void> => undefined;
  expect(await box.journal.export({ from: 0, write, signal: forever })).toMatchObject({ ok: false, reason: 'reduced' });
  expect(await box.journal.export({ from: 3, write, signal: forever })).toMatchObject({ ok: true });
  await box.restart();
  expect(await box.journal.check(undefined, forever)).toMatchObject({ sound: true, reduced: 2 });
  await box.compare();
  await visit(OTHER);
  await box.send();
  expect(box.consumer.violations).toEqual([]);
});

test('one entry that is not receipted refuses the whole by name, and nothing goes', async () => {
  await visit(ANNA);
  await box.send();
  await visit(ANNA);
  const report = await erase(of(ANNA), true);
  expect(report).toMatchObject({ outcome: 'refused', logs: [{ found: 4, erased: 0, firstWaiting: 3 }] });
  expect(bodies(box.journal.origin())).toEqual([true, true, true, true, true]);
  await box.send();
  expect(box.consumer.size(box.journal.origin())).toBe(5);
  expect(await erase(of(ANNA), true)).toMatchObject({ outcome: 'erased', logs: [{ erased: 4 }] });
});

test('what only an advisory receiver or one of two stores has is not erased', async () => {
  await box.end();
  const witnesses = [
    { witness: new Witness('store.example/a'), role: 'store' as const },
    { witness: new Witness('store.example/b'), role: 'store' as const },
    { witness: new Witness('advice.example/c'), role: 'advisory' as const },
  ];
  box = new Box({ witnesses });
  await box.start();
  await box.compare();
  await visit(ANNA);
  await box.send({ receipts: false });
  for (const nth of [2, 0]) {
    await box.receipts(witnesses[nth]?.witness);
    expect(await erase(of(ANNA), true)).toMatchObject({ outcome: 'refused', logs: [{ firstWaiting: 1 }] });
  }
  expect(box.journal.log().progressSize).toBe(3);
  await box.receipts(witnesses[1]?.witness);
  expect(await erase(of(ANNA), true)).toMatchObject({ outcome: 'erased', logs: [{ erased: 2 }] });
});

test('in every log, and in the states that ended logs keep of other rooms', async () => {
  const first = box.journal.origin();
  await visit(ANNA);
  box.journal.saveState('custody', `{"held":"${ANNA}"}`);
  await box.journal.rotate();
  box.journal.saveState('custody', '{"held":""}');
  await visit(ANNA);
  await box.send();
  box.scheduler.advance(300);
  const second = box.journal.origin();
  const report = await erase(of(ANNA), true);
  expect(report.logs.map(({ origin, erased }) => [origin, erased])).toEqual([
    [first, 2],
    [second, 2],
  ]);
  expect(report.isHeldByCustody).toBe(false);
  box.journal.log(first).database.walCheckpointTruncate();
  box.journal.log().database.walCheckpointTruncate();
  expect(isOnDisk(ANNA)).toBe(false);
  expect(box.journal.loadState('custody')).toBe('{"held":""}');
});

test('a state so long that it lies in parts is searched as a whole', async () => {
  const first = box.journal.origin();
  await visit(ANNA);
  // The reference stands across the end of the first part, at 16,000 characters.
  box.journal.saveState('custody', `${'x'.repeat(15_990)}${ANNA}`);
  await box.journal.rotate();
  box.journal.saveState('custody', '');
  await box.send();
  box.scheduler.advance(300);
  const { record } = box.journal.log(first);
  expect(record.saved('custody')).toContain(ANNA);
  expect(await erase(of(ANNA), true)).toMatchObject({ outcome: 'erased' });
  expect(record.saved('custody')).toBeUndefined();
});

test('a power cut at any moment of it leaves a log that verifies, and what was done is said before it was', async () => {
  const origin = box.journal.origin();
  await visit(ANNA);
  await visit(OTHER);
  await box.send();
  const moments = await box.momentsOf(erase(of(ANNA), true), 20);
  expect(moments.length).toBeGreaterThan(1);
  for (const moment of moments) {
    await moment.start();
    const { journal, consumer } = moment;
    expect(await journal.check(origin, forever)).toMatchObject({ sound: true });
    const log = journal.log(origin);
    const isErased = [...log.database.leaves(1, 2)][0]?.leaf === undefined;
    const isSaid = [...log.database.leaves(3, log.size)].some(({ leaf }) =>
      Buffer.from(leaf ?? []).includes('journal_erase'),
    );
    if (isErased) expect(isSaid).toBe(true);
    await moment.compare();
    await moment.send();
    expect(consumer.violations).toEqual([]);
    expect(await journal.erase({ selection: of(ANNA), execute: true, signal: forever })).toMatchObject({
      outcome: 'erased',
    });
    expect([...log.database.leaves(1, 3)].map(({ leaf }) => leaf)).toEqual([undefined, undefined]);
    await moment.end();
  }
});

test('what a breached log handed on goes there once it is receipted as carried', async () => {
  await box.record(1);
  const copy = box.snapshot('older');
  await box.record(1);
  await box.send({ receipts: false });
  await box.stop();
  box.restore(copy);
  await box.start();
  await visit(ANNA);
  const first = box.journal.origin();
  await box.compare();
  expect(await erase(of(ANNA), true)).toMatchObject({ outcome: 'refused' });
  await box.send();
  const report = await erase(of(ANNA), true);
  expect(report.outcome).toBe('erased');
  expect(report.logs.map(({ origin, erased }) => [origin, erased])).toEqual([
    [first, 2],
    [box.journal.origin(), 2],
  ]);
});

test('entries by number, but never what the log says of itself', async () => {
  await visit(ANNA);
  await box.send();
  const origin = box.journal.origin();
  const selection = eraseSelection({ log: origin, entries: '0-1,99' }, { kind: 'clear' });
  const report = await erase(selection, true);
  expect(report.logs).toMatchObject([{ origin, found: 1, erased: 1, indices: [1], own: [0] }]);
  expect(bodies(origin)).toEqual([true, false, true, true]);
});

test('custody that still holds the parcel is said', async () => {
  box.journal.saveState('custody', `{"held":"${ANNA}"}`);
  expect(await erase(of(ANNA), false)).toMatchObject({ logs: [], isHeldByCustody: true });
  box.journal.saveState('custody', `{"held":"${ANNA}7","up_ms":1234}`);
  expect(await erase(of(ANNA), false)).toMatchObject({ isHeldByCustody: false });
  expect(await erase(of('123'), false)).toMatchObject({ isHeldByCustody: false });
});

test('a value is looked up under every reference key that is here, and as clear text', () => {
  const dir = makeTempDir('erase');
  try {
    const ids = ['2026-10', '2026-11'];
    for (const [i, id] of ids.entries()) writeFileSync(dir.file(`${id}.key`), `${i}1`.repeat(32), { mode: 0o600 });
    const settings = { kind: 'pseudonym', keys_dir: dir.path } as const;
    const expected = ids.map((id, i) =>
      pseudonym(
        nodeCrypto,
        { id, key: Buffer.from(`${i}1`.repeat(32), 'hex') },
        'parcel',
        'sscc',
        '340123450000000017',
      ),
    );
    const found = eraseSelection({ parcel: '340123450000000017' }, settings);
    expect(found.kind === 'references' && found.references).toEqual(
      expect.arrayContaining([...expected, '340123450000000017']),
    );
    const person = eraseSelection({ actor: ' anna ', kind: 'recipient' }, settings);
    expect(person.kind === 'references' && person.references).toHaveLength(3);
  } finally {
    dir.remove();
  }
});

test.each([
  [{}, 'expected one of --entries'],
  [{ ref: 'a', parcel: 'b' }, 'expected one of --entries'],
  [{ entries: '1' }, '--log ORIGIN'],
  [{ log: 'x', ref: 'a' }, '--log belongs to --entries'],
  [{ log: 'x', entries: '7-3' }, 'found "7-3"'],
  [{ log: 'x', entries: '1,,2' }, 'found ""'],
  [{ actor: 'anna' }, 'needs --kind'],
  [{ parcel: ' ', scheme: 'sscc' }, 'empty or too long'],
])('a selection that is not one is refused: %j', (args, why) => {
  expect(() => eraseSelection(args, { kind: 'clear' })).toThrow(why);
});
