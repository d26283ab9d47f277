/**
 * Intents and anchors over real databases: each rule of continuity as a trace. After every trace no counter value stands
 * over two checkpoints, and the verifier's own judge refutes nothing.
 */
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { EventWeights } from '../../../src/edge/journal/event-weight.ts';
import { until } from '../../support/until.ts';
import { AnchoredBox, type TpmStep } from './anchored-box.ts';
import { talesOf } from './tales.ts';

let box: AnchoredBox;
beforeEach(async () => {
  box = new AnchoredBox();
  await box.start();
  await box.anchored();
});
afterEach(() => box.end());

const { entryZero, expectWhole, predecessor, stateOf } = talesOf(() => box);

const counters = (): readonly number[] => box.anchorsMade().map(({ counter }) => counter);

async function anchoredScan(): Promise<void> {
  await box.record(1);
  await box.anchored();
}

describe('a finished anchor', () => {
  test('stands on the note of its size and as an entry, and its tree contains the anchor before it', async () => {
    await anchoredScan();
    await anchoredScan();
    const made = box.anchorsMade();
    expect(made.map(({ counter }) => counter)).toEqual([8, 9, 10]);
    for (const { of, size } of made) expect(box.linesAt(of, size)).toBe(2);
    expect(box.judged().findings).toEqual([]);
    expect(entryZero()).toMatchObject({ counter: { found: 7 } });
  });

  test('is no reason for another: nothing happens until there are other entries', async () => {
    const before = counters();
    box.scheduler.advance(3_600_000);
    await box.anchored();
    expect(counters()).toEqual(before);
    expect(box.journal.anchors?.candidate()?.unanchored).toBe('idle');
  });

  test('leaves in its batch and on its note, and every entry is used once', async () => {
    await box.compare();
    await anchoredScan();
    await expectWhole();
  });
});

describe('the weight of what is new', () => {
  test('is that of its heaviest event: a parcel, another entry, a sign of life', () => {
    const weights = new EventWeights(3);
    expect([0, 2, 3].map((size) => weights.beyond(size))).toEqual(['entries', 'entries', 'idle']);
    weights.add('parcel.deposited', 3);
    weights.add('code.scanned', 4);
    weights.add('gateway.alive', 5);
    weights.add('anchor.made', 6);
    expect([3, 4, 5, 7].map((size) => weights.beyond(size))).toEqual(['parcel', 'entries', 'idle', 'idle']);
  });

  test('shows in what is to be anchored next', async () => {
    const { anchors } = box.journal;
    box.chip.isAway = true;
    const append = (type: string, data: Readonly<Record<string, number>>): Promise<void> => {
      const observed = { wallMs: box.scheduler.wallMs(), upMs: 1, clock: { src: 'none' as const } };
      box.journal.appender.append({ observed, body: { type, data }, urgent: true });
      return box.journal.appender.flush(AbortSignal.timeout(60_000));
    };
    await append('gateway.alive', { interval_ms: 1 });
    expect(anchors?.candidate()?.unanchored).toBe('idle');
    await append('clock.stepped', { by_ms: 1 });
    expect(anchors?.candidate()?.unanchored).toBe('entries');
  });
});

test('no note is anchored whose tree does not contain the anchor before it', async () => {
  await anchoredScan();
  box.chip.meanwhile = async () => {
    box.chip.meanwhile = undefined;
    await box.record(1);
    // From here on commits have no note.
    box.locked = true;
  };
  await anchoredScan();
  const origin = box.journal.origin();
  const made = box.anchorsMade().at(-1);
  const { noteSize, size } = box.journal.log(origin);
  expect(noteSize).toBeGreaterThan(made?.size ?? 0);
  expect(size).toBeGreaterThan(noteSize);
  expect(box.journal.anchors?.candidate()).toBeUndefined();
  box.locked = false;
  for (let i = 0; i < 20; i += 1) box.scheduler.advance(100);
  await until('the notes', () => box.journal.log(origin).noteSize === box.journal.log(origin).size);
  await box.anchored();
  expect(box.faults()).toEqual([]);
});

describe('power that goes in an anchor', () => {
  const cuts = (['increment', 'certify'] as const).flatMap((step: TpmStep) => [
    { step, isDone: false },
    { step, isDone: true },
  ]);
  test.each(cuts)(
    'at the TPM, before or after $step ($isDone): the same value goes over the same text',
    async (cut) => {
      const before = counters();
      box.chip.cut = cut;
      await anchoredScan();
      expect(box.chip.cut).toBeUndefined();
      expect(box.journal.anchors?.intent()).toMatchObject({ counter: 9 });
      await box.restart();
      await box.anchored();
      expect(counters()).toEqual([...before, 9, 10]);
      expect(box.faults()).toEqual([]);
      expect(box.origins()).toHaveLength(1);
      await box.compare();
      await expectWhole();
    },
  );

  test('at the disk, at any moment: an anchor may be said twice, and is never skipped', async () => {
    for (let changes = 1; changes <= 8; changes += 1) {
      const going = (async () => {
        await box.record(1);
        await box.anchored();
      })().catch(() => undefined);
      await box.crashDuring(going, changes);
      await box.start();
      await box.anchored();
      expect(box.faults()).toEqual([]);
    }
    const values = [...new Set(counters())];
    expect(values).toEqual(values.map((_, i) => 8 + i));
    expect(values.length).toBeGreaterThan(8);
    expect(box.origins()).toHaveLength(1);
    await box.compare();
    await expectWhole();
  });
});

describe('a rotation', () => {
  test('waits for an open intent while the TPM is there', async () => {
    await box.record(1);
    await box.anchored();
    const first = box.journal.origin();
    const going = box.record(1).then(() => box.journal.rotate());
    await going;
    await box.anchored();
    const intoFirst = box.anchorsMade().filter(({ log }) => log === first);
    expect(intoFirst.every(({ of }) => of === first)).toBe(true);
    expect(box.faults()).toEqual([]);
    const { counter } = entryZero() as { readonly counter: { readonly expected: number; readonly found: number } };
    expect(counter.found).toBe(counter.expected);
  });

  test('takes an intent along whose TPM is away; its anchor in the next log names the log before', async () => {
    const first = box.journal.origin();
    box.chip.cut = { step: 'certify', isDone: false };
    await anchoredScan();
    const intent = box.journal.anchors?.intent();
    expect(intent).toMatchObject({ origin: first, counter: 9 });
    const rotated = box.journal.rotate();
    for (let i = 0; i < 400; i += 1) {
      box.scheduler.advance(100);
      await box.journal.settled();
    }
    await rotated;
    expect(entryZero()['counter']).toBeUndefined();
    await box.restart();
    await box.anchored();
    const [, moved] = box.anchorsMade();
    expect(moved).toEqual({ log: box.journal.origin(), of: first, counter: 9, size: intent?.size });
    expect(box.linesAt(first, intent?.size ?? 0)).toBe(2);
    expect(box.faults()).toEqual([]);
    expect(box.origins()).toHaveLength(2);
  });
});

/** The log's own key, and the one that was made ahead. */
async function keysReady(count: number): Promise<void> {
  const keys = (): number => readdirSync(join(box.dir, 'keys')).filter((name) => name.endsWith('.key')).length;
  await until(`${count} keys`, () => keys() === count);
}

function damageNewest(): void {
  const [name = ''] = readdirSync(join(box.dir, 'journal')).filter((file) => file.endsWith('.db'));
  const database = new Database(join(box.dir, 'journal', name));
  database.prepare('UPDATE commits SET leaves = zeroblob(length(leaves)) WHERE first = 2').run();
  database.close();
}

describe('a damaged database', () => {
  test('gives its readable intent to the log after it', async () => {
    const first = box.journal.origin();
    box.chip.cut = { step: 'certify', isDone: false };
    await box.record(2);
    await anchoredScan();
    await box.crash();
    damageNewest();
    await box.start();
    await box.anchored();
    expect(predecessor()).toMatchObject({ log: first, cause: 'quarantine' });
    expect(entryZero()).toMatchObject({ counter: { expected: 9, found: 9 } });
    expect(box.anchorsMade().map(({ log, of, counter }) => [log, of, counter])).toContainEqual([
      box.journal.origin(),
      first,
      9,
    ]);
    expect(box.faults()).toEqual([]);
  });

  test('opens the next log with a key made ahead, although the TPM is away', async () => {
    const first = box.journal.origin();
    await keysReady(2);
    await box.restart();
    await box.anchored();
    await keysReady(2);
    box.chip.isAway = true;
    box.locked = true;
    await box.journal.rotate();
    expect(box.journal.origin()).not.toBe(first);
    expect(entryZero()['counter']).toBeUndefined();
    box.locked = false;
    box.chip.isAway = false;
    for (let i = 0; i < 20; i += 1) box.scheduler.advance(10_000);
    await box.anchored();
    expect(stateOf(box.journal.origin())).toBe('open');
    expect(box.faults()).toEqual([]);
  });
});

describe('a database that is gone', () => {
  test('while an older log is here: what that one knew is expected, and the gap is stated', async () => {
    const first = box.journal.origin();
    await box.journal.rotate();
    await box.anchored();
    await anchoredScan();
    const lost = box.journal.origin();
    await box.stop();
    rmSync(join(box.dir, 'journal', `${lost.split('/')[2]}.db`));
    await box.start();
    await box.anchored();
    expect(predecessor()).toMatchObject({ log: lost, cause: 'missing' });
    const { counter } = entryZero() as { readonly counter: { readonly expected: number; readonly found: number } };
    expect(counter.found).toBeGreaterThan(counter.expected);
    expect(box.origins()).toEqual([first, box.journal.origin()]);
    expect(box.faults()).toEqual([]);
    expect(box.judged().findings.map(({ name }) => name)).toEqual(['gap_stated']);
  });

  test('while the older log knows an intent that was finished long ago: it is named and dropped', async () => {
    const first = box.journal.origin();
    await box.rotate();
    await box.anchored();
    // The state of the first log as it was when its intent moved on.
    const stale = { v: 1, intent: { origin: first, size: 1, root: 'A'.repeat(43), counter: 8 }, last: 7 };
    box.journal.log(first).record.setSaved(new Map([['anchor', JSON.stringify(stale)]]));
    await anchoredScan();
    const lost = box.journal.origin();
    await box.stop();
    rmSync(join(box.dir, 'journal', `${lost.split('/')[2]}.db`));
    await box.start();
    await box.anchored();
    expect(entryZero()).toMatchObject({
      intent_dropped: { log: first, size: 1, counter: 8 },
      counter: { expected: 7, found: expect.any(Number) },
    });
    expect(predecessor()).toMatchObject({ log: lost, cause: 'missing' });
    expect(box.journal.anchors?.intent()).toBeUndefined();
    expect(box.faults()).toEqual([]);
  });

  test('with all of them: counting goes on from what is found, and the key made ahead is no lost log', async () => {
    await anchoredScan();
    const only = box.journal.origin();
    const found = box.chip.paper.counter;
    await box.stop();
    const stopped = box.chip.paper.counter;
    box.loseDatabases();
    await box.start();
    await box.anchored();
    expect(predecessor()).toEqual({ log: only, cause: 'missing' });
    expect(entryZero()).toMatchObject({ counter: { found: stopped } });
    expect(stopped).toBeGreaterThanOrEqual(found);
    expect(counters()).toEqual([stopped + 1]);
    expect(box.faults()).toEqual([]);
  });
});

describe('a restored copy', () => {
  test('below a later anchor is a breach by counter: a new log says so, and what was not receipted is carried', async () => {
    await box.compare();
    await box.record(1);
    await box.anchored();
    await box.send();
    const copy = box.snapshot('older');
    const expected = box.journal.anchors?.lastCounter() ?? 0;
    const first = box.journal.origin();
    await anchoredScan();
    await box.stop();
    const found = box.chip.paper.counter;
    box.restore(copy);
    box.chip.isAway = true;
    await box.start();
    const mine = await box.record(1);
    box.chip.isAway = false;
    await box.anchored();
    expect(stateOf(first)).toBe('breached counter');
    expect(entryZero()).toMatchObject({
      after: { log: first, cause: 'breach' },
      by: 'counter',
      counter: { expected, found },
    });
    expect(found).toBeGreaterThan(expected);
    expect(box.anchorsMade().at(-1)).toMatchObject({ log: box.journal.origin(), counter: found + 1 });
    const carried = box.entries(box.journal.origin()).flatMap((entry) => {
      return entry['carried'] === undefined ? [] : [(entry['data'] as { readonly text?: string }).text];
    });
    expect(carried).toEqual(expect.arrayContaining([...mine]));
    expect(box.faults()).toEqual([]);
  });

  test('names an intent that it makes unfinishable', async () => {
    box.chip.cut = { step: 'certify', isDone: false };
    await anchoredScan();
    await box.crash();
    const copy = box.snapshot('with an intent');
    await box.start();
    await box.anchored();
    await anchoredScan();
    await box.stop();
    box.restore(copy);
    await box.start();
    await box.anchored();
    const { intent_dropped: dropped, counter } = entryZero() as Record<string, { readonly counter: number }>;
    expect(dropped).toMatchObject({ counter: 9 });
    expect(counter).toEqual({
      expected: 8,
      found: expect.any(Number),
    });
    expect(box.faults()).toEqual([]);
  });

  test('is noticed as soon as the TPM is back, when it was away at the start', async () => {
    const first = box.journal.origin();
    const copy = box.snapshot('older');
    await anchoredScan();
    await box.stop();
    box.restore(copy);
    box.chip.isAway = true;
    await box.start();
    await box.record(1);
    await box.anchored();
    expect(stateOf(first)).toBe('open');
    box.chip.isAway = false;
    await box.anchored();
    expect(stateOf(first)).toBe('breached counter');
    expect(box.faults()).toEqual([]);
  });

  test('of a box whose next key was used meanwhile: the key that waited on the copy opens no log', async () => {
    await keysReady(2);
    const copy = box.snapshot('older');
    await anchoredScan();
    await box.journal.rotate();
    const second = box.journal.origin();
    await box.anchored();
    await box.stop();
    box.restore(copy);
    await box.start();
    await box.anchored();
    expect(box.origins()).toHaveLength(2);
    expect(box.origins()).not.toContain(second);
  });
});
