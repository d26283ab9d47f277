import { afterAll, beforeAll, expect, test } from 'vitest';
import { AccessRig } from './support/access-kills.ts';

/** An entry that comes by chance in that very moment dies in place of the one that is meant. */
const TRIES = 3;
let rig: AccessRig;

beforeAll(async () => {
  rig = await AccessRig.make(1 + 2 * TRIES);
});
afterAll(() => rig.close());

test('a daemon killed the moment the frame for a code left opens nothing more for that code', async () => {
  expect((await rig.killAt({ at: 'frame' })).reached).toBe('framed');
});

test.each([
  ['its use was counted, and before the grant is written', 'pwrite64', 'used'],
  ['the grant was written, and before the door is asked for', 'fsync', 'granted'],
])('killed when %s: the code opens nothing, then or later', async (_when, call, wanted) => {
  const reached: string[] = [];
  while (reached.length < TRIES && reached.at(-1) !== wanted) {
    const killed = await rig.killAt({ at: 'call', file: 'journal/#.db-wal', call, nth: 1 });
    reached.push(killed.reached);
  }
  expect(reached.at(-1), reached.join()).toBe(wanted);
});
