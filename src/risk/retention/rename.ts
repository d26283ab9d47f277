/** Other names in one column of the database, by the way in which names stand there. */
import { sql, type Transaction } from 'kysely';
import type { Database } from '../store/schema.ts';
import type { Names } from './decisions.ts';
import type { PlaceRow } from './places.ts';

export type Trx = Transaction<Database>;

/** What an identifier is made of: a name that stands inside of another one is not meant. */
const INSIDE = '[A-Za-z0-9._:-]';

/** True when a row was changed. */
export async function renamePlace(trx: Trx, place: PlaceRow, names: Names): Promise<boolean> {
  let changed = false;
  for (const [name, next] of names) {
    const { numAffectedRows } = await statementOf(place, name, next).execute(trx);
    changed ||= (numAffectedRows ?? 0n) > 0n;
  }
  return changed;
}

function statementOf({ table, column, how, jsonb }: PlaceRow, name: string, next: string) {
  const at = sql.table(table);
  const into = sql.ref(column);
  switch (how) {
    case 'exact':
      return sql`update ${at} set ${into} = ${next} where ${into} = ${name}`;
    case 'json': {
      const [old, fresh] = [JSON.stringify(name), JSON.stringify(next)];
      const replaced = sql`replace(${into}::text, ${old}, ${fresh})`;
      return sql`update ${at} set ${into} = ${jsonb === true ? sql`${replaced}::jsonb` : replaced}
        where position(${old} in ${into}::text) > 0`;
    }
    case 'words': {
      const escaped = name.replace(/[^A-Za-z0-9]/g, '\\$&');
      const pattern = `(?<!${INSIDE})${escaped}(?!${INSIDE})`;
      return sql`update ${at} set ${into} = regexp_replace(${into}, ${pattern}, ${next}, 'g')
        where position(${name} in ${into}) > 0`;
    }
  }
}
