/** Disks that are rolled back, shortened, lost or moved while the TPM counts on, and counters that are: on real swtpm. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { describe, expect, test } from 'vitest';
import { COUNTER_INDEX } from '../../../src/edge/keys/tpm-identity.ts';
import { Clear } from '../../../src/edge/tpm/commands/hierarchy.ts';
import { NV_DefineSpace, NV_Increment, NV_ReadPublic, NV_UndefineSpace } from '../../../src/edge/tpm/commands/nv.ts';
import { permanent } from '../../../src/edge/tpm/entity.ts';
import type { Tpm } from '../../../src/edge/tpm/unit.ts';
import { TPM_RH } from '../../../src/tpm2/algorithms.ts';
import { counterNvPublic } from '../../../src/tpm2/nv-public.ts';
import { until } from '../../support/until.ts';
import { namesOf, type RealBox } from './real-box.ts';
import { byHand, LIMIT_MS, makeBox } from './support.ts';

const OWNER = permanent(TPM_RH.OWNER);

/** Of a box that is off. */
function databaseOf(box: RealBox, origin: string): Database.Database {
  return new Database(join(box.disk, 'journal', `${origin.slice(origin.lastIndexOf('/') + 1)}.db`));
}

/** Waits for the log that follows `before`, and gives its first entry's words. */
async function nextLog(box: RealBox, before: string): Promise<Readonly<Record<string, unknown>>> {
  await until('another log is open', () => ![undefined, before].includes(box.journal.openOrigin()), LIMIT_MS);
  return { ...box.events()[0]?.data };
}

describe('a database restored from a copy', () => {
  test.each([
    ['in the same boot of the TPM', async () => undefined],
    [
      'after a clean restart of the TPM',
      async ({ tpm }: RealBox) => {
        await tpm.cleanShutdown();
        await tpm.start();
      },
    ],
    ['after a power cut of the TPM', ({ tpm }: RealBox) => tpm.powerCut()],
  ])('%s is a breach by counter: the next log says what was expected and found', async (_, restart) => {
    const box = await makeBox();
    await box.start();
    const kept = await box.recordAnchored(1);
    await box.stop();
    box.keep('copy');
    await box.start();
    await box.recordAnchored(2);
    const origin = box.journal.origin();
    await box.stop();
    box.restore('copy');
    await restart(box);
    await box.start();
    const opened = await nextLog(box, origin);
    expect(opened).toMatchObject({ after: { log: origin, cause: 'breach' }, by: 'counter' });
    const { expected = 0, found } = opened['counter'] as { readonly expected?: number; readonly found: number };
    expect(found - expected).toBeGreaterThanOrEqual(2);
    expect(expected).toBeGreaterThanOrEqual(kept);
    await box.recordAnchored(1);
    expect(namesOf(box.findings(), 'refuted')).toEqual([]);
    expect(namesOf(box.findings())).toContain('gap_stated');
  });
});

test('a tail cut out of the database, in the same boot: the next anchor refutes the log', async () => {
  const box = await makeBox();
  await box.start();
  await box.recordAnchored(1);
  const size = box.events().length;
  await box.recordAnchored(3);
  const origin = box.journal.origin();
  await box.crash();
  const database = databaseOf(box, origin);
  database.prepare('DELETE FROM commits WHERE first >= ?').run(size);
  database.close();
  await box.start();
  // More than was cut out: before that nothing new is anchored, since each anchored tree holds the anchor before it.
  await box.record(12);
  await box.anchored();
  const finding = box.findings().find(({ kind }) => kind === 'refuted');
  expect(finding?.name).toBe('counter_gap');
  const verdict = box.verdict(await box.exported());
  expect(verdict).toMatchObject({ outcome: 'refuted', reason: 'anchor_continuity' });
});

test('a flipped bit in any stored column: the log is set aside, the next one says so and is anchored', async () => {
  const box = await makeBox();
  await box.start();
  const columns = ['leaves', 'hashes', 'frontier', 'note', 'value', 'sum'] as const;
  for (const column of columns) {
    await box.recordAnchored(1);
    const origin = box.journal.origin();
    await box.stop();
    const database = databaseOf(box, origin);
    const isMeta = column === 'value' || column === 'sum';
    // The newest commit; of the log's record any row that is a blob.
    const where = isMeta ? `meta WHERE typeof(${column}) = 'blob'` : `commits WHERE ${column} IS NOT NULL`;
    const key = isMeta ? 'key' : 'first';
    const row = database.prepare(`SELECT ${key} AS id, ${column} AS bytes FROM ${where} ORDER BY ${key} DESC`).get();
    const { id, bytes } = row as { readonly id: number | string; readonly bytes: Buffer };
    const middle = bytes.length >> 1;
    bytes[middle] = (bytes[middle] ?? 0) ^ 4;
    const table = isMeta ? 'meta' : 'commits';
    const changed = database.prepare(`UPDATE ${table} SET ${column} = ? WHERE ${key} = ?`).run(bytes, id).changes;
    expect(changed).toBe(1);
    database.close();
    await box.start();
    const opened = await nextLog(box, origin);
    expect(opened, column).toMatchObject({ after: { log: origin, cause: 'quarantine' } });
  }
  await box.recordAnchored(1);
  expect(namesOf(box.findings(), 'refuted')).toEqual([]);
});

test('a lost database directory: the next log counts on from what the TPM holds, and nobody is accused', async () => {
  const box = await makeBox();
  await box.start();
  const before = await box.recordAnchored(2);
  const origin = box.journal.origin();
  await box.crash();
  box.lose();
  await box.start();
  expect({ ...box.events()[0]?.data }).toMatchObject({ after: { log: origin, cause: 'missing' } });
  expect(await box.recordAnchored(1)).toBeGreaterThan(before);
  expect(namesOf(box.findings(), 'refuted')).toEqual([]);
});

describe('a counter that was undefined', () => {
  test('and defined again goes on above all that it ever was, which is a breach by counter', async () => {
    const box = await makeBox();
    await box.start();
    await box.recordAnchored(2);
    const origin = box.journal.origin();
    await box.stop();
    await byHand(box, async (unit) => {
      await NV_UndefineSpace(unit, OWNER, await NV_ReadPublic(unit, COUNTER_INDEX));
      await NV_DefineSpace(unit, OWNER, counterNvPublic(COUNTER_INDEX));
      const index = await NV_ReadPublic(unit, COUNTER_INDEX);
      await NV_Increment(unit, index, index);
    });
    await box.start();
    const { counter } = (await nextLog(box, origin)) as { counter: { expected: number; found: number } };
    expect(counter.found).toBeGreaterThan(counter.expected);
    await box.recordAnchored(1);
    expect(namesOf(box.findings(), 'refuted')).toEqual([]);
  });

  test('and stays away: nothing is anchored, that is shown, and entries go on', async () => {
    const box = await makeBox();
    await box.start();
    await box.recordAnchored(1);
    await box.stop();
    await byHand(box, async (unit) => NV_UndefineSpace(unit, OWNER, await NV_ReadPublic(unit, COUNTER_INDEX)));
    await box.start();
    const size = box.events().length;
    await box.record(2);
    await until('the counter is missed', () => box.running.duty.status()?.anchors.state === 'away', LIMIT_MS);
    expect(box.running.duty.status()?.anchors.reason).toMatch(/NV_Read/);
    expect(box.events().length).toBeGreaterThanOrEqual(size + 2);
  });
});

describe('a cleared TPM', () => {
  const clear = (unit: Tpm) => Clear(unit, permanent(TPM_RH.LOCKOUT));

  /** Entry 0 names the clear, nothing is lost or accused, and anchors go on where a verifier sees that it was cleared. */
  async function expectNamed(box: RealBox, origin: string, before: number, scans: readonly string[]): Promise<void> {
    expect({ ...box.events()[0]?.data }).toMatchObject({ after: { log: origin, cause: 'tpm_cleared' } });
    expect(box.journal.status().logs.find((log) => log.origin === origin)).toMatchObject({
      state: 'closed',
      cause: 'tpm_cleared',
      key: 'lost',
    });
    await box.recordAnchored(1);
    expect(box.counter).toBeGreaterThan(before);
    expect(namesOf(box.findings(), 'refuted')).toEqual([]);
    expect(namesOf(box.findings())).toContain('tpm_cleared');
    const held = box.origins().flatMap((each) => box.events(each));
    const texts = held.flatMap(({ type, data }) => (type === 'code.scanned' ? [data['text']] : []));
    expect(texts).toEqual(expect.arrayContaining([...scans]));
    expect(existsSync(join(box.disk, 'keys', 'tpm.json.cleared-1'))).toBe(true);
  }

  test('while the daemon is off: the next log says tpm_cleared, with keys and counter made anew', async () => {
    const box = await makeBox();
    await box.start();
    const before = await box.recordAnchored(2);
    const origin = box.journal.origin();
    await box.stop();
    await byHand(box, clear);
    await box.start();
    await expectNamed(box, origin, before, ['event-1', 'event-2']);
    // The new log's key is sealed in the TPM as it is now.
    const next = box.journal.origin();
    await box.stop();
    await box.start();
    expect(box.journal.origin()).toBe(next);
  });

  test('under the running daemon: the log ends, the next one says so, and the start is attested anew', async () => {
    const box = await makeBox();
    await box.start();
    const before = await box.recordAnchored(2);
    const origin = box.journal.origin();
    await box.running.client.run(clear);
    await box.record();
    await until('another log is open', () => ![undefined, origin].includes(box.journal.openOrigin()), LIMIT_MS);
    await expectNamed(box, origin, before, ['event-1', 'event-2', 'event-3']);
    const reasons = () => box.events().flatMap(({ type, data }) => (type === 'key.attested' ? [data['reason']] : []));
    await until('the start is attested anew', () => reasons().length > 0, LIMIT_MS);
    expect(reasons()).toContain('tpm_cleared');
  });
});

test('a disk in a box with another TPM: entries are recorded, nothing is signed, attested or anchored', async () => {
  const box = await makeBox();
  await box.start();
  await box.recordAnchored(1);
  await box.stop();
  const other = await makeBox();
  box.cloneTo(other);
  await other.start();
  const [log] = other.journal.status().logs;
  expect(log?.key).toBe('locked');
  await other.record(2);
  const noted = other.journal.log().noteSize;
  await until('the TPM is refused', () => other.running.duty.status()?.anchors.state === 'away', LIMIT_MS);
  expect(other.running.duty.status()).toMatchObject({ attested: false, anchors: { made: 0 } });
  expect(other.journal.log()).toMatchObject({ noteSize: noted });
  expect(other.journal.log().size).toBeGreaterThan(noted + 2);
  await expect(other.running.store.open(other.journal.origin())).rejects.toMatchObject({ code: 'KEY_LOCKED' });
});
