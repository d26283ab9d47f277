/** State of other rooms: after a crash it is neither ahead of the log nor behind it. */
import { afterEach, beforeEach, expect, test } from 'vitest';
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
