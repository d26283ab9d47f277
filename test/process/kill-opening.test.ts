import { afterAll, beforeAll, expect, test } from 'vitest';
import { OpeningRig } from './support/opening-kills.ts';

/** An entry that comes by chance in that very moment dies in place of the one that is meant. */
const TRIES = 3;
let rig: OpeningRig;

beforeAll(async () => {
  rig = await OpeningRig.make();
});
afterAll(() => rig.close());

test('a daemon killed the moment its unlock frame left never sends it again, and says that it does not know', async () => {
  expect((await rig.killAt({ at: 'frame' })).reached).toBe('framed');
});

test('killed when the intent was written, and before its frame: nothing is sent, then or later', async () => {
  const reached: string[] = [];
  while (reached.length < TRIES && reached.at(-1) !== 'intended') {
    // The first sync is that of `command.received`.
    const killed = await rig.killAt({ at: 'call', file: 'journal/#.db-wal', call: 'fsync', nth: 2 });
    reached.push(killed.reached);
  }
  expect(reached.at(-1), reached.join()).toBe('intended');
});
