/** State of other rooms: after a crash it is neither ahead of the log nor behind it. */
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { LatchkeyError } from '../../../src/base/errors.ts';
import { Box } from './box.ts';

let box: Box;
beforeEach(async () => {
  box = new Box();
  await box.start();
});
afterEach(() => box.end());

const append = (raise: string): void => {
  const body = { type: 'tamper.raised', data: { input: raise } };
  box.journal.appender.append({ observed: { wallMs: 0, upMs: 1, clock: { src: 'none' } }, body });
};
const entries = (): number => box.journal.log().size;

test('state is durable with the event that led to it, without a moment between', async () => {
  const before = entries();
  append('door');
  box.journal.saveState('custody', '"after the door"');
  await box.journal.appender.flush(AbortSignal.timeout(60_000));
  await box.restart();
  expect(entries()).toBeGreaterThan(before);
  expect(box.journal.loadState('custody')).toBe('"after the door"');
});

test('state is not written while the event that led to it waits for the disk', async () => {
  box.journal.saveState('custody', '"before"');
  box.scheduler.advance(300);
  append('door');
  box.journal.saveState('custody', '"after"');
  // The timer fires in the turn in which the event is still queued.
  box.scheduler.advance(300);
  const size = entries();
  await box.restart();
  const isThere = entries() > size;
  expect(box.journal.loadState('custody')).toBe(isThere ? '"after"' : '"before"');
});

test('state that changed without an event is written a moment later', async () => {
  box.journal.saveState('custody', '"alone"');
  await box.restart();
  expect(box.journal.loadState('custody')).toBeUndefined();
  box.journal.saveState('custody', '"alone"');
  box.scheduler.advance(300);
  await box.restart();
  expect(box.journal.loadState('custody')).toBe('"alone"');
});

/** How many of the events below a log holds, and how many the state beside them knows of. */
async function heldAndKnown(moment: Box): Promise<readonly [number, number]> {
  await moment.start();
  const held = moment
    .origins()
    .flatMap((origin) => moment.entries(origin))
    .filter((entry) => entry['type'] === 'tamper.raised').length;
  return [held, Number(moment.journal.loadState('custody') ?? '0')];
}

test('while events keep coming, each commit takes along the state that its last event led to', async () => {
  const feed = async (): Promise<void> => {
    // More than three commits in one turn: the queue is never empty between them.
    for (let i = 1; i <= 900; i += 1) {
      append('door');
      box.journal.saveState('custody', String(i));
    }
    await box.journal.appender.flush(AbortSignal.timeout(20_000));
  };
  const moments = await box.momentsOf(feed(), 12);
  const found: (readonly [number, number])[] = [];
  for (const moment of moments) {
    found.push(await heldAndKnown(moment));
    await moment.end();
  }
  for (const [held, known] of found) expect(known).toBe(held);
  // Power went between the commits in some of them, or this shows nothing.
  expect(found.filter(([held]) => held > 0 && held < 900).length).toBeGreaterThan(0);
});

test('several states of one moment are there with its event, or none of them is', async () => {
  const feed = async (): Promise<void> => {
    for (let i = 1; i <= 600; i += 1) {
      append('door');
      box.journal.saveState('custody', String(i));
      box.journal.saveState(`custody_${i % 3}`, String(i));
    }
    await box.journal.appender.flush(AbortSignal.timeout(20_000));
  };
  const moments = await box.momentsOf(feed(), 8);
  const helds: number[] = [];
  for (const moment of moments) {
    const [held, known] = await heldAndKnown(moment);
    const parts = [0, 1, 2].map((nth) => Number(moment.journal.loadState(`custody_${nth}`) ?? '0'));
    expect(known).toBe(held);
    const expected = [0, 1, 2].map((nth) => held - ((held - nth + 3) % 3)).map((last) => Math.max(0, last));
    expect(parts).toEqual(expected);
    helds.push(held);
    await moment.end();
  }
  // Power went between the commits in some of them, or this shows nothing.
  expect(helds.filter((held) => held > 0 && held < 600).length).toBeGreaterThan(0);
});

test('state of events that a new log takes over is not in it before they are', async () => {
  append('one');
  box.journal.saveState('custody', '1');
  await box.journal.appender.flush(AbortSignal.timeout(5_000));
  const step = async (): Promise<void> => {
    vi.spyOn(box.journal.log().database, 'commit').mockImplementation(() => {
      throw new LatchkeyError('JOURNAL_DAMAGED', 'as a bad page would');
    });
    append('two');
    box.journal.saveState('custody', '2');
    await box.journal.appender.flush(AbortSignal.timeout(5_000));
  };
  const moments = await box.momentsOf(step(), 40);
  expect(moments.length).toBeGreaterThan(2);
  for (const moment of moments) {
    const [held, known] = await heldAndKnown(moment);
    expect(known).toBe(held);
    await moment.end();
  }
});
