/** Stretches of a log without a gap, and how much of each the independent witnesses cosigned. */
import { formatVkey, type Vkey } from '../../evidence/log/note.ts';
import type { HeldLog, HeldSegment } from '../intake/store.ts';
import type { RiskDatabase } from '../store/open-database.ts';
import type { Stretch } from './levels.ts';

export interface CosignedParts {
  readonly database: RiskDatabase;
  readonly witnesses?: readonly Vkey[];
}

/** Newest size of each log that one of the witnesses cosigned. */
export async function newestCosigned(
  { witnesses = [], database }: CosignedParts,
  origins: readonly string[],
): Promise<ReadonlyMap<string, number>> {
  if (witnesses.length === 0 || origins.length === 0) return new Map();
  const rows = await database.as('custody', (trx) =>
    trx
      .selectFrom('custody.cosignature as c')
      .innerJoin('custody.witness as w', 'w.id', 'c.witness')
      .select(({ fn }) => ['c.origin', fn.max('c.size').as('size')])
      .where('c.origin', 'in', [...origins])
      .where('w.vkey', 'in', witnesses.map(formatVkey))
      .groupBy('c.origin')
      .execute(),
  );
  return new Map(rows.map(({ origin, size }) => [origin, size]));
}

/**
 * `newest`: as above. A cosignature over a size behind a gap says nothing of what stands before it. `most`: where the
 * stretch ends that a revocation names; what somebody signed above that counts for nothing.
 */
export async function stretchesOf(
  parts: CosignedParts,
  origin: string,
  segments: readonly HeldSegment[],
  newest: number,
  most = Number.POSITIVE_INFINITY,
): Promise<readonly Stretch[]> {
  const stretches: Stretch[] = [];
  for (const { first, end: held } of segments) {
    const end = Math.max(first, Math.min(held.size, most));
    const isOver = newest === 0 || (newest > first && newest <= end);
    const cosigned = isOver ? newest : await cosignedIn(parts, origin, first, end);
    stretches.push({ first, end, cosigned });
  }
  return stretches;
}

async function cosignedIn(
  { witnesses = [], database }: CosignedParts,
  origin: string,
  first: number,
  end: number,
): Promise<number> {
  const { size } = await database.as('custody', (trx) =>
    trx
      .selectFrom('custody.cosignature as c')
      .innerJoin('custody.witness as w', 'w.id', 'c.witness')
      .select(({ fn }) => fn.max('c.size').as('size'))
      .where('c.origin', '=', origin)
      .where('c.size', '>', first)
      .where('c.size', '<=', end)
      .where('w.vkey', 'in', witnesses.map(formatVkey))
      .executeTakeFirstOrThrow(),
  );
  return Number(size ?? 0);
}

/** Entries of a log that were held when it was loaded: what came since may have filled a gap. */
export function heldCount(logs: readonly HeldLog[], origin: string): number {
  const segments = logs.find((log) => log.origin === origin)?.segments ?? [];
  return segments.reduce((sum, { first, end }) => sum + end.size - first, 0);
}
