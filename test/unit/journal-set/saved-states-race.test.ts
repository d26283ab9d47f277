/** States that change while logs change: neither forgotten, nor written before the events that led to them. */
import { expect, test } from 'vitest';
import { silentLogger } from '../../../src/base/logger.ts';
import { ManualScheduler } from '../../../src/base/manual-scheduler.ts';
import { AppenderFront } from '../../../src/edge/journal/appender-front.ts';
import { BlindWindow } from '../../../src/edge/journal/blind-window.ts';
import { LogRecord } from '../../../src/edge/journal/log-record.ts';
import { SavedStates } from '../../../src/edge/journal/saved-states.ts';
import { draft, newDatabase, settingsWith, soon, writerOn } from '../journal-db/support.ts';

function memoryRecord(): { readonly record: LogRecord; readonly meta: Map<string, string> } {
  const meta = new Map<string, string>();
  const record = new LogRecord({
    meta: (key) => meta.get(key),
    setMeta: (values) => {
      for (const [key, value] of Object.entries(values)) {
        if (value === undefined) meta.delete(key);
        else meta.set(key, value);
      }
    },
    metaKeys: () => [...meta.keys()],
    saveReceipt: () => undefined,
    receipts: () => [],
  });
  return { record, meta };
}

test('a state that changes while the next log is being made is written once that is open', () => {
  const scheduler = new ManualScheduler();
  let open: LogRecord | undefined;
  const saved = new SavedStates({
    scheduler,
    logger: silentLogger,
    record: () => open,
    appended: () => 0,
    quiet: () => true,
  });
  saved.set('custody', 'before');
  const { record } = memoryRecord();
  const texts = saved.settle();
  saved.set('custody', 'meanwhile');
  record.setOpening({ cause: 'rotation', carry: [] }, texts);
  saved.taken(texts);
  open = record;
  expect(saved.get('custody')).toBe('meanwhile');
  expect(record.saved('custody')).toBe('before');
  scheduler.advance(5_000);
  expect(record.saved('custody')).toBe('meanwhile');
});

test('states of one moment stay together, also of more moments than may wait', () => {
  const { record } = memoryRecord();
  let appended = 0;
  const saved = new SavedStates({
    scheduler: new ManualScheduler(),
    logger: silentLogger,
    record: () => record,
    appended: () => appended,
    quiet: () => false,
  });
  for (let i = 1; i <= 4_000; i += 1) {
    appended = i;
    saved.set('head', String(i));
    // Each part is about the same moment as the head, and only one of them changes.
    saved.set(`part_${i % 3}`, String(i));
  }
  const commits: (readonly string[])[] = [];
  for (let passed = 0; passed < 4_000; ) {
    const count = Math.min(7, 4_000 - passed);
    const group = saved.group(record, count);
    if (group !== undefined) record.store.setMeta(group.values);
    group?.stored();
    saved.advance(count);
    passed += count;
    const parts = [0, 1, 2].flatMap((nth) => record.saved(`part_${nth}`) ?? []);
    const head = Number(record.saved('head') ?? '0');
    // Never ahead of the log, and the newest of the parts is of the head's moment.
    expect(head).toBeLessThanOrEqual(passed);
    if (head > 0) expect(Math.max(...parts.map(Number))).toBe(head);
    // What one part's last change at that moment was is there, too: none was left out for a later one.
    if (head >= 3) for (const nth of [0, 1, 2]) expect(Number(record.saved(`part_${nth}`))).toBeGreaterThan(head - 3);
    commits.push(parts);
  }
  expect(record.saved('head')).toBe('4000');
  expect(commits.length).toBeGreaterThan(500);
});

test('events for which the next log has no room leave no state behind that is ahead of the others', async () => {
  const { record } = memoryRecord();
  const appended = (): number => front.appended;
  const scheduler = new ManualScheduler();
  const saved: SavedStates = new SavedStates({
    scheduler,
    logger: silentLogger,
    record: () => record,
    appended,
    quiet: () => front.waiting === 0,
  });
  const front: AppenderFront = new AppenderFront(new BlindWindow(), (nth) => saved.dropped(nth));
  for (let i = 1; i <= 400; i += 1) {
    expect(front.append(draft())).toBe('queued');
    saved.set('custody', String(i));
  }
  const known: (readonly [number, string | undefined])[] = [];
  const database = newDatabase();
  const { writer } = writerOn(database, {
    settings: settingsWith({ queue_events_max: 300 }),
    saved: (count) => saved.group(record, count),
  });
  writer.onCommit(({ size, appended: count }) => {
    saved.advance(count);
    known.push([size, database.meta('saved/custody/0')]);
  });
  front.resume(writer, 1, []);
  expect(front.appended).toBe(300);
  // As much as one commit holds; the rest waits for its time.
  await soon(() => known.length > 0);
  const [first] = known;
  expect(first?.[0]).toBeLessThan(300);
  expect(first?.[1]).toBe(String(first?.[0]));
  await front.flush(AbortSignal.timeout(10_000));
  // What the refused events had led to is true all the same: it goes with the last one that was taken.
  expect(known.at(-1)).toEqual([300, '400']);
});
