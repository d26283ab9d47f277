/**
 * What is proved of a log with a gap, stretch by stretch: an anchor proves the entries that stand without a gap below its
 * tree, and nothing of those before the gap, which may be of another tree (FORMAT.md section 9).
 *
 * `anchored_size` and `witnessed_size` are of the newest stretch, which begins at `segment_first`; what is proved of those
 * before is in `below`, which nearly no log has. Logs with a gap were judged without it: nothing counts as anchored of them
 * until they are judged again, which is due at once.
 */
import { type Kysely, type Migration, sql } from 'kysely';

export const segmentsMigration: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    for (const statement of STATEMENTS) await sql.raw(statement).execute(db);
  },
};

const STATEMENTS: readonly string[] = [
  `alter table custody.assurance
    add column segment_first bigint not null default 0,
    add column below jsonb`,
  `update custody.assurance a set anchored_size = 0, witnessed_size = 0, cosigned_judged = a.cosigned_due - 1
    from custody.log l where l.origin = a.origin and l.positions is distinct from
      (select r.end_size from custody.range r where r.origin = l.origin order by r.first desc limit 1)`,
];
