import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { alarmsOf } from '../../../src/edge/uplink/health.ts';
import type { Output } from '../../../src/edge/uplink/machine-types.ts';
import { BATCH_BYTES, FIRST_LOG, fair, LIMITS, World } from './world.ts';

const SECOND_LOG = 'lockers.example/gw-0001/2-00000002';

/** A world that is live, with its checkpoint acknowledged and marked, and nothing read yet. */
function liveWorld(commits: number, limits = LIMITS): World {
  const world = new World(limits);
  world.append(commits);
  world.connect();
  world.subscribed();
  world.advance(LIMITS.memoryQuietMs);
  world.compared('agreed');
  world.finishEnrolment(true);
  world.answer(0, true);
  world.finishMark(true);
  return world;
}

/** Reads and sends while the machine asks for it, without any answer. */
function sendAll(world: World): void {
  for (let i = 0; i < 1_000 && world.reads.length > 0; i += 1) world.finishRead('ok');
}

function answerAll(world: World, code: number, delivered: boolean): void {
  for (let i = 0; i < 1_000 && world.publishes.length > 0; i += 1) world.answer(code, delivered);
}

function pump(world: World, code: number, delivered: boolean): void {
  for (let i = 0; i < 1_000 && (world.reads.length > 0 || world.publishes.length > 0); i += 1) {
    sendAll(world);
    answerAll(world, code, delivered);
  }
}

function lane(world: World, origin = FIRST_LOG) {
  const found = world.state.lanes.find((other) => other.origin === origin);
  if (found === undefined) throw new Error('no such lane');
  return found;
}

function wentBack(outputs: readonly Output[]) {
  return outputs.flatMap((output) => (output.kind === 'went_back' ? [[output.why, output.to]] : []));
}

describe('the beginning of a start', () => {
  test('subscribes, waits until the memory was quiet, compares, and only then publishes', () => {
    const world = new World();
    world.append(3);
    world.connect();
    expect(world.outputs).toEqual([{ kind: 'subscribe', memory: true }]);
    world.subscribed();
    world.advance(9_000);
    world.feed({ kind: 'remembered' });
    world.advance(9_999);
    expect(world.comparing).toBe(false);
    world.advance(1);
    expect(world.comparing).toBe(true);
    world.advance(60_000);
    expect(world.outputs.map(({ kind }) => kind)).toEqual(['subscribe', 'compare']);
    world.compared('agreed');
    expect(world.outputs.map(({ kind }) => kind).slice(2)).toEqual([
      'forget_memory_topics',
      'publish_status',
      'read_enrolment',
    ]);
  });

  test('a stream of retained messages that never ends is cut off', () => {
    const world = new World();
    world.connect();
    world.subscribed();
    for (let i = 0; i < 59; i += 1) {
      world.advance(1_000);
      world.feed({ kind: 'remembered' });
    }
    expect(world.comparing).toBe(false);
    world.advance(1_000);
    expect(world.comparing).toBe(true);
  });

  test('a connection lost while collecting begins the collecting again; the verdict of one that compares counts', () => {
    const world = new World();
    world.append(1);
    world.connect();
    world.subscribed();
    world.advance(9_000);
    world.drop();
    world.connect();
    world.subscribed();
    world.advance(9_000);
    expect(world.comparing).toBe(false);
    world.advance(1_000);
    expect(world.comparing).toBe(true);
    world.drop();
    world.compared('agreed');
    expect(world.state.compared).toBe(true);
    world.connect();
    expect(world.outputs.at(-1)).toEqual({ kind: 'subscribe', memory: false });
    world.subscribed();
    expect(world.count('publish_status')).toBe(1);
  });

  test('a comparison that failed is made again', () => {
    const world = new World();
    world.connect();
    world.subscribed();
    world.advance(10_000);
    world.comparing = false;
    world.feed({ kind: 'compare_failed' });
    world.advance(LIMITS.retryFirstMs);
    expect(world.count('compare')).toBe(2);
    world.compared('agreed');
    expect(world.count('publish_status')).toBe(1);
  });

  test('lost memory waits for a receipt of each log, or for its time, and is alarming to the end of the start', () => {
    const ways = [
      (world: World) => world.feed({ kind: 'believed', origin: FIRST_LOG }),
      (world: World) => world.advance(LIMITS.memoryLostWaitMs),
    ];
    for (const end of ways) {
      const world = new World();
      world.append(2);
      world.connect();
      world.subscribed();
      world.advance(10_000);
      world.compared('memory_lost');
      world.advance(LIMITS.memoryLostWaitMs - 1);
      world.drop();
      world.connect();
      world.subscribed();
      expect(world.state.phase.name).toBe('awaiting_receipts');
      end(world);
      expect(world.state.phase.name).toBe('live');
      fair(world);
      expect(world.allReceipted).toBe(true);
      expect(alarmsOf(world.state)).toEqual(['memory_lost']);
    }
  });

  test('a breach names its logs in the alarms', () => {
    const world = new World();
    world.connect();
    world.subscribed();
    world.advance(10_000);
    world.compared('breached');
    expect(alarmsOf(world.state)).toEqual([`log_breached ${FIRST_LOG}`]);
    expect(world.state.phase.name).toBe('live');
  });
});

describe('what has to be at the broker first', () => {
  test('owed enrolment goes before any checkpoint, on every connection, and a refusal holds everything back', () => {
    const world = new World();
    world.enrolmentOwed = true;
    world.append(2);
    world.connect();
    world.subscribed();
    world.advance(10_000);
    world.compared('agreed');
    world.finishEnrolment(true);
    expect(world.publishes.map(({ what }) => what)).toEqual(['enrolment']);
    world.answer(135, false);
    expect(alarmsOf(world.state)).toEqual(['enrolment_refused 135']);
    expect(world.publishes).toEqual([]);
    world.sleep();
    world.finishEnrolment(true);
    world.answer(16, false);
    expect(world.publishes.map(({ what }) => what)).toEqual(['checkpoint']);
    expect(alarmsOf(world.state)).toEqual([]);
    world.drop();
    world.connect();
    world.subscribed();
    world.finishEnrolment(true);
    expect(world.publishes.map(({ what }) => what)).toEqual(['enrolment']);
  });

  test('a new log asks for enrolment again before its first checkpoint, and the old one goes on', () => {
    const world = liveWorld(3);
    world.open(SECOND_LOG);
    world.append(1);
    expect(world.readingEnrolment).toBe(true);
    expect(world.publishes.filter(({ what }) => what === 'checkpoint')).toEqual([]);
    world.enrolmentOwed = true;
    world.finishEnrolment(true);
    sendAll(world);
    expect(world.publishes.map(({ what, origin }) => [what, origin])).toEqual([
      ['enrolment', ''],
      ['batch', FIRST_LOG],
      ['batch', FIRST_LOG],
      ['batch', FIRST_LOG],
    ]);
    world.answer(0, true);
    expect(world.publishes.at(-1)).toMatchObject({ what: 'checkpoint', origin: SECOND_LOG });
  });

  test('one checkpoint of a log is on its way at a time, and the next one carries all that came', () => {
    const world = liveWorld(1);
    world.append(1);
    world.append(1);
    world.append(1);
    expect(world.publishes.filter(({ what }) => what === 'checkpoint').map(({ end }) => end)).toEqual([20]);
    sendAll(world);
    answerAll(world, 0, true);
    expect(world.outputs.flatMap((o) => (o.kind === 'publish_checkpoint' ? [o.size] : []))).toEqual([10, 20, 40]);
  });

  test('a batch that outgrew the acknowledged checkpoint waits for the next one', () => {
    const world = liveWorld(1);
    world.joins = 2;
    world.append(1);
    sendAll(world);
    expect(world.publishes.map(({ what, end }) => [what, end])).toEqual([['checkpoint', 20]]);
    world.answer(0, true);
    expect(world.publishes.map(({ what, end }) => [what, end])).toEqual([['batch', 20]]);
  });

  test('a checkpoint is never replaced by a smaller one, also when the journal offers it', () => {
    const world = liveWorld(3);
    const before = world.count('publish_checkpoint');
    world.logs[0]?.ends.pop();
    world.refresh();
    expect(world.count('publish_checkpoint')).toBe(before);
  });

  test('the first batch waits until the mark is durable, later marks hold nothing up', () => {
    const world = new World();
    world.append(1);
    world.connect();
    world.subscribed();
    world.advance(10_000);
    world.compared('agreed');
    world.finishEnrolment(true);
    world.answer(0, true);
    expect({ marks: world.marks.length, reads: world.reads.length }).toEqual({ marks: 1, reads: 0 });
    world.finishMark(false);
    expect(world.reads.length).toBe(0);
    world.sleep();
    world.finishMark(true);
    expect(world.reads.length).toBe(1);
    world.append(5);
    pump(world, 0, true);
    expect(world.stored.get(FIRST_LOG)).toBe(60);
    expect(world.marks).toEqual([]);
    world.advance(60_000);
    expect(world.marks).toEqual([{ origin: FIRST_LOG, size: 60 }]);
  });
});

describe('the window and the allowance', () => {
  test('the window bounds what is on its way, by count and by bytes', () => {
    const world = liveWorld(50);
    sendAll(world);
    expect(world.publishes.length).toBe(3); // 300,000 bytes
    const few = liveWorld(50, { ...LIMITS, windowBytes: 10_000_000 });
    sendAll(few);
    expect(few.publishes.length).toBe(4);
  });

  test("a broker's small Receive Maximum leaves room for checkpoints", () => {
    for (const [granted, sent] of [
      [1, 1],
      [4, 1],
      [6, 2],
    ] as const) {
      const world = new World({ ...LIMITS, windowBytes: 10_000_000 });
      world.append(20);
      world.connect(granted);
      world.subscribed();
      world.advance(10_000);
      world.compared('agreed');
      world.finishEnrolment(true);
      world.answer(0, true);
      world.finishMark(true);
      sendAll(world);
      expect(world.publishes.length).toBe(sent);
    }
  });

  test('without receipts it runs ahead by one megabyte, and receipts double that up to the limit', () => {
    const world = liveWorld(1_000);
    pump(world, 0, true);
    expect(lane(world).aheadBytes).toBe(11 * BATCH_BYTES);
    world.receipt();
    pump(world, 0, true);
    expect(lane(world).aheadBytes).toBe(20 * BATCH_BYTES + BATCH_BYTES * 0); // the limit of this world
    for (let i = 0; i < 5; i += 1) {
      world.receipt();
      pump(world, 0, true);
    }
    expect(lane(world).allowanceBytes).toBe(LIMITS.aheadBytesMax);
    expect(world.gaps).toBe(0);
  });

  test('connections that end without a receipt shrink the allowance', () => {
    const world = liveWorld(100);
    const sent: number[] = [];
    for (let i = 0; i < 6; i += 1) {
      const before = world.count('publish_batch');
      world.finishEnrolment(true);
      world.answer(0, true);
      pump(world, 0, false);
      sent.push(world.count('publish_batch') - before);
      world.drop();
      world.connect();
      world.subscribed();
    }
    expect(sent).toEqual([11, 6, 3, 2, 2, 2]);
  });
});

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

describe('any history', () => {
  const action = fc.oneof(
    { weight: 6, arbitrary: fc.record({ do: fc.constant('read'), n: fc.nat(9) }) },
    { weight: 8, arbitrary: fc.record({ do: fc.constant('answer'), n: fc.nat(19) }) },
    { weight: 3, arbitrary: fc.record({ do: fc.constant('settle'), n: fc.nat(3) }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('receipt'), n: fc.constant(0) }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('append'), n: fc.integer({ min: 1, max: 12 }) }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('advance'), n: fc.nat(40_000) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('request'), n: fc.nat(400) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('drop'), n: fc.constant(0) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('log'), n: fc.nat(3) }) },
  );

  function act(world: World, what: string, n: number): void {
    if (what === 'read') world.finishRead(n === 0 ? 'failed' : n === 1 ? 'nothing' : 'ok');
    else if (what === 'answer') {
      const code = n === 0 ? 16 : n === 1 ? 135 : n === 2 ? 151 : 0;
      world.answer(code, n > 5);
    } else if (what === 'settle') {
      world.connect(n === 0 ? 5 : 65_535);
      world.subscribed();
      world.compared(n === 1 ? 'memory_lost' : 'agreed');
      world.finishEnrolment(n !== 2);
      world.finishMark(n !== 3);
    } else if (what === 'receipt') world.receipt();
    else if (what === 'append') world.append(n);
    else if (what === 'advance') world.advance(n);
    else if (what === 'request') world.feed({ kind: 'requested', origin: FIRST_LOG, first: n % 120 });
    else if (what === 'drop') world.drop();
    else if (n === 0) world.remove(FIRST_LOG);
    else if (world.logs.length < 4) {
      world.enrolmentOwed = n === 1;
      world.opened += 1;
      world.open(`lockers.example/gw-0001/${world.opened}-${world.opened.toString().padStart(8, '0')}`);
    }
  }

  test('keeps every rule of the order, and once all do their duty every entry is receipted', () => {
    const reached = new Map<string, number>();
    fc.assert(
      fc.property(fc.nat(5), fc.array(action, { minLength: 20, maxLength: 150 }), (kind, actions) => {
        const world = kind < 3 ? liveWorld(12) : new World();
        world.joins = 1 + (kind % 3);
        world.append(5);
        for (const { do: what, n } of actions) act(world, what, n);
        fair(world);
        expect(world.allReceipted).toBe(true);
        for (const [kind, count] of world.seen) reached.set(kind, (reached.get(kind) ?? 0) + count);
        for (const output of world.outputs) {
          if (output.kind === 'went_back' || output.kind === 'request_ignored') {
            reached.set(output.why, (reached.get(output.why) ?? 0) + 1);
          }
        }
      }),
      { numRuns: 600 },
    );
    const wanted = [
      ...['subscribe', 'compare', 'forget_memory_topics', 'publish_status', 'read_enrolment', 'publish_enrolment'],
      ...['publish_checkpoint', 'mark', 'read', 'publish_batch', 'stalled', 'undelivered', 'refused', 'requested'],
      ...['throttled', 'unknown_log', 'not_sent_yet', 'not_live'],
    ];
    expect(wanted.filter((kind) => !reached.has(kind))).toEqual([]);
  });
});
