import Database from 'better-sqlite3';
import { describe, expect, test } from 'vitest';
import { utf8Text } from '../../../src/base/bytes.ts';
import { type ExportOptions, exportLog } from '../../../src/edge/journal/export-log.ts';
import type { LogDatabase } from '../../../src/edge/journal/log-database.ts';
import { verifyBatch } from '../../../src/evidence/batch/verify-batch.ts';
import type { Frontier } from '../../../src/evidence/log/tree.ts';
import { nodeCrypto } from '../../../src/platform/node-crypto.ts';
import { fill, forever, leafOf, MoodySigner, newDatabase, openDatabase, testLog } from './support.ts';

interface Exported {
  readonly answer: Awaited<ReturnType<typeof exportLog>>;
  readonly batches: readonly Uint8Array[];
}

async function exported(database: LogDatabase, changes: Partial<ExportOptions> = {}): Promise<Exported> {
  const batches: Uint8Array[] = [];
  const answer = await exportLog({
    database,
    signer: new MoodySigner(),
    isOpen: true,
    write: async (bytes) => {
      batches.push(bytes);
    },
    signal: forever,
    ...changes,
  });
  return { answer, batches };
}

/** Verifies batch after batch as a stranger would, and returns the leaves. */
function verified(batches: readonly Uint8Array[], closedAccepted = false): readonly string[] {
  let before: Frontier | undefined;
  return batches.flatMap((bytes) => {
    const trust = { vkey: testLog.vkey, closedAccepted, ...(before !== undefined && { before }) };
    const batch = verifyBatch(nodeCrypto, bytes, trust);
    if (!batch.ok) throw new Error(`${batch.reason}: ${batch.detail}`);
    before = batch.value.after;
    return batch.value.leaves.map((leaf) => utf8Text(leaf) ?? '');
  });
}

describe('an export', () => {
  test('is consecutive batches that a stranger verifies, the last note at its end', async () => {
    const database = newDatabase();
    fill(database, [1, 30, 1, 256, 2, 2, 200, 256]);
    const progress: number[] = [];
    const { answer, batches } = await exported(database, { progress: (size) => progress.push(size) });
    expect(answer).toEqual({
      ok: true,
      value: {
        origin: testLog.origin,
        first: 0,
        size: 748,
        entries: 748,
        batches: batches.length,
        bytes: batches.reduce((sum, bytes) => sum + bytes.length, 0),
      },
    });
    expect(verified(batches)).toEqual(Array.from({ length: 748 }, (_, i) => utf8Text(leafOf(i))));
    expect(progress.at(-1)).toBe(748);
    expect(batches.length).toBeGreaterThan(1);
  });

  test('of a range gives the tree before it, and covers whole commits', async () => {
    const database = newDatabase();
    fill(database, [10, 10, 10, 10]);
    const { answer, batches } = await exported(database, { from: 12, to: 25 });
    expect(answer).toMatchObject({ ok: true, value: { first: 10, size: 30, entries: 20 } });
    expect(verified(batches)).toHaveLength(20);
  });

  test('ends at the newest note, also where entries without one follow', async () => {
    const database = newDatabase();
    fill(database, [4, 4]);
    fill(database, [4], false);
    const { answer, batches } = await exported(database);
    expect(answer).toMatchObject({ ok: true, value: { size: 8 } });
    expect(verified(batches)).toHaveLength(8);
    expect((await exported(database, { to: 9 })).answer).toMatchObject({ ok: false, reason: 'range' });
    expect((await exported(database, { from: 8 })).answer).toMatchObject({ ok: false, reason: 'range' });
    expect((await exported(newDatabase())).answer).toMatchObject({ ok: false, reason: 'range' });
  });

  test('of a closed log whose key is gone is accepted where a successor names it', async () => {
    const database = newDatabase();
    fill(database, [4, 4]);
    const { batches } = await exported(database, { signer: undefined, isOpen: false });
    expect(verified(batches, true)).toHaveLength(8);
    expect(() => verified(batches)).toThrow('unsigned');
  });

  test('says which entry was reduced instead of exporting around it', async () => {
    const database = newDatabase();
    fill(database, [4, 4, 4]);
    database.reduce([6]);
    database.removeBodies(4, 1);
    const { answer, batches } = await exported(database);
    expect(answer).toMatchObject({ ok: false, reason: 'reduced', detail: expect.stringContaining('entry 0') });
    expect(batches).toEqual([]);
    expect((await exported(database, { from: 5 })).answer).toMatchObject({
      detail: expect.stringContaining('entry 6'),
    });
    expect(verified((await exported(database, { from: 8 })).batches)).toHaveLength(4);
  });

  test('signs nothing over rows that do not fit, and stops when told', async () => {
    const database = newDatabase();
    fill(database, [4, 4]);
    database.close();
    const raw = new Database(database.path);
    raw.exec("UPDATE commits SET leaves = CAST(replace(leaves, 'x', 'y') AS BLOB) WHERE first = 0");
    raw.close();
    const damaged = openDatabase(database.path, 'salvage');
    const signer = new MoodySigner();
    const { answer, batches } = await exported(damaged, { signer });
    expect(answer).toMatchObject({ ok: false, reason: 'damaged' });
    expect(batches).toEqual([]);
    const stop = { signal: AbortSignal.abort(new Error('enough')) };
    await expect(exported(damaged, stop)).rejects.toThrow('enough');
  });

  test('waits for its reader: no batch is made before the last one was taken', async () => {
    const database = newDatabase();
    fill(
      database,
      Array.from({ length: 8 }, () => 256),
    );
    let inside = 0;
    const write = async (): Promise<void> => {
      inside += 1;
      expect(inside).toBe(1);
      await new Promise((resolve) => setTimeout(resolve, 1));
      inside -= 1;
    };
    expect((await exported(database, { write })).answer).toMatchObject({ ok: true, value: { batches: 4 } });
  });

  test('rejects while the key refuses', async () => {
    const database = newDatabase();
    fill(database, [4]);
    const signer = new MoodySigner();
    signer.mood = 'locked';
    await expect(exported(database, { signer })).rejects.toMatchObject({ code: 'KEY_LOCKED' });
  });
});
