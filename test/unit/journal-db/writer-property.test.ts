import { setImmediate as turn } from 'node:timers/promises';
import fc from 'fast-check';
import { expect, test, vi } from 'vitest';
import { equalBytes } from '../../../src/base/bytes.ts';
import { LatchkeyError } from '../../../src/base/errors.ts';
import type { Commit } from '../../../src/edge/journal/commit-rows.ts';
import type { LogDatabase } from '../../../src/edge/journal/log-database.ts';
import { verifyLogNote } from '../../../src/evidence/log/note.ts';
import { leafHash, TreeBuilder } from '../../../src/evidence/log/tree.ts';
import { nodeCrypto } from '../../../src/platform/node-crypto.ts';
import { type Bench, copyFiles, draft, forever, newDatabase, openDatabase, testLog, writerOn } from './support.ts';

type Step =
  | { readonly do: 'append'; readonly count: number; readonly urgent: boolean }
  | { readonly do: 'time'; readonly ms: number }
  | { readonly do: 'key'; readonly mood: 'here' | 'locked' | 'absent' }
  | { readonly do: 'disk'; readonly fails: 'io_before' | 'io_after' | 'full' | 'no' }
  | { readonly do: 'crash' };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({ do: fc.constant('append'), count: fc.integer({ min: 1, max: 300 }), urgent: fc.boolean() }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('time'), ms: fc.constantFrom(1, 20, 1_000, 60_000) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('key'), mood: fc.constantFrom('here', 'locked', 'absent') }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('disk'), fails: fc.constantFrom('io_before', 'io_after', 'full', 'no') }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('crash') }) },
) as fc.Arbitrary<Step>;

/** One history that reaches every state, whatever chance brings. */
const everything: Step[] = [
  { do: 'append', count: 3, urgent: true },
  { do: 'disk', fails: 'io_after' },
  { do: 'append', count: 3, urgent: true },
  { do: 'disk', fails: 'no' },
  { do: 'time', ms: 60_000 },
  { do: 'disk', fails: 'io_before' },
  { do: 'append', count: 3, urgent: true },
  { do: 'crash' },
  { do: 'disk', fails: 'full' },
  { do: 'append', count: 3, urgent: true },
  { do: 'disk', fails: 'no' },
  { do: 'time', ms: 60_000 },
  { do: 'key', mood: 'locked' },
  { do: 'append', count: 3, urgent: true },
  { do: 'append', count: 3, urgent: true },
  { do: 'crash' },
];

const reached = { failed: 0, full: 0, crashes: 0, unsigned: 0, commits: 0, stored: 0 };

/** A disk that fails where it is told to; a failed handle answers nothing until it was reopened. */
function faulty(database: LogDatabase, disk: { fails: string }): void {
  const commit = database.commit.bind(database);
  const reopen = database.reopen.bind(database);
  let failed = false;
  vi.spyOn(database, 'failed').mockImplementation(() => failed);
  vi.spyOn(database, 'reopen').mockImplementation(() => {
    if (disk.fails.startsWith('io')) throw new LatchkeyError('JOURNAL_IO', 'still broken');
    reopen();
    failed = false;
  });
  vi.spyOn(database, 'commit').mockImplementation((each: Commit) => {
    if (failed) throw new LatchkeyError('JOURNAL_IO', 'asked a failed handle');
    if (disk.fails === 'full') throw new LatchkeyError('JOURNAL_FULL', 'no room');
    if (disk.fails === 'io_after') {
      commit(each);
      reached.stored += 1;
    }
    if (disk.fails.startsWith('io')) {
      failed = true;
      throw new LatchkeyError('JOURNAL_IO', 'fsync failed');
    }
    commit(each);
    reached.commits += 1;
  });
}

/** What became visible outside: the only promise that counts. */
interface Seen {
  durable: Map<number, string>;
  roots: Map<number, string>;
}

test('whatever fails, indices are unique, the tree is consistent, and nothing released is missing or signed twice', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 25 }), async (steps) => {
      const seen: Seen = { durable: new Map(), roots: new Map() };
      const disk = { fails: 'no' };
      let bench = await start(newDatabase(), disk, seen);
      let marker = 0;
      for (const each of steps) {
        if (each.do === 'append') {
          for (let i = 0; i < each.count; i += 1) {
            marker += 1;
            append(bench, marker, each.urgent, seen);
          }
        } else if (each.do === 'time') bench.scheduler.advance(each.ms);
        else if (each.do === 'key') bench.signer.mood = each.mood;
        else if (each.do === 'disk') disk.fails = each.fails;
        else bench = await crash(bench, disk, seen);
        for (let i = 0; i < 4; i += 1) await turn();
        reached.failed += bench.writer.state === 'failed' ? 1 : 0;
        reached.full += bench.writer.state === 'full' ? 1 : 0;
        reached.unsigned += bench.database.oldestWithoutNote() === undefined ? 0 : 1;
      }
      disk.fails = 'no';
      bench.signer.mood = 'here';
      await bench.writer.flush(forever);
      await bench.writer.close();
      check(bench.database, seen);
      expect(bench.database.oldestWithoutNote()).toBeUndefined();
      bench.database.close();
    }),
    { numRuns: 20, examples: [[everything]] },
  );
  for (const [name, count] of Object.entries(reached)) expect([name, count > 0]).toEqual([name, true]);
});

async function start(database: LogDatabase, disk: { fails: string }, seen: Seen): Promise<Bench> {
  faulty(database, disk);
  const bench = writerOn(database);
  bench.writer.onCommit(({ noteSize }) => {
    const note = database.newestNote();
    if (note === undefined || note.size !== noteSize) return;
    const verified = verifyLogNote(nodeCrypto, note.note, testLog.vkey);
    if (!verified.ok) throw new Error(verified.detail);
    const root = Buffer.from(verified.value.checkpoint.root).toString('hex');
    expect(seen.roots.get(noteSize) ?? root).toBe(root);
    seen.roots.set(noteSize, root);
  });
  return bench;
}

function append(bench: Bench, marker: number, urgent: boolean, seen: Seen): void {
  bench.writer.append(
    draft({
      urgent,
      body: { type: 'door.opened', compartment: `c${marker}`, data: {} },
      onDurable: ({ index }: { index: number }) => {
        expect(seen.durable.has(index)).toBe(false);
        seen.durable.set(index, `c${marker}`);
      },
    }),
  );
}

/** The process ends here and now; the next one finds the files as they are. */
async function crash(bench: Bench, disk: { fails: string }, seen: Seen): Promise<Bench> {
  reached.crashes += 1;
  const copy = copyFiles(bench.database.path);
  const before = { durable: new Map(seen.durable), roots: new Map(seen.roots) };
  disk.fails = 'no';
  await bench.writer.release().catch(() => undefined);
  bench.database.close();
  // What was released while the old process was being stopped never happened for the new one.
  seen.durable = before.durable;
  seen.roots = before.roots;
  const database = openDatabase(copy);
  check(database, seen);
  return start(database, disk, seen);
}

function check(database: LogDatabase, seen: Seen): void {
  const size = database.size();
  expect(database.verifyRange(0, size)).toMatchObject({ ok: true, size });
  const tree = new TreeBuilder(nodeCrypto);
  let next = 0;
  for (const { index, leaf } of database.leaves(0, size)) {
    expect(index).toBe(next);
    next += 1;
    const event = JSON.parse(Buffer.from(leaf ?? []).toString());
    expect(event.n).toBe(index);
    if (seen.durable.has(index)) expect(event.compartment).toBe(seen.durable.get(index));
    tree.push(leafHash(nodeCrypto, leaf ?? new Uint8Array()));
    const published = seen.roots.get(index + 1);
    if (published !== undefined) expect(Buffer.from(tree.root()).toString('hex')).toBe(published);
  }
  expect(next).toBe(size);
  for (const index of seen.durable.keys()) expect(index).toBeLessThan(size);
  expect(equalBytes(tree.root(), database.rootAt(size) ?? new Uint8Array())).toBe(true);
}
