import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Debounced, debounce, interrupted, type Read, UNREAD } from '../../../src/edge/custody/debounce.ts';

function run(values: readonly boolean[], state: Debounced = UNREAD, boot = 1, startMs = 0) {
  const changes = [];
  let now = state;
  for (const [i, value] of values.entries()) {
    const read: Read = { value, boot, askedMs: startMs + i * 100, atMs: startMs + i * 100 + 10 };
    const step = debounce(now, read);
    now = step.state;
    if (step.change !== undefined) changes.push({ i, ...step.change });
  }
  return { state: now, changes };
}

test('the interval is from the last look at the old value to the first look at the new', () => {
  const { changes } = run([true, true, true, false, false]);
  expect(changes).toEqual([
    { i: 1, value: true, first: true, seen: undefined, unwatched: false, restarted: false },
    { i: 4, value: false, first: false, seen: { from_ms: 200, to_ms: 310 }, unwatched: false, restarted: false },
  ]);
});

test('a single read never becomes a change, and does not shorten the interval of a later one', () => {
  expect(run([true, true, false, true, false, true]).changes).toHaveLength(1);
  const { changes } = run([true, true, false, true, false, false]);
  expect(changes[1]?.seen).toEqual({ from_ms: 300, to_ms: 410 });
});

test('across a restart the interval names the start of the last look', () => {
  const { state } = run([true, true], UNREAD, 3, 5_000);
  const { changes } = run([false, false], state, 4);
  expect(changes).toMatchObject([{ seen: { from_boot: 3, from_ms: 5_100, to_ms: 10 }, restarted: true }]);
});

test('reads around an interruption are not consecutive', () => {
  const { state } = run([true, true, false]);
  const { changes, state: after } = run([false], interrupted(state), 1, 1_000);
  expect(changes).toEqual([]);
  expect(run([false], after, 1, 1_100).changes).toMatchObject([
    { value: false, unwatched: true, seen: { from_ms: 100, to_ms: 1_010 } },
  ]);
});

test('every change rests on two equal reads in a row, whatever the reads are', () => {
  let changed = 0;
  fc.assert(
    fc.property(fc.array(fc.boolean(), { maxLength: 40 }), (values) => {
      for (const change of run(values).changes) {
        changed += 1;
        expect([values[change.i - 1], values[change.i]]).toEqual([change.value, change.value]);
        if (!change.first) expect(change.seen?.from_ms).toBeLessThanOrEqual(change.seen?.to_ms ?? -1);
      }
    }),
    { numRuns: 2_000 },
  );
  expect(changed).toBeGreaterThan(1_000);
});
