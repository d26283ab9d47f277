/**
 * Many texts for one statement, as one parameter. An array of texts costs the driver and the server an escape for each
 * quote, and the texts of decisions are full of them; a joined text is cut at a character that none of them holds.
 */
import { type RawBuilder, sql } from 'kysely';
import { assert } from '../../base/assert.ts';

/** INFORMATION SEPARATOR ONE: JSON escapes it, and identifiers cannot hold it. */
const SEPARATOR = '\u001f';

/**
 * A `text[]`. None may be empty. As a question of its own, whose length no planner sees: else each statement that has few
 * would be planned anew each time, since a plan made for its few looks cheaper than the one for any number.
 */
export function textsOf(texts: readonly string[]): RawBuilder<readonly string[]> {
  assert(
    texts.every((text) => text !== '' && !text.includes(SEPARATOR)),
    'texts that travel together are not empty, and hold no separator',
  );
  return sql`(select string_to_array(${texts.join(SEPARATOR)}::text, chr(31)))`;
}
