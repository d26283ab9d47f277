/** Commits become batches: as many as fit, never more, whatever their sizes are. */
import { expect, test } from 'vitest';
import { concatBytes } from '../../../src/base/bytes.ts';
import { type BatchLog, gatherBatch, sealBatch } from '../../../src/edge/journal/batch-source.ts';
import type { LogDatabase } from '../../../src/edge/journal/log-database.ts';
import { BATCH_BYTES_MAX, COMMIT_BYTES_MAX, COMMIT_EVENTS_MAX } from '../../../src/evidence/batch/batch.ts';
import { LEAF_BYTES_MAX } from '../../../src/evidence/event/leaf.ts';
import { formatNote, parseNote } from '../../../src/evidence/log/note.ts';
import { leafHash, TreeBuilder } from '../../../src/evidence/log/tree.ts';
import { nodeCrypto } from '../../../src/platform/node-crypto.ts';
import { Random } from '../../support/mutate.ts';
import { TestWitness } from '../../support/test-log.ts';
import { copyFiles, leafOf, MoodySigner, newDatabase, noteOf, openDatabase, testLog } from './support.ts';

/** A batch's own bound, below the 128 KiB with room for a header with a note of 16 KiB. */
const BLOCKS_MAX = 98_304;

function pick(random: Random, from: readonly number[]): number {
  return from[random.below(from.length)] ?? 0;
}

/** Commits of any shape within their limits: one leaf, many small ones, a few as long as they may be. */
function fillAnyhow(database: LogDatabase, commits: number, random: Random): void {
  const tree = new TreeBuilder(nodeCrypto, database.frontier());
  for (let i = 0; i < commits; i += 1) {
    const first = tree.size;
    const textLength = pick(random, [0, 20, 300, LEAF_BYTES_MAX - 40]);
    const most = Math.min(COMMIT_EVENTS_MAX, Math.floor(COMMIT_BYTES_MAX / (textLength + 40)));
    const count = pick(random, [1, 1 + random.below(most), most]);
    const leaves = Array.from({ length: count }, (_, k) => leafOf(first + k, 'x'.repeat(textLength)));
    const hashes = leaves.map((leaf) => leafHash(nodeCrypto, leaf));
    for (const hash of hashes) tree.push(hash);
    database.commit({ first, leaves, hashes, after: tree.frontier(), note: noteOf(tree) });
  }
}

function logOf(database: LogDatabase): BatchLog {
  const size = database.size();
  return { database, origin: testLog.origin, vkey: database.vkey, isOpen: true, size, sendableSize: size };
}

test('a batch is whole commits, as many as its bounds and the end allow, from memory as from disk', async () => {
  const random = new Random(20_261_122);
  let full = 0;
  for (let round = 0; round < 6; round += 1) {
    const fresh = newDatabase();
    fillAnyhow(fresh, 24, random);
    const ends = fresh.commits(0, 99).map(({ size }) => size);
    for (const database of [fresh, openDatabase(copyFiles(fresh.path))]) {
      for (let i = 0; i < ends.length; i += 1) {
        const [first, end] = [ends[i - 1] ?? 0, pick(random, ends.slice(i))];
        const range = gatherBatch(logOf(database), first, end);
        if (range === undefined) throw new Error(`nothing at ${first}`);
        const bytes = concatBytes(...range.blocks);
        const leaves = [...database.leaves(first, range.end)].map(({ leaf }) => leaf ?? new Uint8Array());
        const lines = concatBytes(...leaves.flatMap((leaf) => [leaf, Uint8Array.of(0x0a)]));
        expect(Buffer.compare(bytes, lines)).toBe(0);
        expect(range.first).toBe(first);
        expect(range.end).toBeLessThanOrEqual(end);
        expect(range.end - first).toBeLessThanOrEqual(2 * COMMIT_EVENTS_MAX);
        expect(bytes.length).toBeLessThanOrEqual(BLOCKS_MAX);
        expect(Buffer.compare(range.note, database.noteAt(range.end) ?? new Uint8Array())).toBe(0);
        const sealed = await sealBatch(logOf(database), range, new MoodySigner(), first > 0);
        expect(sealed.bytes.length).toBeLessThan(BATCH_BYTES_MAX - 16_384);
        if (range.end === end) continue;
        // What follows did not fit, or its commit ended for lack of room and so nothing that follows does.
        const next = ends[ends.indexOf(range.end) + 1] ?? 0;
        const nextBytes = [...database.leaves(range.end, next)].reduce(
          (sum, { leaf }) => sum + (leaf?.length ?? 0) + 1,
          0,
        );
        const isFull = next - first > 2 * COMMIT_EVENTS_MAX || bytes.length + nextBytes > BLOCKS_MAX - LEAF_BYTES_MAX;
        expect(isFull).toBe(true);
        full += 1;
      }
    }
  }
  expect(full).toBeGreaterThan(50);
});

test('a note that got further lines goes out with them, also of a commit that is still in memory', () => {
  const database = newDatabase();
  fillAnyhow(database, 3, new Random(1));
  const size = database.size();
  const [, , last] = database.commits(0, 9);
  const note = parseNote(database.noteAt(size) ?? new Uint8Array());
  if (!note.ok || last === undefined) throw new Error('a note');
  const anchored = formatNote(new TestWitness('anchor').cosign(note.value, 1_700_000_000));
  expect(database.linesFrom(last.first)?.note).not.toEqual(anchored);
  database.replaceNote(size, anchored);
  expect(database.linesFrom(last.first)?.note).toEqual(anchored);
});
