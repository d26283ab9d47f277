/** Several that read before any of them writes: what each of them must not have overlooked. */
import type pg from 'pg';
import { expect, vi } from 'vitest';

/** Whatever would be written to a table waits, once it has read, until as many wait as are named. */
export async function writtenTogether(
  holder: pg.Client,
  table: string,
  waiting: number,
  begin: () => Promise<void>,
): Promise<void> {
  await holder.query(`begin; lock table ${table} in share row exclusive mode`);
  const done = begin();
  await vi.waitFor(
    async () => {
      const { rows } = await holder.query('select distinct pid from pg_locks where not granted');
      expect(rows.length).toBeGreaterThanOrEqual(waiting);
    },
    { timeout: 60_000, interval: 10 },
  );
  await holder.query('commit');
  await done;
}
