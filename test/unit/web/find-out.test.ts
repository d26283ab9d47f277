/** Whether an act was done whose answer never came: on a clock that is turned by hand, before journals that a test writes. */
import { expect, test } from 'vitest';
import type { EntryView, JournalPage } from '../../../src/edge/contracts/console-view.ts';
import { type Found, findOut, type Sought } from '../../../src/web/console/find-out.ts';
import { outcomeFound, outcomeOf } from '../../../src/web/console/outcomes.ts';

const LOG = 'o/g/1';
const SOUGHT: Sought = { person: 't-1', action: 'open', target: 'A1', log: LOG, from: 10 };

function entry(n: number, type: string, more: Partial<EntryView> = {}, data: object = {}): EntryView {
  return { log: LOG, n, at: '', type, state: 'durable', actor: { kind: 't', ref: 't-1' }, event: { data }, ...more };
}

function acted(n: number, data: object, more: Partial<EntryView> = {}): EntryView {
  return entry(n, 'console.acted', more, { action: 'open', target: 'A1', result: 'opened', ...data });
}

/** What is found when the journal is as `at` says at each time; undefined: no answer. */
async function found(
  at: (nowMs: number) => readonly EntryView[] | undefined,
  sought = SOUGHT,
): Promise<[Found, number]> {
  let nowMs = 0;
  const read = async (): Promise<JournalPage> => {
    const entries = at(nowMs);
    if (entries === undefined) throw new Error('no answer');
    return { log: LOG, size: 0, entries, logs: [] };
  };
  const sleep = async (ms: number): Promise<void> => {
    nowMs += ms;
  };
  return [await findOut(sought, { read, sleep, nowMs: () => nowMs }), nowMs];
}

test('an entry of the act says how it ended, also when it comes late or in the next log', async () => {
  expect(await found(() => [acted(10, {})])).toEqual([{ kind: 'ended', result: 'opened' }, 0]);
  const [late, atMs] = await found((nowMs) => (nowMs < 5_000 ? undefined : [acted(12, { result: 'refused' })]));
  expect(late).toEqual({ kind: 'ended', result: 'refused' });
  expect(atMs).toBeGreaterThanOrEqual(5_000);
  expect((await found(() => [acted(0, {}, { log: 'o/g/2' })]))[0].kind).toBe('ended');
});

test('what others did, what was done before, elsewhere or otherwise is not it; then the journal has nothing of it', async () => {
  const strange = [
    acted(9, {}),
    acted(11, {}, { actor: { kind: 't', ref: 't-2' } }),
    acted(12, { target: 'A2' }),
    acted(13, { action: 'recount' }),
    entry(14, 'unlock.intended', { compartment: 'A2' }),
    { ...entry(15, 'reduced'), event: null },
  ];
  const [kind, atMs] = await found(() => strange);
  expect(kind).toEqual({ kind: 'never' });
  // A gateway that answers has had time to write it.
  expect(atMs).toBeGreaterThanOrEqual(10_000);
  const [later] = await found((nowMs) => (nowMs < 9_000 ? strange : [acted(16, {}), ...strange]));
  expect(later.kind).toBe('ended');
});

test('a door that the lock was told to open is waited for, and without an end it is said to have begun', async () => {
  const begun = entry(10, 'unlock.intended', { compartment: 'A1' });
  expect((await found((nowMs) => (nowMs < 60_000 ? [begun] : [acted(11, {}), begun])))[0].kind).toBe('ended');
  expect((await found(() => [begun]))[0]).toEqual({ kind: 'begun' });
});

test('a gateway that never answers leaves it unknown', async () => {
  const [kind, atMs] = await found(() => undefined);
  expect([kind, atMs >= 900_000]).toEqual([{ kind: 'unknown' }, true]);
});

test('each end is a sentence', () => {
  const maintain = { verb: 'maintain', compartments: ['A1', 'A2'], minutes: 60 } as const;
  const now = new Date(2_026, 0, 5, 13, 30).getTime();
  expect(outcomeOf(maintain, { result: 'opened' }, now).text).toBe(
    'Maintenance of A1, A2 began, until 14:30 on Monday.',
  );
  expect(outcomeOf({ ...maintain, compartments: [] }, { result: 'refused', reason: 'windows_full' }, now)).toEqual({
    tone: 'bad',
    text: 'Refused. Too many maintenance windows are open. End one first.',
  });
  expect(outcomeOf({ verb: 'end_maintenance', id: 'w' }, { result: 'closed' }, now).text).toContain(
    'Maintenance ended',
  );
  expect(outcomeOf({ verb: 'recount' }, { result: 'counted', compartments: 1 }, now).text).toBe(
    'Counted 1 compartment.',
  );
  expect(outcomeOf({ verb: 'stop_pick' }, { result: 'failed' }, now).tone).toBe('bad');
  const open = { verb: 'open', compartment: 'A1' } as const;
  expect(outcomeFound(open, { kind: 'ended', result: 'unverified' }, now).text).toContain('Not seen to open.');
  expect(outcomeFound(open, { kind: 'never' }, now).text).toContain('it was not done');
  expect(outcomeFound(open, { kind: 'begun' }, now).text).toContain('look at the door');
  expect(outcomeFound(open, { kind: 'unknown' }, now).text).toContain('not known');
});
