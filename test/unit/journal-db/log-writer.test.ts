import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, test, vi } from 'vitest';
import { AssertionError } from '../../../src/base/assert.ts';
import { LatchkeyError } from '../../../src/base/errors.ts';
import { BlindWindow } from '../../../src/edge/journal/blind-window.ts';
import type { LogDatabase } from '../../../src/edge/journal/log-database.ts';
import { COMMIT_BYTES_MAX } from '../../../src/evidence/batch/batch.ts';
import type { CustodyEvent } from '../../../src/evidence/event/event.ts';
import { judgeLeaf } from '../../../src/evidence/event/guard.ts';
import { parseLeaf } from '../../../src/evidence/event/leaf.ts';
import { draft, fill, forever, newDatabase, openDatabase, settingsWith, soon, testLog, writerOn } from './support.ts';

function eventsOf(database: LogDatabase): readonly CustodyEvent[] {
  return [...database.leaves(0, database.size())].map(({ leaf }) => {
    const parsed = parseLeaf(leaf ?? new Uint8Array());
    if (!parsed.ok) throw new Error(parsed.detail);
    expect(judgeLeaf(parsed.value)).toEqual({ use: 'accepted' });
    return parsed.value.event;
  });
}

describe('a commit', () => {
  test('holds the events in order of the calls, each with its place, and a note over them', async () => {
    const { database, writer, news, scheduler } = writerOn(newDatabase());
    const places: number[] = [];
    for (let i = 0; i < 5; i += 1) {
      expect(writer.append(draft({ onDurable: ({ index }: { index: number }) => places.push(index) }))).toBe('queued');
    }
    expect(database.size()).toBe(0);
    scheduler.advance(20);
    await soon(() => database.size() === 5);
    expect(places).toEqual([0, 1, 2, 3, 4]);
    expect(news.map(({ first, size, noteSize, leaves }) => [first, size, noteSize, leaves.length])).toEqual([
      [0, 5, 5, 5],
    ]);
    const events = eventsOf(database);
    expect(events.map(({ n }) => n)).toEqual([0, 1, 2, 3, 4]);
    expect(events.map(({ up_ms }) => up_ms)).toEqual([...events.map(({ up_ms }) => up_ms)].sort((a, b) => a - b));
    expect(events[0]).toMatchObject({
      v: 1,
      log: testLog.origin,
      type: 'door.opened',
      at: '2026-11-22T09:00:00.000Z',
      clock: { src: 'ntp', err_ms: 4 },
      boot: 1,
      device: 'bank-1',
      compartment: 'A17',
      data: { channel: 17 },
    });
    expect(new Set(events.map(({ salt }) => salt)).size).toBe(5);
    expect(events.every(({ salt }) => /^[A-Za-z0-9_-]{22}$/.test(salt))).toBe(true);
    expect(database.verifyRange(0, 5)).toMatchObject({ ok: true, notes: 1 });
  });

  test('waits for others until it must be written to be durable after 20 ms, and not at all with an urgent event among them', async () => {
    const { database, writer, scheduler } = writerOn(newDatabase());
    writer.append(draft());
    scheduler.advance(17);
    await turn();
    expect(database.size()).toBe(0);
    scheduler.advance(1);
    await soon(() => database.size() === 1);
    writer.append(draft());
    writer.append(draft({ urgent: true }));
    writer.append(draft());
    await soon(() => database.size() === 4);
    expect(database.commits(0, 9).map(({ size }) => size)).toEqual([1, 4]);
  });

  test('never holds more than 256 events or 48 KiB, and a full group does not wait', async () => {
    const { database, writer } = writerOn(newDatabase());
    for (let i = 0; i < 600; i += 1) writer.append(draft());
    const settings = Object.fromEntries(
      Array.from({ length: 30 }, (_, i) => [
        `a${'b'.repeat(20)}${String.fromCharCode(97 + (i % 26))}${i < 26 ? '' : 'x'}`,
        'v'.repeat(40),
      ]),
    );
    const body = { type: 'settings.changed', data: { settings } };
    for (let i = 0; i < 60; i += 1) writer.append(draft({ body }));
    await writer.flush(forever);
    const commits = database.commits(0, 99);
    const bytes = commits.map(({ first, size }) =>
      [...database.leaves(first, size)].reduce((sum, { leaf }) => sum + (leaf?.length ?? 0) + 1, 0),
    );
    expect(database.size()).toBe(660);
    expect(Math.max(...bytes)).toBeLessThanOrEqual(COMMIT_BYTES_MAX);
    expect(Math.max(...bytes)).toBeGreaterThan(COMMIT_BYTES_MAX - 4_096);
    expect(commits.every(({ first, size }) => size - first <= 256)).toBe(true);
    expect(commits.every(({ note }) => note !== undefined)).toBe(true);
  });

  test('goes on where the file ends, in the next start', async () => {
    const first = writerOn(newDatabase());
    first.writer.append(draft({ urgent: true }));
    await first.writer.close();
    first.database.close();
    const second = writerOn(openDatabase(first.database.path), { boot: 2 });
    second.writer.append(draft());
    await second.writer.close();
    expect(eventsOf(second.database).map(({ n, boot }) => [n, boot])).toEqual([
      [0, 1],
      [1, 2],
    ]);
  });

  test('drops what the guard drops before disk and memory, and says so in the event', async () => {
    const { database, writer } = writerOn(newDatabase());
    const body = { type: 'code.scanned', device: 's', data: { size_bytes: 16, text: '4111111111111111' } };
    writer.append(draft({ body }));
    writer.append(draft({ body: { ...body, data: { size_bytes: 4, text: 'ok-1' } }, withheld: ['/data/detail'] }));
    const carried = { log: 'a.example/gw-1/1-00000000', n: 3, boot: 1, up_ms: 9, leaf: 'A'.repeat(43) };
    writer.append(draft({ carried }));
    await writer.flush(forever);
    const [dropped, kept, carriedEvent] = eventsOf(database);
    expect(dropped).toMatchObject({ withheld: ['/data/text'], data: { size_bytes: 16 } });
    expect(JSON.stringify(dropped)).not.toContain('4111');
    expect(kept).toMatchObject({ withheld: ['/data/detail'], data: { text: 'ok-1' } });
    expect(carriedEvent?.carried).toEqual(carried);
    expect(() => writer.append(draft({ body: { type: 'no.such_type', data: {} } }))).toThrow(AssertionError);
  });
});

describe('the queue', () => {
  test('refuses beyond its bounds, counts it, and signs the blind window afterwards', async () => {
    const blind = new BlindWindow();
    const observe = () => draft().observed;
    const bench = writerOn(newDatabase(), {
      blind,
      observe,
      settings: settingsWith({ queue_events_max: 256 }),
      mood: 'silent',
    });
    const { database, writer, scheduler, signer, metrics } = bench;
    for (let i = 0; i < 256; i += 1) expect(writer.append(draft())).toBe('queued');
    await turn();
    // The first group waits for its signature; the queue fills behind it.
    let refused = draft();
    let queued = 256;
    for (; writer.append(refused) === 'queued'; refused = draft()) queued += 1;
    expect(queued).toBeGreaterThan(400);
    const lost = [refused, draft(), draft({ body: { type: 'line.noisy', data: { port: 'p', since_up_ms: 1 } } })];
    for (const each of lost.slice(1)) expect(writer.append(each)).toBe('refused');
    expect(metrics.value('journal_events_refused', { cause: 'queue_full' })).toBe(3);
    signer.mood = 'here';
    scheduler.advance(2_000);
    await soon(() => database.size() === queued + 1);
    await writer.close();
    const events = eventsOf(database);
    expect(events.at(-1)).toMatchObject({
      type: 'exception.reported',
      data: {
        what: 'events_not_recorded',
        blind: {
          cause: 'queue_full',
          events: 3,
          from_up_ms: lost[0]?.observed.upMs,
          to_up_ms: lost[2]?.observed.upMs,
          by_type: [
            { type: 'door.opened', count: 2 },
            { type: 'line.noisy', count: 1 },
          ],
        },
      },
    });
    expect(events).toHaveLength(queued + 1);
  });

  test('its bound in bytes holds too, and the log’s own records go above both', async () => {
    const settings = settingsWith({ queue_bytes_max: 65_536, queue_events_max: 1_000_000 });
    const { writer } = writerOn(newDatabase(), { settings, mood: 'silent' });
    let queued = 0;
    while (writer.append(draft()) === 'queued') queued += 1;
    expect(queued).toBeGreaterThan(200);
    expect(queued).toBeLessThan(1_000);
    expect(writer.append(draft({ own: true }))).toBe('queued');
  });
});

describe('a key that is away', () => {
  test('stops no commit: notes come in ascending order when it is back, before any newer one', async () => {
    const { database, writer, signer, scheduler, news } = writerOn(newDatabase(), { mood: 'locked' });
    for (let i = 0; i < 3; i += 1) {
      writer.append(draft({ urgent: true }));
      await soon(() => database.size() === i + 1);
    }
    expect(writer.keyHere).toBe(false);
    expect(writer.state).toBe('open');
    expect(database.newestNote()).toBeUndefined();
    expect(news.map(({ noteSize }) => noteSize)).toEqual([0, 0, 0]);
    signer.mood = 'here';
    scheduler.advance(1_000);
    await soon(() => database.oldestWithoutNote() === undefined);
    writer.append(draft({ urgent: true }));
    await soon(() => database.size() === 4);
    expect(signer.signed.map((text) => text.split('\n')[1])).toEqual(['1', '2', '3', '4']);
    expect(news.at(-1)).toMatchObject({ size: 4, noteSize: 4 });
    expect(news.some(({ leaves, noteSize }) => leaves.length === 0 && noteSize === 3)).toBe(true);
    expect(database.verifyRange(0, 4)).toMatchObject({ ok: true, notes: 4 });
    expect(writer.keyHere).toBe(true);
  });

  test('commits that came without a note in an earlier start get theirs first', async () => {
    const database = newDatabase();
    fill(database, [2]);
    fill(database, [3, 1, 5], false);
    database.close();
    const bench = writerOn(openDatabase(database.path));
    expect(bench.writer.keyHere).toBe(false);
    bench.writer.append(draft());
    await soon(() => bench.database.oldestWithoutNote() === undefined);
    expect(bench.signer.signed.map((text) => text.split('\n')[1]).slice(0, 3)).toEqual(['5', '6', '11']);
    await bench.writer.close();
    expect(bench.database.verifyRange(0, 12)).toMatchObject({ ok: true });
  });

  test('a hundred commits without notes are caught up while new events go on being committed', async () => {
    const { database, writer, signer, scheduler } = writerOn(newDatabase(), { mood: 'absent' });
    for (let i = 0; i < 100; i += 1) {
      writer.append(draft({ urgent: true }));
      await soon(() => database.size() === i + 1);
    }
    signer.mood = 'here';
    scheduler.advance(30_000);
    for (let i = 0; i < 10; i += 1) {
      writer.append(draft({ urgent: true }));
      await turn();
    }
    await writer.close();
    expect(database.size()).toBe(110);
    expect(database.oldestWithoutNote()).toBeUndefined();
    expect(database.verifyRange(0, 110)).toMatchObject({ ok: true, entries: 110 });
  });

  test('a signature that does not come in time is not waited for, and thrown away when it comes', async () => {
    const { database, writer, scheduler } = writerOn(newDatabase(), { mood: 'silent' });
    writer.append(draft({ urgent: true }));
    await turn();
    expect(database.size()).toBe(0);
    scheduler.advance(2_000);
    await soon(() => database.size() === 1);
    expect(database.newestNote()).toBeUndefined();
  });

  test('nothing is signed over rows that do not fit: the log is damaged', async () => {
    const database = newDatabase();
    fill(database, [2]);
    fill(database, [3], false);
    const verify = vi.spyOn(database, 'verifyRange');
    const before = { size: 2, reduced: 0, notes: 1 };
    verify.mockReturnValue({ ok: false, reason: 'leaf_hash', index: 3, detail: 'as a flipped bit would', before });
    const { writer, signer, states } = writerOn(database);
    writer.append(draft({ urgent: true }));
    await soon(() => writer.state === 'damaged');
    expect(signer.signed).toEqual([]);
    expect(states).toEqual(['damaged']);
    await expect(writer.flush(forever)).rejects.toMatchObject({ code: 'JOURNAL_DAMAGED' });
    expect(await writer.release()).toHaveLength(1);
  });

  test('a key that is gone for good is said once, and entries go on being stored', async () => {
    const { database, writer, signer, states } = writerOn(newDatabase(), { mood: 'lost' });
    writer.append(draft({ urgent: true }));
    await soon(() => database.size() === 1);
    signer.mood = 'here';
    writer.append(draft({ urgent: true }));
    await soon(() => database.size() === 2);
    expect(states).toEqual(['key_lost']);
    expect(signer.signed).toEqual([]);
    expect(database.newestNote()).toBeUndefined();
  });
});

describe('a disk that fails', () => {
  /** The next commits fail with this code; `stored` says whether the rows got there all the same. */
  function failing(database: LogDatabase, code: 'JOURNAL_IO' | 'JOURNAL_FULL', stored = false): { restore(): void } {
    const commit = database.commit.bind(database);
    const failed = vi.spyOn(database, 'failed');
    const reopen = vi.spyOn(database, 'reopen');
    const spy = vi.spyOn(database, 'commit').mockImplementation((each) => {
      if (stored && each.first === database.size()) commit(each);
      if (code === 'JOURNAL_IO') failed.mockReturnValue(true);
      throw new LatchkeyError(code, 'as the disk would');
    });
    reopen.mockImplementation(() => {
      throw new LatchkeyError('JOURNAL_IO', 'still broken');
    });
    return {
      restore: () => {
        spy.mockRestore();
        reopen.mockRestore();
        failed.mockRestore();
      },
    };
  }

  test('a commit whose fsync failed is made again as it was, after reopening', async () => {
    const { database, writer, scheduler, signer, states } = writerOn(newDatabase());
    const disk = failing(database, 'JOURNAL_IO');
    writer.append(draft({ urgent: true }));
    await soon(() => writer.state === 'failed');
    writer.append(draft({ urgent: true }));
    scheduler.advance(60_000);
    await turn();
    expect(database.size()).toBe(0);
    const before = signer.signed.length;
    disk.restore();
    vi.spyOn(database, 'failed').mockReturnValueOnce(true);
    scheduler.advance(60_000);
    await soon(() => database.size() === 2);
    // The note was thrown away and made anew, over the same root.
    expect(signer.signed.length).toBeGreaterThan(before);
    const ofSizeOne = signer.signed.filter((text) => text.split('\n')[1] === '1');
    expect(new Set(ofSizeOne).size).toBe(1);
    expect(ofSizeOne.length).toBeGreaterThan(1);
    expect(states).toEqual(['failed', 'open']);
    expect(database.verifyRange(0, 2)).toMatchObject({ ok: true, notes: 2 });
  });

  test('a commit that was stored although its fsync failed is released after reopening, not made twice', async () => {
    const { database, writer, scheduler } = writerOn(newDatabase());
    const disk = failing(database, 'JOURNAL_IO', true);
    const places: number[] = [];
    writer.append(draft({ urgent: true, onDurable: ({ index }: { index: number }) => places.push(index) }));
    await soon(() => writer.state === 'failed');
    expect(places).toEqual([]);
    disk.restore();
    vi.spyOn(database, 'failed').mockReturnValueOnce(true);
    scheduler.advance(60_000);
    await soon(() => writer.state === 'open');
    expect(places).toEqual([0]);
    expect(database.size()).toBe(1);
  });

  test('what it hands back after a failure is not in the file', async () => {
    for (const stored of [false, true]) {
      const { database, writer } = writerOn(newDatabase());
      const disk = failing(database, 'JOURNAL_IO', stored);
      writer.append(draft({ urgent: true }));
      await soon(() => writer.state === 'failed');
      writer.append(draft());
      disk.restore();
      vi.spyOn(database, 'failed').mockReturnValueOnce(true);
      expect(await writer.release()).toHaveLength(stored ? 1 : 2);
      expect(database.size()).toBe(stored ? 1 : 0);
      expect(writer.append(draft())).toBe('refused');
    }
  });

  test('flush and close say that it failed, and nothing is lost while it runs', async () => {
    const { database, writer } = writerOn(newDatabase());
    const disk = failing(database, 'JOURNAL_FULL');
    writer.append(draft());
    await expect(writer.flush(forever)).rejects.toMatchObject({ code: 'JOURNAL_FULL' });
    expect(writer.state).toBe('full');
    expect(writer.append(draft())).toBe('refused');
    disk.restore();
    await writer.flush(forever);
    expect(writer.state).toBe('open');
    expect(database.size()).toBe(1);
    failing(database, 'JOURNAL_FULL');
    writer.append(draft());
    await expect(writer.close()).rejects.toMatchObject({ code: 'JOURNAL_FULL' });
    expect(writer.state).toBe('closed');
  });

  test('a flush that is aborted rejects with the reason', async () => {
    const { writer } = writerOn(newDatabase(), { mood: 'silent' });
    writer.append(draft());
    const abort = new AbortController();
    const flushed = writer.flush(abort.signal);
    abort.abort(new Error('enough'));
    await expect(flushed).rejects.toThrow('enough');
  });

  test('what is refused while the disk is full is counted and signed when there is room again', async () => {
    const observe = () => draft().observed;
    const { database, writer, scheduler } = writerOn(newDatabase(), { observe });
    const disk = failing(database, 'JOURNAL_FULL');
    writer.append(draft({ urgent: true }));
    await soon(() => writer.state === 'full');
    for (let i = 0; i < 7; i += 1) expect(writer.append(draft())).toBe('refused');
    disk.restore();
    scheduler.advance(60_000);
    await soon(() => database.size() === 2);
    expect(eventsOf(database).at(-1)).toMatchObject({ data: { blind: { cause: 'disk_full', events: 7 } } });
  });
});
