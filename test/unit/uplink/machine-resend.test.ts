import { describe, expect, test } from 'vitest';
import { alarmsOf } from '../../../src/edge/uplink/health.ts';
import { answerAll, lane, liveWorld, pump, SECOND_LOG, sendAll, wentBack } from './driving.ts';
import { BATCH_BYTES, FIRST_LOG, fair, LIMITS, World } from './world.ts';

describe('going back', () => {
  test('no receipt for 30 s: back to the last one, with left, later each time, one batch a try', () => {
    const world = liveWorld(30);
    pump(world, 0, false);
    world.stored.set(FIRST_LOG, 20);
    world.receipt();
    pump(world, 0, false);
    const tries: number[] = [];
    for (let i = 0; i < 4; i += 1) {
      const beforeMs = world.nowMs;
      const beforeCount = world.count('went_back');
      while (world.count('went_back') === beforeCount && world.sleep()) pump(world, 0, false);
      tries.push(Math.round((world.nowMs - beforeMs) / 1_000));
      world.sleep();
      pump(world, 0, false);
    }
    expect(tries).toEqual([30, 60, 120, 120]);
    expect(wentBack(world.outputs)).toEqual(Array.from({ length: 4 }, () => ['stalled', 20]));
    const reads = world.outputs.filter((output) => output.kind === 'read');
    expect(reads.at(-2)).toMatchObject({ first: 20, withLeft: true });
    expect(lane(world).ahead.length).toBe(2); // 128 KiB, rounded up to whole batches
    expect(alarmsOf(world.state)).toEqual([`receipts_stalled ${FIRST_LOG}`]);
    fair(world);
    expect(world.allReceipted).toBe(true);
    expect(alarmsOf(world.state)).toEqual([]);
  });

  test('receipts that move, however little, start the 30 s again', () => {
    const world = liveWorld(10);
    pump(world, 0, false);
    for (let stored = 10; stored <= 40; stored += 10) {
      world.advance(29_000);
      world.stored.set(FIRST_LOG, stored);
      world.receipt();
    }
    world.advance(29_999);
    expect(world.count('went_back')).toBe(0);
    world.advance(1);
    expect(wentBack(world.outputs)).toEqual([['stalled', 40]]);
  });

  test.each([
    [16, 'undelivered'],
    [135, 'refused'],
    [151, 'refused'],
  ])('%i to one of a burst goes back once, and what else was on its way does not count', (code, why) => {
    const world = liveWorld(10);
    sendAll(world);
    expect(world.publishes.length).toBe(3);
    world.answer(0, true);
    world.answer(code, false);
    sendAll(world);
    world.answer(code, false);
    expect(wentBack(world.outputs)).toEqual([[why, 0]]);
    expect(world.reads).toEqual([]);
    const waits: number[] = [];
    for (let i = 0; i < 6; i += 1) {
      const beforeMs = world.nowMs;
      while (world.reads.length === 0) world.sleep();
      waits.push(world.nowMs - beforeMs);
      sendAll(world);
      answerAll(world, code, false);
    }
    expect(waits).toEqual([750, 1_500, 3_000, 6_000, 6_000, 6_000]);
    fair(world);
    expect(world.allReceipted).toBe(true);
  });

  test('a consumer that speaks again wakes what went to nobody', () => {
    const world = liveWorld(10);
    sendAll(world);
    answerAll(world, 16, false);
    expect(world.reads).toEqual([]);
    world.feed({ kind: 'believed', origin: FIRST_LOG });
    expect(world.reads).toHaveLength(1);
  });

  test('a journal that cannot be read is asked again', () => {
    const world = liveWorld(10);
    world.finishRead('failed');
    expect(world.reads).toEqual([]);
    expect(alarmsOf(world.state)).toEqual([`journal_unreadable ${FIRST_LOG}`]);
    world.sleep();
    world.finishRead('nothing');
    world.sleep();
    fair(world);
    expect(world.allReceipted).toBe(true);
    expect(alarmsOf(world.state)).toEqual([]);
  });

  test('a receipt beyond the cursor moves it: what arrived is not sent again', () => {
    const world = liveWorld(10, { ...LIMITS, windowBytes: 10_000_000, windowBatches: 10 });
    sendAll(world);
    for (let i = 0; i < 5; i += 1) world.answer(0, true);
    world.answer(16, false);
    world.receipt();
    expect(lane(world)).toMatchObject({ cursor: 50, progressSize: 50, fresh: true });
    expect(world.reads[0]).toMatchObject({ first: 50, withLeft: true });
  });

  test('a batch read for a past that was gone back on is never sent', () => {
    const world = liveWorld(10);
    const [read] = world.reads;
    world.drop();
    world.connect();
    world.subscribed();
    world.finishEnrolment(true);
    world.answer(0, true);
    expect(world.reads).toEqual([read]);
    world.finishRead('ok');
    expect(world.publishes).toEqual([]);
    expect(world.reads[0]).toMatchObject({ first: 0 });
  });
});

describe('requests', () => {
  test('for what was sent: back to there, once in ten seconds', () => {
    const world = liveWorld(10);
    pump(world, 0, false);
    world.feed({ kind: 'requested', origin: FIRST_LOG, first: 25 });
    expect(wentBack(world.outputs)).toEqual([['requested', 25]]);
    expect(world.reads[0]).toMatchObject({ first: 25, withLeft: true });
    world.feed({ kind: 'requested', origin: FIRST_LOG, first: 5 });
    world.advance(9_999);
    world.feed({ kind: 'requested', origin: FIRST_LOG, first: 5 });
    world.advance(1);
    world.feed({ kind: 'requested', origin: FIRST_LOG, first: 5 });
    expect(wentBack(world.outputs)).toEqual([
      ['requested', 25],
      ['requested', 5],
    ]);
    expect(world.outputs.filter((output) => output.kind === 'request_ignored')).toHaveLength(2);
  });

  test('for unknown logs, for what is not sent yet and before the start change nothing', () => {
    const world = new World();
    world.append(10);
    world.feed({ kind: 'requested', origin: FIRST_LOG, first: 0 });
    const live = liveWorld(10);
    pump(live, 0, false);
    live.feed({ kind: 'requested', origin: FIRST_LOG, first: 100 });
    live.feed({ kind: 'requested', origin: SECOND_LOG, first: 0 });
    const ignored = [...world.outputs, ...live.outputs].flatMap((o) => (o.kind === 'request_ignored' ? [o.why] : []));
    expect(ignored).toEqual(['not_live', 'not_sent_yet', 'unknown_log']);
    expect(wentBack(live.outputs)).toEqual([]);
  });

  test('a resent batch, too, waits for the checkpoint that covers it', () => {
    const world = liveWorld(1);
    pump(world, 0, true);
    world.receipt();
    world.feed({ kind: 'requested', origin: FIRST_LOG, first: 0 });
    world.joins = 2;
    world.append(1);
    world.finishRead('ok');
    expect(world.publishes.map(({ what, end }) => [what, end])).toEqual([['checkpoint', 20]]);
    world.answer(0, true);
    expect(world.publishes).toMatchObject([{ what: 'batch', first: 0, end: 20 }]);
  });

  test('for what is receipted already are served beside the new, which never waits for them', () => {
    const world = liveWorld(40);
    pump(world, 0, true);
    world.receipt();
    pump(world, 0, true);
    world.receipt();
    world.advance(1);
    world.feed({ kind: 'requested', origin: FIRST_LOG, first: 0 });
    world.append(5);
    const firsts: number[] = [];
    for (let i = 0; i < 200 && (world.reads.length > 0 || world.publishes.length > 0); i += 1) {
      for (const read of world.reads) firsts.push(read.first);
      world.finishRead('ok');
      world.answer(0, true);
      world.receipt();
    }
    expect(world.allReceipted).toBe(true);
    expect(new Set(firsts.filter((first) => first < 100))).toEqual(new Set([0, 10, 20, 30, 40, 50, 60, 70, 80, 90]));
    expect(firsts.indexOf(440)).toBeLessThan(2 * 14); // by turns, not behind the whole replay
    expect(world.state.replay).toBeUndefined();
  });
});

describe('several logs', () => {
  test('the oldest goes first; one that nobody receipts does not hold up the others', () => {
    const world = liveWorld(30);
    world.open(SECOND_LOG);
    world.append(5);
    for (let i = 0; i < 300; i += 1) {
      world.finishEnrolment(true);
      world.finishMark(true);
      world.finishRead('ok');
      const next = world.publishes[0];
      world.answer(0, next?.origin !== FIRST_LOG);
      world.receipt();
    }
    expect(world.stored.get(SECOND_LOG)).toBe(50);
    expect(world.logs[1]?.receipted).toBe(50);
    expect(lane(world).aheadBytes).toBe(11 * BATCH_BYTES);
  });

  test('a log that left the journal is forgotten with all that was on its way', () => {
    const world = liveWorld(30);
    sendAll(world);
    world.open(SECOND_LOG);
    world.append(2);
    world.remove(FIRST_LOG);
    const before = world.outputs.length;
    answerAll(world, 0, true);
    fair(world);
    expect(world.allReceipted).toBe(true);
    expect(world.outputs.slice(before).some((o) => o.kind === 'read' && o.origin === FIRST_LOG)).toBe(false);
  });
});
