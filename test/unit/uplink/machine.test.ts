import { describe, expect, test } from 'vitest';
import { alarmsOf } from '../../../src/edge/uplink/health.ts';
import { answerAll, lane, liveWorld, pump, SECOND_LOG, sendAll } from './driving.ts';
import { BATCH_BYTES, FIRST_LOG, fair, LIMITS, World } from './world.ts';

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

  test('a log that opens while an enrolment is read or on its way has it read again before its first checkpoint', () => {
    const third = 'lockers.example/gw-0001/3-00000003';
    const world = liveWorld(1);
    sendAll(world);
    answerAll(world, 0, true);
    const checkpointOf = (origin: string) => world.publishes.filter((publish) => publish.origin === origin);
    world.enrolmentOwed = true;
    // While it is read.
    world.open(SECOND_LOG);
    world.append(1);
    world.open(third);
    world.append(1);
    world.finishEnrolment(true);
    expect(world.publishes.map(({ what }) => what)).toEqual(['enrolment']);
    world.answer(0, true);
    expect(world.readingEnrolment).toBe(true);
    expect(checkpointOf(third)).toEqual([]);
    // While it is on its way.
    world.finishEnrolment(true);
    world.open('lockers.example/gw-0001/4-00000004');
    world.answer(0, true);
    expect(world.readingEnrolment).toBe(true);
    expect(checkpointOf(third)).toEqual([]);
    world.finishEnrolment(true);
    world.answer(0, true);
    expect(world.readingEnrolment).toBe(false);
    expect(checkpointOf(third).map(({ what }) => what)).toEqual(['checkpoint']);
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
